"""Counters that are never used twice: not after a crash, a restored disk, or by a clone. Pure.

A counter is the larger of the one after the last and the clock in seconds, so it also says when a
message was sealed. Before any is used, a ceiling above it is made durable by compare-and-set; a
start begins at the stored ceiling. What each failure meets:

- crash, kill, power cut: the rest of the block is skipped;
- two processes on one store: compare-and-set lets each block go to one of them;
- a restored backup, or a disk that was lost: the first block after a start needs a clock, which
  has passed everything that was used before; counters lead it by no more than a block and the
  messages that were sealed faster than one a second;
- a cloned disk in another host: the stored host differs, nothing is sealed until an operator says
  that the other one is gone;
- a clone with the same host name: the address in the nonce is that of the card, and a card is in
  one terminal; if both reach that terminal, a counter of our address that we did not use is seen
  (``witness``), and peers see two messages under one counter.
"""

from __future__ import annotations

import enum

import msgspec

from bdgw.errors import EncodeError

__all__ = [
    "BLOCK",
    "BLOCK_AHEAD",
    "COUNTER_END",
    "EPOCH_UTC_S",
    "CounterError",
    "CounterLane",
    "CounterTrouble",
    "Reservation",
    "clock_of",
]

EPOCH_UTC_S = 1_735_689_600
"""2025-01-01T00:00:00Z: counter 0."""
COUNTER_END = 1 << 32
"""One past the largest counter; by the clock it is reached in 2161."""
BLOCK = 600
"""Counters in one reservation: with a running clock, one durable write in five minutes, as the
next block is asked for when half of one is left."""
BLOCK_AHEAD = 32
"""Of a lane that is ahead of the clock, so that crashes in a row do not drive it far ahead."""
_HOST_CHARS_MAX = 128


class CounterTrouble(enum.StrEnum):
    """Why no counter is given."""

    NOT_RESERVED = "not_reserved"
    """A reservation must become durable first; then it goes on."""
    NO_CLOCK = "no_clock"
    """After a start, the clock must be set once before anything is sealed."""
    EXHAUSTED = "exhausted"
    """This key has no counters left: send with another key."""
    CLONED_STORE = "cloned_store"
    """The store comes from another host."""
    CLONE_SEEN = "clone_seen"
    """Somebody else seals with our key and address: change the key."""


class CounterError(EncodeError):
    """No counter can be given now."""

    def __init__(self, trouble: CounterTrouble, detail: str) -> None:
        super().__init__(f"{trouble}: {detail}")
        self.trouble = trouble


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """Replace ``expected`` by ``value`` under ``name``, durably, or say that it stands no more."""

    name: str
    expected: bytes | None
    value: bytes
    first: int
    end: int
    """One past the last counter that it gives."""


def clock_of(utc_s: float | None) -> int | None:
    """Turn POSIX seconds into the counter of that instant; None for a clock that is not set."""
    if utc_s is None or not EPOCH_UTC_S <= utc_s < EPOCH_UTC_S + COUNTER_END:
        return None
    return int(utc_s) - EPOCH_UTC_S


class CounterLane:
    """The counters of one address and key."""

    def __init__(self, name: str, *, stored: bytes | None, host: str, block: int = BLOCK) -> None:
        """Begin behind what is stored; ``host`` is what a copied disk does not carry along.

        Raises:
            ValueError: the stored entry is none of ours, or the host has no or too many
                characters.
        """
        if not host or len(host) > _HOST_CHARS_MAX or not host.isascii() or " " in host:
            raise ValueError("a host is named by 1 to 128 ASCII characters without blanks")
        if not 1 <= block < COUNTER_END:
            raise ValueError(f"block of {block} counters")
        self._name = name
        self._host = host
        self._block = block
        self._stored = stored
        self._next, stored_host = _parsed(stored)
        self._end = self._next
        self._has_clock = False
        self._is_pending = False
        self._trouble: CounterTrouble | None = None
        if stored_host not in (None, host):
            self._trouble = CounterTrouble.CLONED_STORE
        self.n_contended = 0
        """Reservations that another process on the same store was quicker with."""

    @property
    def trouble(self) -> CounterTrouble | None:
        """What stops it until people act."""
        return self._trouble

    def due(self, *, utc_s: float | None) -> Reservation | None:
        """Give what must become durable before the counters run out, or None.

        None too while one is under way, or something stops the lane. ``utc_s`` is a clock that
        the host trusts, None while it trusts none.
        """
        at = self._at(utc_s)
        is_stopped = self._trouble is not None or not self._has_clock
        block = self._block if at == clock_of(utc_s) else min(self._block, BLOCK_AHEAD)
        end = min(at + block, COUNTER_END)
        has_enough = at + block // 2 < self._end or end <= self._end
        if self._is_pending or is_stopped or has_enough:
            return None
        self._is_pending = True
        value = f"{end} {self._host}".encode()
        return Reservation(name=self._name, expected=self._stored, value=value, first=at, end=end)

    def granted(self, reservation: Reservation) -> None:
        """Take a reservation that is durable."""
        self._is_pending = False
        self._stored = reservation.value
        # What lies below was perhaps used by an earlier life whose disk is lost.
        self._next = max(self._next, reservation.first)
        self._end = max(self._end, reservation.end)

    def refused(self, current: bytes | None) -> None:
        """Learn that another value stands in the store: another process has reserved.

        Raises:
            ValueError: it is none of ours.
        """
        self._is_pending = False
        self.n_contended += 1
        self._stored = current
        ceiling, host = _parsed(current)
        self._next = self._end = max(self._next, self._end, ceiling)
        if host not in (None, self._host):
            self._trouble = CounterTrouble.CLONED_STORE

    def failed(self) -> None:
        """Learn that the store could not tell; the same counters may be asked for again."""
        self._is_pending = False

    def take(self, *, utc_s: float | None) -> int:
        """Give a counter that was never given before.

        Raises:
            CounterError: see ``CounterTrouble``.
        """
        if self._trouble is not None:
            raise CounterError(self._trouble, self._name)
        at = self._at(utc_s)
        if not self._has_clock:
            raise CounterError(CounterTrouble.NO_CLOCK, self._name)
        if at >= COUNTER_END:
            raise CounterError(CounterTrouble.EXHAUSTED, self._name)
        if at >= self._end:
            raise CounterError(CounterTrouble.NOT_RESERVED, self._name)
        self._next = at + 1
        return at

    def witness(self, counter: int) -> None:
        """Learn of a genuine message of our own address and key that was heard on air."""
        if counter >= self._next:
            self._trouble = CounterTrouble.CLONE_SEEN

    def adopt(self) -> None:
        """Go on after an operator has said that the host of the stored entry seals no more."""
        if self._trouble is CounterTrouble.CLONED_STORE:
            self._trouble = None

    def _at(self, utc_s: float | None) -> int:
        clock = clock_of(utc_s)
        if clock is None:
            return self._next
        if not self._has_clock:
            # From here on nothing below is given, even when the clock is lost again.
            self._has_clock = True
            self._next = max(self._next, clock)
        return max(self._next, clock)


def _parsed(stored: bytes | None) -> tuple[int, str | None]:
    """Read an entry: ceiling and host. Rubbish is an error: to begin at 0 would repeat."""
    if stored is None:
        return 0, None
    ceiling, _, host = stored.decode("ascii", "replace").partition(" ")
    if not ceiling.isdecimal() or not host or not 0 <= int(ceiling[:20]) <= COUNTER_END:
        raise ValueError("the stored counter of a key is damaged; send with a new key")
    return int(ceiling), host
