"""Small values that must be known after a restart: times of cards, counters. Pure."""

from __future__ import annotations

import msgspec

from bdgw.shortmsg.ledger_desk import LedgerDesk
from bdgw.shortmsg.ledger_store import ValueWrite, Write
from bdgw.shortmsg.pending import Pending

__all__ = ["NAME_CHARS_MAX", "VALUE_BYTES_MAX", "ValueTable", "last_sent"]

NAME_CHARS_MAX = 200
VALUE_BYTES_MAX = 256 * 1024
_LAST_SENT = "last_sent/"
_COUNTED_FROM = "counted_from/"


def last_sent(card: int, at_utc_ns: int) -> ValueWrite:
    """Say that a card is used at a time of the host."""
    return ValueWrite(name=f"{_LAST_SENT}{card}", value=str(at_utc_ns).encode())


class ValueTable:
    """Names and bytes, on the same disk and in the same order of writes as the messages."""

    def __init__(self, desk: LedgerDesk) -> None:
        self._desk = desk

    def get(self, name: str) -> bytes | None:
        """Give a value, perhaps not durable yet; None where there is none."""
        return self._desk.value(name)

    def compare_and_set(self, name: str, expected: bytes | None, value: bytes) -> Pending[bool]:
        """Replace ``expected`` by ``value``; False, and no change, where something else stands.

        Raises:
            ValueError: the name or the value is too long.
        """
        if not 1 <= len(name) <= NAME_CHARS_MAX or len(value) > VALUE_BYTES_MAX:
            raise ValueError(f"value {name[:NAME_CHARS_MAX]!r} of {len(value)} bytes is too long")
        if self.get(name) != expected:
            return Pending(False)
        change = ValueWrite(name=name, value=value, is_guarded=True, expected=expected)
        return self._desk.commit(Write(values=(change,)), True)

    def reserve(self, name: str, n: int) -> Pending[range]:
        """Take the next ``n`` numbers of a counter, from 0; once durable, nobody gets them again.

        Numbers that were reserved and not used before a crash are skipped.

        Raises:
            ValueError: ``n`` is not above 0, or the entry is no counter.
        """
        numbers, change = self.next_numbers(name, n)
        return self._desk.commit(Write(values=(change,)), numbers)

    def next_numbers(self, name: str, n: int) -> tuple[range, ValueWrite]:
        """The same, to be written with what uses them.

        Raises:
            ValueError: ``n`` is not above 0, or the entry is no counter.
        """
        if n <= 0:
            raise ValueError(f"{n} numbers cannot be reserved")
        before = self.get(name)
        first = 0 if before is None else int(before)
        change = ValueWrite(
            name=name, value=str(first + n).encode(), is_guarded=True, expected=before
        )
        return range(first, first + n), change

    def last_sent_utc_ns(self, card: int) -> int | None:
        """When a card was last used, by the host's clock; None: never by this gateway."""
        value = self.get(f"{_LAST_SENT}{card}")
        return None if value is None else int(value)

    def counted_from(self, card: int, mark_utc_ns: int, *, terminal: str) -> tuple[ValueWrite, ...]:
        """The terminal has answered: its interval counts from this time.

        To be written with the answer. It holds for the last request of the card, and only in this
        terminal: another may transmit faster.
        """
        asked_utc_ns = self.last_sent_utc_ns(card)
        if asked_utc_ns is None:
            return ()
        value = msgspec.json.encode((asked_utc_ns, mark_utc_ns, terminal))
        return (ValueWrite(name=f"{_COUNTED_FROM}{card}", value=value),)

    def counted_from_utc_ns(self, card: int, *, terminal: str) -> int | None:
        """What the interval of a card counts from.

        None: the answer to its last request is not known, or was another terminal's.
        """
        kept = self.get(f"{_COUNTED_FROM}{card}")
        if kept is None:
            return None
        asked_utc_ns, mark_utc_ns, where = msgspec.json.decode(kept, type=tuple[int, int, str])
        is_last = asked_utc_ns == self.last_sent_utc_ns(card)
        return mark_utc_ns if is_last and where == terminal else None

    def note_sent(self, card: int, *, at_utc_ns: int) -> Pending[None]:
        """A card is about to be used for what is no message: an acknowledgement, a test."""
        return self._desk.commit(Write(values=(last_sent(card, at_utc_ns),)), None)
