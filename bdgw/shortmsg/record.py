"""Messages out and in as JSON objects: what REST, MQTT, exports and the command line show. Pure.

Times are UTC (RFC 3339) to the nanosecond; unknown is absent.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec

from bdgw.shortmsg.ledger_store import Inbound
from bdgw.shortmsg.message import Message, Step

__all__ = ["format_utc_ns", "inbound_object", "message_object", "step_object"]

_NS_PER_S = 1_000_000_000


def format_utc_ns(utc_ns: int) -> str:
    """Write a time of the host; nanoseconds since 1970, year 1 to 9999."""
    seconds, nanoseconds = divmod(utc_ns, _NS_PER_S)
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def _known(entries: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entries.items() if value is not None}


def _time(utc_ns: int | None) -> str | None:
    return None if utc_ns is None else format_utc_ns(utc_ns)


def message_object(message: Message, steps: Sequence[Step] | None = None) -> dict[str, Any]:
    """Give a message for JSON, with its steps where they are given."""
    wanted = message.submission
    options = msgspec.json.decode(wanted.options)
    entries = {
        "id": message.id,
        "key": wanted.key,
        "origin": wanted.origin,
        "to": wanted.to,
        "service": wanted.service.value,
        "priority": wanted.priority,
        "supersede_key": wanted.supersede_key,
        "wants_receipt": wanted.wants_receipt,
        "deadline": _time(wanted.deadline_utc_ns),
        "options": options or None,
        "state": message.state.value,
        "t_accepted": format_utc_ns(message.submitted_utc_ns),
        "t_state": format_utc_ns(message.state_utc_ns),
        "cause": message.cause or None,
        "retryable": message.is_retryable,
        "settled": message.is_settled,
        "possibly_sent": message.is_possibly_sent,
        "n_units": message.n_units,
        "n_units_accepted": message.n_units_accepted,
        "n_sends": message.n_sends,
        "n_possibly_sent": message.n_possibly_sent,
        "air_number": message.air_number,
        "t_receipt": _time(message.receipt_utc_ns),
        "text": wanted.payload.decode(errors="replace") if options.get("is_text") else None,
        "payload_hex": wanted.payload.hex(),
        "steps": None if steps is None else [step_object(step) for step in steps],
    }
    return _known(entries)


def step_object(step: Step) -> dict[str, Any]:
    """Give a step for JSON."""
    return _known(
        {
            "t": format_utc_ns(step.at_utc_ns),
            "event": step.event.value,
            "cause": step.cause or None,
            "unit": step.unit,
            "of": step.of,
            "card": step.card,
            "repeat": step.is_repeat or None,
            "retryable": step.is_retryable,
            "air_number": step.air_number,
        }
    )


def inbound_object(inbound: Inbound) -> dict[str, Any]:
    """Give a received message for JSON."""
    return _known(
        {
            "id": inbound.id,
            "t_received": format_utc_ns(inbound.received_utc_ns),
            "terminal": inbound.terminal,
            "from": inbound.sender,
            "to": inbound.to,
            "service": inbound.service.value,
            "form": inbound.form.value,
            "n_bits": inbound.n_bits,
            "kind": inbound.kind,
            "text": inbound.text,
            "terminal_time": inbound.terminal_time,
            "intact": inbound.is_intact,
            "peer_message": inbound.peer_message,
            "content_hex": inbound.content.hex(),
            "raw_hex": inbound.raw.hex(),
        }
    )
