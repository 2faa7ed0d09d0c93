"""Between values and rows."""

from __future__ import annotations

from typing import Any

import msgspec

from bdgw.shortmsg.ledger_store import Inbound
from bdgw.shortmsg.message import Event, Message, State, Step, Submission, Unit, UnitFate
from bdgw.shortmsg.vocabulary import Form, Service

__all__ = [
    "INBOUND_COLUMNS",
    "MESSAGE_COLUMNS",
    "STEP_COLUMNS",
    "inbound_of",
    "inbound_row",
    "message_of",
    "message_row",
    "step_of",
    "step_row",
]

MESSAGE_COLUMNS = (
    "id, key, peer, payload, origin, priority, service, deadline_utc_ns, supersede_key, "
    "wants_receipt, options, state, submitted_utc_ns, state_utc_ns, cause, n_units, units, "
    "n_possibly_sent, air_number, is_retryable, receipt_utc_ns, revision, is_settled"
)
STEP_COLUMNS = (
    "message_id, number, event, at_utc_ns, cause, unit, of_units, card, is_repeat, is_retryable, "
    "air_number"
)
INBOUND_COLUMNS = (
    "id, received_utc_ns, terminal, sender, addressee, service, form, content, n_bits, raw, "
    "terminal_time, is_intact, kind, text, peer_message"
)

_UnitRow = tuple[int, UnitFate, int, int, bool, bool]
_unit_rows = msgspec.json.Decoder(tuple[_UnitRow, ...])


def _units_text(units: tuple[Unit, ...]) -> str:
    rows = [msgspec.structs.astuple(unit) for unit in units]
    return msgspec.json.encode(rows).decode()


def _units_of(text: str) -> tuple[Unit, ...]:
    return tuple(
        Unit(
            number=number,
            fate=fate,
            card=card,
            n_sends=n_sends,
            has_gone=has_gone,
            is_accepted=is_accepted,
        )
        for number, fate, card, n_sends, has_gone, is_accepted in _unit_rows.decode(text)
    )


def _flag(value: int | None) -> bool | None:
    return None if value is None else bool(value)


def message_row(message: Message) -> tuple[Any, ...]:
    """Give the columns of a message."""
    wanted = message.submission
    return (
        message.id,
        wanted.key,
        wanted.to,
        wanted.payload,
        wanted.origin,
        wanted.priority,
        wanted.service.value,
        wanted.deadline_utc_ns,
        wanted.supersede_key,
        wanted.wants_receipt,
        wanted.options,
        message.state.value,
        message.submitted_utc_ns,
        message.state_utc_ns,
        message.cause,
        message.n_units,
        _units_text(message.units),
        message.n_possibly_sent,
        message.air_number,
        message.is_retryable,
        message.receipt_utc_ns,
        message.revision,
        message.is_settled,
    )


def message_of(row: tuple[Any, ...]) -> Message:
    """Make a message of its columns.

    Raises:
        ValueError: they are none that we wrote.
    """
    submission = Submission(
        key=row[1],
        to=row[2],
        payload=row[3],
        origin=row[4],
        priority=row[5],
        service=Service(row[6]),
        deadline_utc_ns=row[7],
        supersede_key=row[8],
        wants_receipt=bool(row[9]),
        options=row[10],
    )
    return Message(
        id=row[0],
        submission=submission,
        state=State(row[11]),
        submitted_utc_ns=row[12],
        state_utc_ns=row[13],
        cause=row[14],
        n_units=row[15],
        units=_units_of(row[16]),
        n_possibly_sent=row[17],
        air_number=row[18],
        is_retryable=_flag(row[19]),
        receipt_utc_ns=row[20],
        revision=row[21],
    )


def step_row(message_id: str, number: int, step: Step) -> tuple[Any, ...]:
    """Give the columns of the ``number``-th step of a message."""
    return (
        message_id,
        number,
        step.event.value,
        step.at_utc_ns,
        step.cause,
        step.unit,
        step.of,
        step.card,
        step.is_repeat,
        step.is_retryable,
        step.air_number,
    )


def step_of(row: tuple[Any, ...]) -> Step:
    """Make a step of its columns.

    Raises:
        ValueError: they are none that we wrote.
    """
    return Step(
        event=Event(row[2]),
        at_utc_ns=row[3],
        cause=row[4],
        unit=row[5],
        of=row[6],
        card=row[7],
        is_repeat=bool(row[8]),
        is_retryable=_flag(row[9]),
        air_number=row[10],
    )


def inbound_row(inbound: Inbound) -> tuple[Any, ...]:
    """Give the columns of a received message."""
    return (
        inbound.id,
        inbound.received_utc_ns,
        inbound.terminal,
        inbound.sender,
        inbound.to,
        inbound.service.value,
        inbound.form.value,
        inbound.content,
        inbound.n_bits,
        inbound.raw,
        inbound.terminal_time,
        inbound.is_intact,
        inbound.kind,
        inbound.text,
        inbound.peer_message,
    )


def inbound_of(row: tuple[Any, ...]) -> Inbound:
    """Make a received message of its columns.

    Raises:
        ValueError: they are none that we wrote.
    """
    return Inbound(
        id=row[0],
        received_utc_ns=row[1],
        terminal=row[2],
        sender=row[3],
        to=row[4],
        service=Service(row[5]),
        form=Form(row[6]),
        content=row[7],
        n_bits=row[8],
        raw=row[9],
        terminal_time=row[10],
        is_intact=_flag(row[11]),
        kind=row[12],
        text=row[13],
        peer_message=row[14],
    )
