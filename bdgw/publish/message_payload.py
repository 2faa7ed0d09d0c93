"""Short messages as published: what came in, and what becomes of what goes out. Pure.

``data_hex`` is the message as its sender made it, a seal opened; ``raw_hex`` is what came over the
air. What is told ``again`` after a restart has the id, and the revision, that it had at first.
"""

from __future__ import annotations

from typing import Any

import msgspec

from bdgw.hub import MessageChanged, MessageReceived
from bdgw.publish.payload import VERSION
from bdgw.shortmsg.content import Content
from bdgw.shortmsg.record import format_utc_ns, inbound_object, step_object

__all__ = ["received_payload", "status_payload"]

_encoder = msgspec.json.Encoder()


def received_payload(gateway: str, event: MessageReceived) -> bytes:
    """Write a message that has come in."""
    incoming = event.incoming
    value: dict[str, Any] = {
        "v": VERSION,
        "gw": gateway,
        **inbound_object(event.kept),
        "peer": incoming.peer,
        "data_hex": incoming.data.hex(),
        "content": None if incoming.content is None else _content(incoming.content),
        "is_long": incoming.is_long or None,
        "is_sealed": incoming.is_sealed or None,
        "is_repeat": incoming.is_repeat or None,
        "commands": sorted(incoming.commands) or None,
        "again": event.is_again or None,
    }
    return _encoder.encode({name: item for name, item in value.items() if item is not None})


def _content(content: Content) -> Any:  # noqa: ANN401 - JSON
    """What the content says, in plain values: the bytes stand beside it already."""
    return _plain(msgspec.to_builtins(content, builtin_types=(bytes,)))


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {
            name: _plain(item) for name, item in value.items() if item is not None and name != "raw"
        }
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def status_payload(gateway: str, event: MessageChanged) -> bytes:
    """Write the newest steps of a message that goes out, and the state that they have led to."""
    message = event.message
    value: dict[str, Any] = {
        "v": VERSION,
        "gw": gateway,
        "id": message.id,
        "key": message.submission.key,
        "origin": message.submission.origin,
        "to": message.submission.to,
        "state": message.state.value,
        "t_state": format_utc_ns(message.state_utc_ns),
        "cause": message.cause or None,
        "retryable": message.is_retryable,
        "settled": message.is_settled,
        "possibly_sent": message.is_possibly_sent or None,
        "n_units": message.n_units,
        "n_units_accepted": message.n_units_accepted,
        "n_sends": message.n_sends,
        "revision": message.revision,
        "again": event.is_again or None,
        "steps": [step_object(step) for step in event.steps],
    }
    return _encoder.encode({name: item for name, item in value.items() if item is not None})
