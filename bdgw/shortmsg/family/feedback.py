"""What terminals say about a request, as tables: reasons and waiting times.

Source: RDSS digest, 3.8, 5.4 and 6.5.
"""

from __future__ import annotations

from typing import NamedTuple

from bdgw.shortmsg.vocabulary import RefusalReason

__all__ = [
    "BD1_FLAGS",
    "BD2_INHIBITS",
    "BD3_REASONS",
    "MAX_INTERVAL_S",
    "WAIT_READINGS",
    "WaitReading",
    "believable_wait_s",
    "read_mmss",
    "read_too_early",
]

MAX_INTERVAL_S = 9999
"""The largest interval that a card shows (2.1 writes it for "no card"); a longer wait is none."""

BD1_FLAGS = {
    1: RefusalReason.UNKNOWN,
    2: RefusalReason.NO_LOCK,
    3: RefusalReason.BATTERY,
    4: RefusalReason.TOO_EARLY,
    5: RefusalReason.CRYPTO,
    6: RefusalReason.CRC,
    7: RefusalReason.SUPPRESSED,
    # (A) reads 8 as "suppression lifted"; (D, E) and the table of section 7 as radio silence.
    8: RefusalReason.SILENT,
}
"""Flags of FKXX; 0 is accepted, all others (9 no 标识, 10 no 航线, vendors') are unknown."""

BD2_INHIBITS = {
    1: RefusalReason.SUPPRESSED,
    2: RefusalReason.BATTERY,
    3: RefusalReason.SILENT,
}
"""Field 4 of the 2.1 FKI; 0 is none."""

BD3_REASONS = {
    1: RefusalReason.TOO_EARLY,
    2: RefusalReason.SUPPRESSED,
    3: RefusalReason.SILENT,
    4: RefusalReason.NO_LOCK,
    5: RefusalReason.NO_CARD,
    11: RefusalReason.CRC,
}
"""Field 4 of the BD3 FKI; 0 is none, 6 is 权限不足, which no common word has."""


class WaitReading(NamedTuple):
    """One way to read the four bytes of FKXX flag 4: seconds that each of them counts.

    It applies where no byte with the weight 0 is set.
    """

    sources: str
    weights_s: tuple[int, int, int, int]

    def applies(self, data: bytes) -> bool:
        """Whether the bytes can have been written in this way."""
        return all(weight or not byte for weight, byte in zip(self.weights_s, data, strict=True))

    def seconds(self, data: bytes) -> int:
        """Read the bytes."""
        return sum(w * byte for w, byte in zip(self.weights_s, data, strict=True))


WAIT_READINGS = (
    WaitReading("C, F, K: byte 11, seconds", (1, 0, 0, 0)),
    WaitReading("A: byte 14, seconds", (0, 0, 0, 1)),
    WaitReading("E: minutes in 11-12, seconds in 13-14, of which 12 and 14", (0, 60, 0, 1)),
    WaitReading("B: 32 bits, little-endian, seconds", (1, 1 << 8, 1 << 16, 1 << 24)),
)
"""Tried in this order, which gives what each source would read of its own terminal."""


def read_too_early(data: bytes) -> int | None:
    """Read the waiting time of FKXX flag 4, seconds; None where it says nothing believable."""
    if len(data) != 4:
        return None
    reading = next(reading for reading in WAIT_READINGS if reading.applies(data))
    seconds = reading.seconds(data)
    return seconds if 0 < seconds <= MAX_INTERVAL_S else None


def read_mmss(text: str) -> int | None:
    """Read field 5 of the 2.1 FKI, seconds: mmss (E, F, O), else plain seconds (N, P)."""
    if not (text.isascii() and text.isdigit()) or len(text) > 6:
        return None
    if len(text) == 4 and text[2:] < "60":
        return int(text[:2]) * 60 + int(text[2:])
    return int(text)


def believable_wait_s(wait_s: float | None, *, interval_s: float) -> float:
    """Give how long to wait after "too early": what was said, or the card's interval.

    No answer, 0, or more than the interval is no answer; source: RDSS digest, 3.8.
    """
    return wait_s if wait_s is not None and 0 < wait_s <= interval_s else interval_s
