"""One message on its way out: what is sent next of it, and how often. Pure."""

from __future__ import annotations

import msgspec

from bdgw.shortmsg.budget import Job
from bdgw.shortmsg.message import Message
from bdgw.shortmsg.outgoing import Peer, Submission
from bdgw.shortmsg.transfer import OutgoingTransfer

__all__ = ["Flight", "Unit"]


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """A transmission of a message, by its number in the ledger."""

    number: int
    content: bytes
    is_repeat: bool = False


class Flight(msgspec.Struct, kw_only=True):
    """What the service knows of an unfinished message. Times in seconds of the caller's clock."""

    id: str
    submission: Submission
    peer: Peer | None
    job: Job
    """Its place in the queue, also while it is not queued."""
    n_units: int
    air_number: int | None = None
    payload: bytes | None = None
    """Of a long message; None: it is plain."""
    wire_payload: bytes | None = None
    """The same as it goes from ``card``: sealed where it must be."""
    transfer: OutgoingTransfer | None = None
    n_reported: tuple[int, int] = (0, 0)
    """Units of the transfer sent and arrived, as far as the peer's reports are remembered."""
    card: int | None = None
    """Units of a long message come from one card, by whose address the peer joins them."""
    n_handed: int = 0
    """Units of the transfer that have a number in the ledger."""
    again: Unit | None = None
    """Handed out and not sent: it goes first, under its number."""
    in_flight: Unit | None = None
    n_repeats_left: int = 0
    n_refusals: int = 0
    repeat_next: bool = False
    """A plain message that may have gone goes once more."""
    repeat_at_s: float | None = None
    give_up_s: float | None = None
    """Until then a receipt of the peer may come."""

    @property
    def is_long(self) -> bool:
        """Whether it goes in units to a bdgw peer."""
        return self.payload is not None

    @property
    def is_unnamed(self) -> bool:
        """Whether it is plain, and nothing is known by which its peer could acknowledge it."""
        return self.peer is not None and not self.is_long and self.air_number is None

    def next_unit(self, now: float) -> Unit | None:
        """The next unit of a long message, None while it waits for its peer."""
        if self.again is not None:
            return self.again
        content = None if self.transfer is None else self.transfer.next_unit(now)
        if content is None:
            return None
        self.n_handed += 1
        self.n_units = max(self.n_units, self.n_handed)
        return Unit(number=self.n_handed, content=content)

    def n_slots_left(self) -> int:
        """Transmissions that are probably still to come."""
        if self.transfer is None:
            return self.job.n_slots
        return max(1, self.transfer.expected_units + (self.again is not None))

    def take_up(self, message: Message) -> None:
        """Go on after a restart where the ledger says it was."""
        self.n_handed = max((unit.number for unit in message.units), default=0)
        self.n_units = max(message.n_units or 1, self.n_handed)
        self.air_number = message.air_number
        n_again = max((unit.n_sends - 1 for unit in message.units), default=0)
        if not self.is_long:
            self.n_repeats_left = max(0, self.submission.n_repeats - n_again)
