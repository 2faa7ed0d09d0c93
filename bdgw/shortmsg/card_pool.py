"""The terminals of a gateway and the cards in them: which card may send now. Pure.

A terminal is named by the configuration and stays; a card is known by its address and may move.
Timers belong to cards, so a card that moves to another terminal takes its interval along.
"""

from __future__ import annotations

import math

import msgspec

from bdgw.shortmsg.vocabulary import Card, Family, Service

__all__ = ["CardPool", "Seat"]

_SIGNAL_RETRY_S = 5.0
_SIGNAL_RETRY_MAX_S = 120.0
_MAX_DOUBLINGS = 16


class Seat(msgspec.Struct, kw_only=True):
    """A terminal and what is known of it. Times in seconds of the caller's clock."""

    name: str
    family: Family | None = None
    card: Card | None = None
    is_alive: bool = True
    """It answers; a terminal is believed in until it falls silent."""
    is_suppressed: bool = False
    """By the system (抑制) or set to silence; it may receive."""
    ready_s: float = -math.inf
    """Its session takes no request before, of whatever priority."""
    marks_s: dict[Service, float] = msgspec.field(default_factory=dict)
    """What its session counts the intervals from, whichever card is in it."""
    closed_until_s: float = -math.inf
    """It has refused for a reason of its own, such as no lock."""
    failed_at_s: float | None = None
    n_failures: int = 0
    """Refusals in a row for such reasons."""
    in_flight: str | None = None
    """The job whose feedback is awaited: one request at a time (RDSS digest 7)."""
    in_flight_service: Service = Service.REGIONAL
    in_flight_unit: int | None = None
    """Its number in the ledger; None for what is no message."""
    in_flight_card: int | None = None
    asked_at_s: float = -math.inf

    @property
    def address(self) -> int | None:
        """Of its card."""
        return None if self.card is None else self.card.address

    @property
    def may_send(self) -> bool:
        """Whether it can be given a request, apart from the time."""
        return self.card is not None and self.is_alive and not self.is_suppressed


class CardPool:
    """All terminals, in the order in which they were named."""

    def __init__(self, terminals: dict[str, Family | None]) -> None:
        """Take the terminals of the configuration; None: the family is not known yet."""
        self._seats = {name: Seat(name=name, family=family) for name, family in terminals.items()}

    def __getitem__(self, name: str) -> Seat:
        """The terminal of this name.

        Raises:
            KeyError: there is none.
        """
        return self._seats[name]

    def seats(self) -> list[Seat]:
        """All terminals."""
        return list(self._seats.values())

    def free_seats(self) -> list[Seat]:
        """The terminals that a request can be given to: they may send, and their card is not busy.

        A card may have come from a terminal that still owes its feedback.
        """
        asked = [seat for seat in self._seats.values() if seat.in_flight is not None]
        busy = {seat.in_flight_card for seat in asked}
        return [
            seat
            for seat in self._seats.values()
            if seat.may_send and seat.in_flight is None and seat.address not in busy
        ]

    def seat_of(self, address: int) -> Seat | None:
        """The terminal in which this card sits."""
        for seat in self._seats.values():
            if seat.card is not None and seat.card.address == address:
                return seat
        return None

    def card(self, address: int) -> Card | None:
        """What this card says, while it is in a terminal."""
        seat = self.seat_of(address)
        return None if seat is None else seat.card

    def own_addresses(self) -> frozenset[int]:
        """The addresses under which this gateway sends."""
        return frozenset(seat.card.address for seat in self._seats.values() if seat.card)

    def insert(self, name: str, card: Card) -> int | None:
        """A terminal has shown its card; returns the address that left it, if another was there.

        Two terminals cannot hold one card: the last that showed it has it.
        """
        seat = self._seats[name]
        for other in self._seats.values():
            if other is not seat and other.card is not None and other.address == card.address:
                other.card = None
        left = seat.address
        seat.card = card
        seat.is_alive = True
        return left if left != card.address else None

    def eject(self, name: str) -> int | None:
        """A terminal has no card, or a dead one; returns the address that left."""
        seat = self._seats[name]
        left = seat.address
        seat.card = None
        return left

    def failed(self, name: str, *, now: float) -> None:
        """It could not send; it is tried again after a time that doubles.

        Nothing was on air, so distress is tried again after the shortest of these times.
        """
        seat = self._seats[name]
        n_doublings = min(seat.n_failures, _MAX_DOUBLINGS)
        seat.n_failures += 1
        seat.failed_at_s = now
        wait_s = min(_SIGNAL_RETRY_MAX_S, _SIGNAL_RETRY_S * 2.0**n_doublings)
        seat.closed_until_s = max(seat.closed_until_s, now + wait_s)

    def worked(self, name: str) -> None:
        """It has sent: what it refused before is forgotten."""
        seat = self._seats[name]
        seat.n_failures = 0
        seat.failed_at_s = None
        seat.closed_until_s = -math.inf

    def open_at_s(self, name: str, *, is_urgent: bool) -> float:
        """When it may be tried again; distress does not wait out a doubled time."""
        seat = self._seats[name]
        closed_s = seat.closed_until_s
        if is_urgent and seat.failed_at_s is not None:
            closed_s = min(closed_s, seat.failed_at_s + _SIGNAL_RETRY_S)
        return max(closed_s, seat.ready_s)
