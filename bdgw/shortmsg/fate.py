"""What becomes of one message: what leads from one state to the next, and what is refused. Pure.

A message is its submission and the steps it took, and nothing else: folding the same steps gives
the same message, on a live gateway and after a restart.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from bdgw.errors import BdgwError
from bdgw.shortmsg.message import (
    FINAL_STATES,
    Event,
    Message,
    State,
    Step,
    Submission,
    Unit,
    UnitFate,
)

__all__ = [
    "CAUSE_CHARS_MAX",
    "UNITS_MAX",
    "IllegalTransitionError",
    "advance",
    "fold",
]

UNITS_MAX = 4096
CAUSE_CHARS_MAX = 200


class IllegalTransitionError(BdgwError):
    """A message cannot take this step from where it is; nothing has changed."""

    def __init__(self, message_id: str, event: Event, why: str) -> None:
        super().__init__(f"message {message_id}: {event} {why}")
        self.message_id = message_id
        self.event = event
        self.why = why


_UNFINISHED = frozenset(State) - FINAL_STATES
_FROM: dict[Event, frozenset[State]] = {
    Event.QUEUED: frozenset({State.ACCEPTED, State.QUEUED}),
    Event.ON_AIR: frozenset({State.QUEUED, State.ON_AIR, State.ACCEPTED_BY_TERMINAL}),
    # What a terminal says of a unit in flight is true whatever was decided meanwhile.
    Event.UNIT_ACCEPTED: frozenset(State),
    Event.UNIT_REFUSED: frozenset(State),
    Event.UNIT_POSSIBLY_SENT: frozenset(State),
    Event.DELIVERED: frozenset({State.ON_AIR, State.ACCEPTED_BY_TERMINAL}),
    Event.EXPIRED: _UNFINISHED,
    Event.REFUSED: frozenset({State.ACCEPTED, State.QUEUED, State.ON_AIR}),
    Event.CANCELLED: frozenset({State.ACCEPTED, State.QUEUED, State.ON_AIR}),
    Event.LATE_RECEIPT: frozenset({State.EXPIRED, State.REFUSED, State.CANCELLED}),
}


def fold(message_id: str, submission: Submission, steps: tuple[Step, ...]) -> Message:
    """Make a message of its steps, the first of which is its submission.

    Raises:
        IllegalTransitionError: they are not the steps of one message.
    """
    if not steps or steps[0].event is not Event.SUBMITTED:
        raise IllegalTransitionError(message_id, Event.SUBMITTED, "is not its first step")
    at_utc_ns = steps[0].at_utc_ns
    message = Message(
        id=message_id,
        submission=submission,
        state=State.ACCEPTED,
        submitted_utc_ns=at_utc_ns,
        state_utc_ns=at_utc_ns,
        cause=steps[0].cause,
    )
    for step in steps[1:]:
        message = advance(message, step)
    return message


def advance(message: Message, step: Step) -> Message:
    """Take one step.

    Raises:
        IllegalTransitionError: the step is not allowed from here.
    """
    event = step.event
    if event is Event.SUBMITTED:
        raise IllegalTransitionError(message.id, event, "happens once")
    if message.state not in _FROM[event]:
        raise IllegalTransitionError(message.id, event, f"is not possible while {message.state}")
    if len(step.cause) > CAUSE_CHARS_MAX:
        raise IllegalTransitionError(message.id, event, f"has over {CAUSE_CHARS_MAX} characters")
    after = _RULES[event](message, step)
    return msgspec.structs.replace(after, revision=message.revision + 1)


# --- the rules, one for each event ---------------------------------------------------------------


def _to(message: Message, state: State, step: Step) -> Message:
    if state is message.state:
        return message
    return msgspec.structs.replace(
        message,
        state=state,
        state_utc_ns=step.at_utc_ns,
        cause=step.cause,
        is_retryable=step.is_retryable,
    )


def _queued(message: Message, step: Step) -> Message:
    n_units = message.n_units if step.of is None else _planned(message, step)
    air_number = message.air_number if step.air_number is None else step.air_number
    return msgspec.structs.replace(
        _to(message, State.QUEUED, step), n_units=n_units, air_number=air_number
    )


def _planned(message: Message, step: Step) -> int:
    if step.of is None or not 1 <= step.of <= UNITS_MAX:
        raise IllegalTransitionError(
            message.id, step.event, f"has {step.of} units, not 1 to {UNITS_MAX}"
        )
    return step.of


def _on_air(message: Message, step: Step) -> Message:
    n_units = _planned(message, step)
    number, card = step.unit, step.card
    if number is None or not 1 <= number <= n_units:
        raise IllegalTransitionError(message.id, step.event, f"of unit {number} of {n_units}")
    if card is None:
        raise IllegalTransitionError(message.id, step.event, "names no card")
    if n_units < (message.n_units or 0):
        raise IllegalTransitionError(
            message.id, step.event, f"of {n_units} units, after {message.n_units}"
        )
    is_done = message.state is State.ACCEPTED_BY_TERMINAL and not message.submission.wants_receipt
    if is_done:
        raise IllegalTransitionError(message.id, step.event, "after the terminal accepted all")
    known = message.unit(number)
    if known is not None and known.fate is UnitFate.IN_FLIGHT:
        raise IllegalTransitionError(message.id, step.event, f"of unit {number}, in flight already")
    if known is not None and known.has_gone and not step.is_repeat:
        raise IllegalTransitionError(
            message.id, step.event, f"of unit {number}, which may have gone: only as a repeat"
        )
    unit = Unit(
        number=number,
        fate=UnitFate.IN_FLIGHT,
        card=card,
        n_sends=1 if known is None else known.n_sends + 1,
        has_gone=known is not None and known.has_gone,
        is_accepted=known is not None and known.is_accepted,
    )
    return _with_unit(
        msgspec.structs.replace(_to(message, State.ON_AIR, step), n_units=n_units), unit
    )


def _with_unit(message: Message, unit: Unit) -> Message:
    others = (other for other in message.units if other.number != unit.number)
    units = tuple(sorted((*others, unit), key=lambda each: each.number))
    return msgspec.structs.replace(message, units=units)


_UNIT_FATES = {
    Event.UNIT_ACCEPTED: UnitFate.ACCEPTED,
    Event.UNIT_REFUSED: UnitFate.REFUSED,
    Event.UNIT_POSSIBLY_SENT: UnitFate.POSSIBLY_SENT,
}


def _unit_answered(message: Message, step: Step) -> Message:
    known = None if step.unit is None else message.unit(step.unit)
    if known is None or known.fate is not UnitFate.IN_FLIGHT:
        raise IllegalTransitionError(
            message.id, step.event, f"of unit {step.unit}, which is not in flight"
        )
    fate = _UNIT_FATES[step.event]
    unit = msgspec.structs.replace(
        known,
        fate=fate,
        has_gone=known.has_gone or fate is not UnitFate.REFUSED,
        is_accepted=known.is_accepted or fate is UnitFate.ACCEPTED,
    )
    after = _with_unit(message, unit)
    if fate is UnitFate.POSSIBLY_SENT:
        after = msgspec.structs.replace(after, n_possibly_sent=after.n_possibly_sent + 1)
    return _to(after, _state_by_units(after), step)


def _state_by_units(message: Message) -> State:
    """A message that was given up, or delivered, stays so; the others are what their units are."""
    if message.is_final:
        return message.state
    if message.n_units_accepted == message.n_units and not message.in_flight:
        return State.ACCEPTED_BY_TERMINAL
    return State.ON_AIR if message.in_flight or message.n_units_gone else State.QUEUED


def _delivered(message: Message, step: Step) -> Message:
    after = msgspec.structs.replace(message, receipt_utc_ns=step.at_utc_ns)
    return _to(after, State.DELIVERED, step)


def _expired(message: Message, step: Step) -> Message:
    if message.is_settled:
        raise IllegalTransitionError(message.id, step.event, "after the terminal accepted all")
    return _to(message, State.EXPIRED, step)


def _refused(message: Message, step: Step) -> Message:
    if not step.cause or step.is_retryable is None:
        raise IllegalTransitionError(
            message.id, step.event, "says no reason, or not if it is final"
        )
    if message.in_flight:
        raise IllegalTransitionError(message.id, step.event, "while a unit is in flight")
    return _to(message, State.REFUSED, step)


def _cancelled(message: Message, step: Step) -> Message:
    n_out = message.n_units_gone + sum(not unit.has_gone for unit in message.in_flight)
    if n_out and n_out == message.n_units:
        raise IllegalTransitionError(message.id, step.event, "after all of it may have gone out")
    return _to(message, State.CANCELLED, step)


def _late_receipt(message: Message, step: Step) -> Message:
    if message.receipt_utc_ns is not None:
        raise IllegalTransitionError(message.id, step.event, "is known already")
    return msgspec.structs.replace(message, receipt_utc_ns=step.at_utc_ns)


_RULES: dict[Event, Callable[[Message, Step], Message]] = {
    Event.QUEUED: _queued,
    Event.ON_AIR: _on_air,
    Event.UNIT_ACCEPTED: _unit_answered,
    Event.UNIT_REFUSED: _unit_answered,
    Event.UNIT_POSSIBLY_SENT: _unit_answered,
    Event.DELIVERED: _delivered,
    Event.EXPIRED: _expired,
    Event.REFUSED: _refused,
    Event.CANCELLED: _cancelled,
    Event.LATE_RECEIPT: _late_receipt,
}
