"""Which units of a long message a receiver holds, packed into what is left of a control.

Two bytes, the highest bit first: 2 bits form, 1 cut, 3 zero, 10 index of the first unit. Then form
0, a bit a unit, 1 for held; or form 1, lengths of runs, held and not held in turn, as Elias gamma
codes, the first one plus one. What is left of the last byte is 0.
"""

from __future__ import annotations

import msgspec

from bdgw.errors import DecodeError

__all__ = ["HeldMap", "pack_map", "parse_map"]

_FORM_BITMAP, _FORM_RUNS = 0, 1
_HEAD_BYTES = 2


class HeldMap(msgspec.Struct, frozen=True, kw_only=True):
    """Which units a receiver does not want again, from ``start`` up to before ``stop``."""

    start: int
    stop: int
    held: int
    """Bit i is unit i."""
    is_cut: bool = False
    """Nothing is said of what follows; otherwise nothing from ``stop`` on is held."""


def pack_map(held: HeldMap, max_bytes: int) -> tuple[bytes, int | None]:
    """A map in the form that tells more, or is shorter, and where it had to be cut."""
    room_bytes = max_bytes - _HEAD_BYTES
    bitmap, bitmap_stop = _pack_bitmap(held, room_bytes)
    runs, runs_stop = _pack_runs(held, room_bytes)
    takes_runs = (runs_stop, -len(runs)) > (bitmap_stop, -len(bitmap))
    form, body, stop = (
        (_FORM_RUNS, runs, runs_stop) if takes_runs else (_FORM_BITMAP, bitmap, bitmap_stop)
    )
    is_cut = stop < held.stop
    word = form << 14 | is_cut << 13 | held.start
    return word.to_bytes(_HEAD_BYTES, "big") + body, stop if is_cut else None


def parse_map(data: bytes, n_units: int) -> HeldMap:
    """Read a map of a message that has ``n_units`` units.

    Raises:
        DecodeError: it is none, or tells of units that there are not.
    """
    word = int.from_bytes(data[:_HEAD_BYTES], "big")
    form, is_cut, start = word >> 14, bool(word >> 13 & 1), word & 0x3FF
    if form not in (_FORM_BITMAP, _FORM_RUNS) or word >> 10 & 7 or start > n_units:
        raise DecodeError("a map that is none")
    bits = "".join(f"{byte:08b}" for byte in data[_HEAD_BYTES:])
    if form == _FORM_BITMAP:
        held, stop = int(bits[::-1] or "0", 2) << start, start + len(bits)
        if held >> n_units:
            raise DecodeError("a map beyond the last unit")
        return HeldMap(start=start, stop=min(stop, n_units), held=held, is_cut=is_cut)
    held, stop, is_held, at = 0, start, True, 0
    while (one := bits.find("1", at)) >= 0 and 2 * one - at < len(bits):
        run = int(bits[one : 2 * one - at + 1], 2) - (stop == start and is_held)
        at = 2 * one - at + 1
        if stop + run > n_units:
            raise DecodeError("a map beyond the last unit")
        held |= ((1 << run) - 1 << stop) if is_held else 0
        stop, is_held = stop + run, not is_held
    return HeldMap(start=start, stop=stop, held=held, is_cut=is_cut)


def _pack_bitmap(held: HeldMap, max_bytes: int) -> tuple[bytes, int]:
    """One bit a unit, the first one in the highest bit."""
    stop = min(held.stop, held.start + 8 * max_bytes)
    n_bytes = -(-(stop - held.start) // 8)
    bits = "".join("1" if held.held >> i & 1 else "0" for i in range(held.start, stop))
    return int(bits.ljust(8 * n_bytes, "0") or "0", 2).to_bytes(n_bytes, "big"), stop


def _pack_runs(held: HeldMap, max_bytes: int) -> tuple[bytes, int]:
    """Lengths of runs, held and not held in turn, each an Elias gamma code; the first plus one."""
    bits, stop, is_held = "", held.start, True
    while stop < held.stop:
        run = 0
        while stop + run < held.stop and bool(held.held >> stop + run & 1) == is_held:
            run += 1
        code = f"{run + (not bits):b}"
        code = "0" * (len(code) - 1) + code
        if len(bits) + len(code) > 8 * max_bytes:
            break
        bits, stop, is_held = bits + code, stop + run, not is_held
    n_bytes = -(-len(bits) // 8)
    return int(bits.ljust(8 * n_bytes, "0") or "0", 2).to_bytes(n_bytes, "big"), stop
