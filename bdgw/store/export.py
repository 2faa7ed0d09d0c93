"""The ledger as NDJSON and CSV, in pieces, every step with its time.

Times are UTC (RFC 3339) to the nanosecond. In NDJSON unknown is absent, in CSV it is an empty cell.
"""

from __future__ import annotations

import csv as csv_module
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from bdgw.shortmsg.fate import advance, fold
from bdgw.shortmsg.ledger_store import Inbound
from bdgw.shortmsg.message import Event, Message, State, Step
from bdgw.shortmsg.record import format_utc_ns, inbound_object, message_object

__all__ = ["csv", "inbound_csv", "inbound_ndjson", "ndjson"]

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
