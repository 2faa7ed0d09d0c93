"""What integrators write and read as JSON: a submission in, and the answer to it. Pure.

The same for REST, MQTT and the command line, so that no door takes what another one refuses.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from bdgw.errors import DecodeError
from bdgw.shortmsg.budget import Priority
from bdgw.shortmsg.outgoing import Receipt, Refusal, RefusalCause, Submission
from bdgw.shortmsg.record import format_utc_ns
from bdgw.shortmsg.vocabulary import Service

__all__ = [
    "BODY_BYTES_MAX",
    "SendRequest",
    "bad_request",
    "receipt_object",
    "refusal_object",
    "submission_of",
]

BODY_BYTES_MAX = 256 * 1024
"""64 KiB of data as hexadecimal digits, and room for the rest."""
_NS_PER_S = 1_000_000_000

_Key = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class SendRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message to send, as it is written in JSON; see ``outgoing.Submission`` for the meaning."""

    to: int | str
    """Digits; leading zeros mean nothing."""
    text: str | None = None
    data_hex: str | None = None
    priority: Priority = Priority.ROUTINE
    valid_s: float | None = None
    supersede_key: _Key | None = None
    idempotency_key: _Key | None = None
    group: _Key | None = None
    card: int | str | None = None
    service: Service = Service.REGIONAL
    is_express: bool = False
    transliterate: bool = False
    n_repeats: int = 0


def submission_of(body: bytes, *, origin: str) -> Submission:
    """Read a submission; whether it can be sent is not asked here.

    Raises:
        DecodeError: it is no JSON, or a field is wrong; names the field.
    """
    if len(body) > BODY_BYTES_MAX:
        raise DecodeError(f"more than {BODY_BYTES_MAX} bytes")
    try:
        return _submission(msgspec.json.decode(body, type=SendRequest), origin)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DecodeError(str(error)) from None


def _submission(request: SendRequest, origin: str) -> Submission:
    return Submission(
        to=_address("to", request.to),
        text=request.text,
        data=None if request.data_hex is None else _data(request.data_hex),
        priority=request.priority,
        valid_s=request.valid_s,
        supersede_key=request.supersede_key,
        idempotency_key=request.idempotency_key,
        group=request.group,
        card=None if request.card is None else _address("card", request.card),
        service=request.service,
        is_express=request.is_express,
        transliterate=request.transliterate,
        n_repeats=request.n_repeats,
        origin=origin,
    )


def _address(name: str, value: int | str) -> int:
    if isinstance(value, int):
        return value
    if not (value.isascii() and value.isdecimal() and len(value) <= 15):
        raise DecodeError(f"{name} is an address of digits, not {value[:20]!r}")
    return int(value)


def _data(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise DecodeError("data_hex is not hexadecimal") from None


def receipt_object(receipt: Receipt, *, state: str, now: float, utc_ns: int) -> dict[str, Any]:
    """Give the answer to an accepted message; ``now`` and ``utc_ns`` are one instant.

    Accepted is not sent, and sent is not delivered.
    """

    def time(at_s: float | None) -> str | None:
        return None if at_s is None else format_utc_ns(utc_ns + round((at_s - now) * _NS_PER_S))

    entries = {
        "id": receipt.id,
        "state": state,
        "is_repeat": receipt.is_repeat or None,
        "n_slots": receipt.n_slots,
        "way": receipt.way,
        "explanation": receipt.explanation,
        "t_send": time(receipt.t_send_s),
        "t_arrival": time(receipt.t_arrival_s),
        "superseded": list(receipt.superseded) or None,
    }
    return {name: value for name, value in entries.items() if value is not None}


def refusal_object(refusal: Refusal, *, now: float, utc_ns: int) -> dict[str, Any]:
    """Give the answer to a message that was not accepted, and of which nothing is kept."""
    arrival_s = refusal.t_arrival_s
    entries = {
        "cause": refusal.cause.value,
        "explanation": refusal.explanation,
        "is_retryable": refusal.is_retryable,
        "n_slots": refusal.n_slots,
        "t_arrival": None
        if arrival_s is None
        else format_utc_ns(utc_ns + round((arrival_s - now) * _NS_PER_S)),
    }
    return {name: value for name, value in entries.items() if value is not None}


def bad_request(explanation: str) -> Refusal:
    """The refusal of what could not even be read."""
    return Refusal(cause=RefusalCause.BAD, explanation=explanation)
