"""The words of a message that goes out: its states, events, steps and units. Pure values.

    accepted ─► queued ─► on_air n of m ─► accepted_by_terminal ─► delivered
        └─────────┴───────────┴───────┬────────────┘
                     expired · refused · cancelled

A terminal that accepts has transmitted, or will; only the peer's own acknowledgement delivers.
"""

from __future__ import annotations

import enum

import msgspec

from bdgw.shortmsg.vocabulary import Service

__all__ = [
    "FINAL_STATES",
    "Event",
    "Message",
    "State",
    "Step",
    "Submission",
    "Unit",
    "UnitFate",
]


class State(enum.StrEnum):
    """Where a message is."""

    ACCEPTED = "accepted"
    """It is on the gateway's disk, and has no place in the plan of the air yet."""
    QUEUED = "queued"
    """It waits for its slot; not a bit of it has gone out."""
    ON_AIR = "on_air"
    """Units of it have gone to a terminal, or one is about to; not all are accepted."""
    ACCEPTED_BY_TERMINAL = "accepted_by_terminal"
    """The terminal has taken every unit. Nobody is known to have received it."""
    DELIVERED = "delivered"
    """The peer itself has acknowledged it."""
    EXPIRED = "expired"
    """Its time ran out; units may have gone out, see ``Message.n_units_gone``."""
    REFUSED = "refused"
    """It was given up for ``Message.cause``, which ``Message.is_retryable`` judges."""
    CANCELLED = "cancelled"
    """It was called back before the whole of it had gone out."""


FINAL_STATES = frozenset({State.DELIVERED, State.EXPIRED, State.REFUSED, State.CANCELLED})


class Event(enum.StrEnum):
    """What happens to a message."""

    SUBMITTED = "submitted"
    QUEUED = "queued"
    ON_AIR = "on_air"
    """Unit ``unit`` of ``of`` is about to go to the terminal of ``card``: written before it."""
    UNIT_ACCEPTED = "unit_accepted"
    UNIT_REFUSED = "unit_refused"
    """The terminal says that it has not sent the unit."""
    UNIT_POSSIBLY_SENT = "unit_possibly_sent"
    """Nobody knows whether the unit went out: a crash, or a terminal that says nothing."""
    DELIVERED = "delivered"
    EXPIRED = "expired"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    LATE_RECEIPT = "late_receipt"
    """The peer acknowledged what had been given up; the outcome stands."""


class UnitFate(enum.StrEnum):
    """What is known of the last sending of a unit."""

    IN_FLIGHT = "in_flight"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    POSSIBLY_SENT = "possibly_sent"


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to have sent."""

    to: int
    payload: bytes
    """As it was given; what goes on air is made of it by the form and the protection."""
    origin: str = "local"
    """Where it came from: rest, mqtt, cli, …"""
    key: str | None = None
    """Two submissions of one key are one message."""
    priority: str = "routine"
    service: Service = Service.REGIONAL
    deadline_utc_ns: int | None = None
    supersede_key: str | None = None
    wants_receipt: bool = False
    """The peer will acknowledge it; without this, accepted by the terminal is as far as it gets."""
    options: str = "{}"
    """A JSON object that the ledger keeps and does not read."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One event in the life of a message, with the host's time in POSIX nanoseconds."""

    event: Event
    at_utc_ns: int
    cause: str = ""
    unit: int | None = None
    """From 1."""
    of: int | None = None
    card: int | None = None
    is_repeat: bool = False
    """ON_AIR: the unit may be with the peer already, and is sent again on purpose."""
    is_retryable: bool | None = None
    """REFUSED and UNIT_REFUSED: whether the same may succeed later."""
    air_number: int | None = None
    """QUEUED: the number by which the peer will acknowledge it."""


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """One unit of a message."""

    number: int
    fate: UnitFate
    card: int
    n_sends: int = 1
    has_gone: bool = False
    """One of its sendings was accepted, or possibly sent."""
    is_accepted: bool = False
    """One of its sendings was accepted."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message as its steps have left it. Made by ``advance`` alone."""

    id: str
    submission: Submission
    state: State
    submitted_utc_ns: int
    state_utc_ns: int
    """When it came into this state."""
    cause: str = ""
    """Why it is in this state."""
    n_units: int | None = None
    """None before anyone has planned how many."""
    units: tuple[Unit, ...] = ()
    """Those that were on air at least once, by number."""
    n_possibly_sent: int = 0
    """Sendings of which nobody knows whether they happened."""
    air_number: int | None = None
    is_retryable: bool | None = None
    receipt_utc_ns: int | None = None
    """When the peer's acknowledgement came, also where that was too late."""
    revision: int = 1
    """The number of its steps."""

    @property
    def is_final(self) -> bool:
        """Whether its one outcome is known."""
        return self.state in FINAL_STATES

    @property
    def in_flight(self) -> tuple[Unit, ...]:
        """Units that went to a terminal which has not answered."""
        return tuple(unit for unit in self.units if unit.fate is UnitFate.IN_FLIGHT)

    @property
    def is_settled(self) -> bool:
        """Whether nothing more is due: retention may take it.

        It is so as well once the terminal has accepted all of a message that no peer will
        acknowledge. An acknowledgement that comes all the same still makes it delivered.
        """
        if self.in_flight:
            return False
        is_at_rest = self.state is State.ACCEPTED_BY_TERMINAL and not self.submission.wants_receipt
        return self.is_final or is_at_rest

    @property
    def n_units_accepted(self) -> int:
        """Units that a terminal has accepted."""
        return sum(unit.is_accepted for unit in self.units)

    @property
    def n_units_gone(self) -> int:
        """Units that went out, or may have."""
        return sum(unit.has_gone for unit in self.units)

    @property
    def n_sends(self) -> int:
        """Slots used."""
        return sum(unit.n_sends for unit in self.units)

    @property
    def is_possibly_sent(self) -> bool:
        """Whether of a unit that no terminal has accepted nobody knows if it went out."""
        return any(unit.has_gone and not unit.is_accepted for unit in self.units)

    def unit(self, number: int) -> Unit | None:
        """Give a unit, None if it was never on air."""
        return next((unit for unit in self.units if unit.number == number), None)
