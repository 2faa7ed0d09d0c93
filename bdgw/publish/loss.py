"""Which fixes the broker has not got and will not get by itself, by device, boot and number. Pure.

Fed where the outbox gives something up; what the broker has got after all is taken out again. A
device keeps its newest ranges; older ones are only counted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence

import msgspec

from bdgw.errors import DecodeError
from bdgw.history import SeqRange
from bdgw.publish.outbox import FIX_SCHEMA, Outgoing

__all__ = ["FixRange", "Losses", "Undelivered", "fix_ranges"]

RANGES_MAX = 100
"""Ranges of a device that are listed."""
_DEVICES_MAX = 10_000


class FixRange(msgspec.Struct, frozen=True, gc=False):
    """Consecutive fixes of one device."""

    device: str
    boot: str
    first: int
    last: int


class Undelivered(msgspec.Struct, frozen=True, kw_only=True):
    """Fixes that the broker has not got and will not get by itself."""

    boot: str
    numbers: SeqRange
    reason: str


class _FixId(msgspec.Struct, gc=False):
    dev: str
    boot: str
    seq: int


class _Lost(msgspec.Struct, frozen=True, array_like=True, gc=False):
    first: int
    last: int
    reason: str


class _Device(msgspec.Struct, array_like=True):
    """What is in a row of the file."""

    n_unlisted: int = 0
    by_boot: dict[str, list[_Lost]] = {}
    """Sorted, apart from each other; boots in the order in which they first lost something."""


_id_decoder = msgspec.json.Decoder(_FixId)
_decoder = msgspec.msgpack.Decoder(_Device)
_encoder = msgspec.msgpack.Encoder()


def fix_ranges(messages: Iterable[Outgoing]) -> Sequence[FixRange]:
    """Tell which fixes are among messages; those of one device in the order of their numbers."""
    ranges: list[FixRange] = []
    growing: dict[tuple[str, str], tuple[int, int]] = {}
    for message in messages:
        if (fix := _fix_id(message)) is None:
            continue
        key = fix.dev, fix.boot
        first, last = growing.get(key, (fix.seq, fix.seq))
        if fix.seq - last not in (0, 1):
            ranges.append(FixRange(*key, first, last))
            first = fix.seq
        growing[key] = first, fix.seq
    return [*ranges, *(FixRange(*key, *numbers) for key, numbers in growing.items())]


def _fix_id(message: Outgoing) -> _FixId | None:
    if message.schema != FIX_SCHEMA:
        return None
    try:
        return _id_decoder.decode(message.payload)
    except msgspec.DecodeError:
        return None


class Losses:
    """One for the gateway."""

    def __init__(self) -> None:
        self._devices: dict[str, _Device] = {}
        self._changed: set[str] = set()

    @property
    def has_changed(self) -> bool:
        """Whether the file does not say the same."""
        return bool(self._changed)

    def restore(self, rows: Iterable[tuple[str, bytes]]) -> None:
        """Take what the file held.

        Raises:
            DecodeError: a row makes no sense; the others are taken.
        """
        damaged = []
        for device, data in rows:
            try:
                self._devices[device] = _decoder.decode(data)
            except msgspec.DecodeError:
                damaged.append(device)
        if damaged:
            raise DecodeError(f"undelivered fixes of {', '.join(damaged)}: no such row was written")

    def note(self, message: Outgoing, reason: str) -> None:
        """A message is given up; other things than fixes are not remembered."""
        if (fix := _fix_id(message)) is not None:
            self.add(FixRange(fix.dev, fix.boot, fix.seq, fix.seq), reason)

    def add(self, lost: FixRange, reason: str) -> None:
        """Fixes are given up."""
        device = self._devices.get(lost.device)
        if device is None:
            if len(self._devices) >= _DEVICES_MAX:
                oldest = next(iter(self._devices))
                del self._devices[oldest]
                self._changed.add(oldest)
            device = self._devices[lost.device] = _Device()
        ranges = device.by_boot.setdefault(lost.boot, [])
        _cut(ranges, lost.first, lost.last)
        _insert(ranges, _Lost(lost.first, lost.last, reason))
        while sum(map(len, device.by_boot.values())) > RANGES_MAX:
            boot, oldest_ranges = next(iter(device.by_boot.items()))
            gone = oldest_ranges.pop(0)
            device.n_unlisted += gone.last - gone.first + 1
            if not oldest_ranges:
                del device.by_boot[boot]
        self._changed.add(lost.device)

    def delivered(self, message: Outgoing) -> None:
        """The broker has it: it is no loss, or none any more."""
        if not self._devices or (fix := _fix_id(message)) is None:
            return
        device = self._devices.get(fix.dev)
        ranges = None if device is None else device.by_boot.get(fix.boot)
        if device is None or ranges is None or not _cut(ranges, fix.seq, fix.seq):
            return
        if not ranges:
            del device.by_boot[fix.boot]
        if not device.by_boot and not device.n_unlisted:
            del self._devices[fix.dev]
        self._changed.add(fix.dev)

    def undelivered(self, device: str) -> Sequence[Undelivered]:
        """The newest losses of a device, by boot and number."""
        kept = self._devices.get(device, _Device())
        return [
            Undelivered(boot=boot, numbers=SeqRange(each.first, each.last), reason=each.reason)
            for boot, ranges in kept.by_boot.items()
            for each in ranges
        ]

    def n_undelivered(self, device: str) -> int:
        """Count them, also those that are not listed any more."""
        kept = self._devices.get(device, _Device())
        listed = (each for ranges in kept.by_boot.values() for each in ranges)
        return kept.n_unlisted + sum(each.last - each.first + 1 for each in listed)

    # --- the file ---------------------------------------------------------------------------------

    def take_changed(self) -> Sequence[tuple[str, bytes]]:
        """Give the rows that are to be written; empty data: that row goes."""
        rows = []
        for name in self._changed:
            device = self._devices.get(name)
            rows.append((name, b"" if device is None else _encoder.encode(device)))
        self._changed = set()
        return rows

    def give_back(self, devices: Collection[str]) -> None:
        """Rows were not written after all."""
        self._changed.update(devices)


def _cut(ranges: list[_Lost], first: int, last: int) -> bool:
    """Take numbers out; whether any of them was there."""
    low = high = bisect_left(ranges, first, key=lambda each: each.last)
    left = []
    while high < len(ranges) and ranges[high].first <= last:
        each = ranges[high]
        if each.first < first:
            left.append(_Lost(each.first, first - 1, each.reason))
        if each.last > last:
            left.append(_Lost(last + 1, each.last, each.reason))
        high += 1
    ranges[low:high] = left
    return high > low


def _insert(ranges: list[_Lost], new: _Lost) -> None:
    """Put a range between others that do not overlap it, joined with what it continues."""
    low = high = bisect_left(ranges, new.first, key=lambda each: each.first)
    first, last = new.first, new.last
    if low and ranges[low - 1].last == first - 1 and ranges[low - 1].reason == new.reason:
        low -= 1
        first = ranges[low].first
    if high < len(ranges) and ranges[high].first == last + 1 and ranges[high].reason == new.reason:
        last = ranges[high].last
        high += 1
    ranges[low:high] = [_Lost(first, last, new.reason)]
