"""The ledger as NDJSON and CSV, in pieces, every step with its time.

Times are UTC (RFC 3339) to the nanosecond. In NDJSON unknown is absent, in CSV it is an empty cell.
"""

from __future__ import annotations

import csv as csv_module
import datetime as dt
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from bdgw.shortmsg.fate import advance, fold
from bdgw.shortmsg.ledger_store import Inbound
from bdgw.shortmsg.message import Event, Message, State, Step

__all__ = [
    "csv",
    "format_utc_ns",
    "inbound_csv",
    "inbound_ndjson",
    "inbound_object",
    "message_object",
    "ndjson",
]

_NS_PER_S = 1_000_000_000
_FIRST_TIMES = {
    Event.SUBMITTED: "t_accepted",
    Event.QUEUED: "t_queued",
    Event.ON_AIR: "t_first_on_air",
    Event.DELIVERED: "t_delivered",
    Event.EXPIRED: "t_expired",
    Event.REFUSED: "t_refused",
    Event.CANCELLED: "t_cancelled",
    Event.LATE_RECEIPT: "t_late_receipt",
}
_CSV_COLUMNS = (
    "id",
    "key",
    "origin",
    "to",
    "service",
    "priority",
    "state",
    "t_state",
    "cause",
    "retryable",
    "settled",
    "possibly_sent",
    "n_units",
    "n_units_accepted",
    "n_sends",
    "n_possibly_sent",
    "t_accepted",
    "t_queued",
    "t_first_on_air",
    "t_last_on_air",
    "t_accepted_by_terminal",
    "t_delivered",
    "t_expired",
    "t_refused",
    "t_cancelled",
    "t_late_receipt",
    "deadline",
    "payload_hex",
)
_INBOUND_CSV_COLUMNS = (
    "id",
    "t_received",
    "terminal",
    "from",
    "to",
    "service",
    "form",
    "n_bits",
    "kind",
    "text",
    "terminal_time",
    "intact",
    "peer_message",
    "content_hex",
    "raw_hex",
)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


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
        "options": msgspec.json.decode(wanted.options) or None,
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
        "payload_hex": wanted.payload.hex(),
        "steps": None if steps is None else [_step_object(step) for step in steps],
    }
    return _known(entries)


def _step_object(step: Step) -> dict[str, Any]:
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


def ndjson(messages: Iterable[Message], steps_of: Callable[[str], Sequence[Step]]) -> Iterator[str]:
    """Write one message a line, its steps inside."""
    for message in messages:
        line = msgspec.json.encode(message_object(message, steps_of(message.id)))
        yield line.decode() + "\n"


def inbound_ndjson(messages: Iterable[Inbound]) -> Iterator[str]:
    """Write one received message a line."""
    for inbound in messages:
        yield msgspec.json.encode(inbound_object(inbound)).decode() + "\n"


def csv(messages: Iterable[Message], steps_of: Callable[[str], Sequence[Step]]) -> Iterator[str]:
    """Write one message a row, with the first time of each event and the last time on air."""
    rows = ({**message_object(each), **_times(each, steps_of(each.id))} for each in messages)
    return _csv(_CSV_COLUMNS, rows)


def inbound_csv(messages: Iterable[Inbound]) -> Iterator[str]:
    """Write one received message a row."""
    return _csv(_INBOUND_CSV_COLUMNS, map(inbound_object, messages))


def _times(message: Message, steps: Sequence[Step]) -> dict[str, str]:
    times: dict[str, str] = {}
    so_far: Message | None = None
    for step in steps:
        so_far = advance(so_far, step) if so_far else fold(message.id, message.submission, (step,))
        text = format_utc_ns(step.at_utc_ns)
        if step.event in _FIRST_TIMES:
            times.setdefault(_FIRST_TIMES[step.event], text)
        if step.event is Event.ON_AIR:
            times["t_last_on_air"] = text
        if so_far.state is State.ACCEPTED_BY_TERMINAL:
            times.setdefault("t_accepted_by_terminal", text)
    return times


def _csv(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv_module.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _cell(value: str | int | bool | None) -> str | int:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    # A received text must not become a formula in the table of whoever opens the file.
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return "'" + value
    return value
