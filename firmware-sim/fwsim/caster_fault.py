"""What goes wrong with a stream of corrections, by name: seeded, changeable while it runs.

Pure. A fault takes the frames of one epoch and gives back pieces of bytes and when they leave;
every piece still knows whether it is a frame as its writer made it.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

from fwsim.caster_frame import (
    BASE_NUMBERS,
    EPHEMERIS_NUMBERS,
    FALSE_PREAMBLE,
    number_of,
    with_itrf_year,
)

# Metres east, north and up.
Shift = tuple[float, float, float]

STRAY = (b"\r\n", b"\r\n\r\n", b"ICY 200 OK\r\n", b"# caster restarted\r\n", b"$PTEXT,hello*00\r\n")


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of a stream; ``is_intact``: a whole frame as it was made."""

    data: bytes
    is_intact: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What leaves together, and when, in seconds of the caster's clock."""

    n: int
    at_s: float
    pieces: tuple[Piece, ...]

    @property
    def data(self) -> bytes:
        """All bytes."""
        return b"".join(piece.data for piece in self.pieces)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFault:
    """One fault; only the parameters of its kind count.

    ``hold_s``: lumps leave at multiples of it (lumpy). ``delay_s``: everything leaves later (late).
    ``age_s``: epochs are that old (stale). ``p``: chance a frame (damaged, flip, drop,
    false_preamble, cut, duplicate, stray_text). ``east_m``, ``north_m``, ``up_m``: how far the base
    jumps (moved); ``is_told_only``: its antenna stays, only 1005 and 1006 say so, as it always is
    with a recording. ``itrf_year``, ``frame``: what is told wrongly (wrong_frame). ``numbers``: the
    messages that are missing (without).
    """

    kind: str
    hold_s: float = 8.0
    delay_s: float = 5.0
    age_s: float = 30.0
    p: float = 0.2
    east_m: float = 100.0
    north_m: float = 0.0
    up_m: float = 0.0
    is_told_only: bool = False
    itrf_year: int = 5
    frame: str = "ITRF2005"
    numbers: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            ValueError: an unknown kind, a chance outside 0 to 1, a negative time.
        """
        if self.kind not in KINDS:
            msg = f"stream fault {self.kind!r} is not one of {', '.join(sorted(KINDS))}"
            raise ValueError(msg)
        if not 0.0 < self.p <= 1.0 or min(self.delay_s, self.age_s) < 0.0 or self.hold_s <= 0.0:
            msg = f"stream fault {self.kind}: p must be in 0..1 and times not negative"
            raise ValueError(msg)


PARAMETERS = frozenset(field.name for field in fields(StreamFault)) - {"kind"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a source itself is asked to do otherwise: older epochs, another place."""

    age_s: float = 0.0
    shift_m: Shift | None = None
    is_told_only: bool = False


class StreamFaults:
    """The faults that are on now, applied in their order; each has its own stream of chance."""

    def __init__(self, *, seed: str) -> None:
        """Begin with a clean stream."""
        self._seed = seed
        self._n_changes = 0
        self._latest_s = -math.inf
        self._line: list[tuple[StreamFault, random.Random]] = []

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of what is on."""
        return tuple(fault.kind for fault, _ in self._line)

    @property
    def change(self) -> Change:
        """What the source is asked for."""
        age_s = max((fault.age_s for fault, _ in self._line if fault.kind == "stale"), default=0.0)
        jumps = [fault for fault, _ in self._line if fault.kind == "moved"]
        if not jumps:
            return Change(age_s=age_s)
        jump = jumps[-1]
        return Change(
            age_s=age_s,
            shift_m=(jump.east_m, jump.north_m, jump.up_m),
            is_told_only=jump.is_told_only,
        )

    @property
    def frame(self) -> str | None:
        """The reference frame that is announced wrongly, if one is."""
        names = [fault.frame for fault, _ in self._line if fault.kind == "wrong_frame"]
        return names[-1] if names else None

    def set(self, faults: Sequence[StreamFault]) -> None:
        """Replace all faults."""
        self._n_changes += 1
        self._latest_s = -math.inf
        self._line = [
            (fault, random.Random(f"stream:{self._seed}:{self._n_changes}:{i}"))  # noqa: S311
            for i, fault in enumerate(faults)
        ]

    def apply(self, batch: Batch) -> Batch:
        """Pass the frames of one epoch through; order is kept."""
        pieces: Sequence[Piece] = batch.pieces
        at_s = batch.at_s
        for fault, rng in self._line:
            pieces = KINDS[fault.kind](fault, rng, pieces)
            if fault.kind == "late":
                at_s += fault.delay_s
            elif fault.kind == "lumpy":
                at_s = math.ceil(at_s / fault.hold_s) * fault.hold_s
        self._latest_s = max(self._latest_s, at_s)
        return Batch(n=batch.n, at_s=self._latest_s, pieces=tuple(pieces))


Effect = Callable[[StreamFault, random.Random, Sequence[Piece]], Sequence[Piece]]


def _as_is(fault: StreamFault, rng: random.Random, pieces: Sequence[Piece]) -> Sequence[Piece]:
    del fault, rng
    return pieces


def _silent(fault: StreamFault, rng: random.Random, pieces: Sequence[Piece]) -> Sequence[Piece]:
    del fault, rng, pieces
    return ()


def _flipped(rng: random.Random, piece: Piece) -> Sequence[Piece]:
    data = bytearray(piece.data)
    place = rng.randrange(8 * len(data))
    data[place // 8] ^= 1 << place % 8
    return (Piece(bytes(data), is_intact=False),)


def _holed(rng: random.Random, piece: Piece) -> Sequence[Piece]:
    begin = rng.randrange(len(piece.data))
    end = min(len(piece.data), begin + rng.randint(1, 16))
    return (Piece(piece.data[:begin] + piece.data[end:], is_intact=False),)


def _behind_false_preamble(rng: random.Random, piece: Piece) -> Sequence[Piece]:
    del rng
    return (Piece(FALSE_PREAMBLE, is_intact=False), piece)


def _cut(rng: random.Random, piece: Piece) -> Sequence[Piece]:
    # At least the preamble stays: the next frame sticks to a torn one.
    return (Piece(piece.data[: rng.randint(1, len(piece.data) - 1)], is_intact=False),)


def _doubled(rng: random.Random, piece: Piece) -> Sequence[Piece]:
    del rng
    return (piece, piece)


def _with_stray(rng: random.Random, piece: Piece) -> Sequence[Piece]:
    return (Piece(rng.choice(STRAY), is_intact=False), piece)


def _any_damage(rng: random.Random, piece: Piece) -> Sequence[Piece]:
    return rng.choice((_flipped, _holed, _behind_false_preamble, _cut))(rng, piece)


def _by_chance(hit: Callable[[random.Random, Piece], Sequence[Piece]]) -> Effect:
    def change(fault: StreamFault, rng: random.Random, pieces: Sequence[Piece]) -> Sequence[Piece]:
        found: list[Piece] = []
        for piece in pieces:
            is_hit = rng.random() < fault.p and len(piece.data) > 1
            found.extend(hit(rng, piece) if is_hit else (piece,))
        return found

    return change


def _without(numbers: frozenset[int]) -> Effect:
    def change(fault: StreamFault, rng: random.Random, pieces: Sequence[Piece]) -> Sequence[Piece]:
        del rng
        missing = numbers or frozenset(fault.numbers)
        return [piece for piece in pieces if number_of(piece.data) not in missing]

    return change


def _rewritten(rewrite: Callable[[StreamFault, bytes], bytes]) -> Effect:
    def change(fault: StreamFault, rng: random.Random, pieces: Sequence[Piece]) -> Sequence[Piece]:
        del rng
        return [Piece(rewrite(fault, piece.data)) if piece.is_intact else piece for piece in pieces]

    return change


KINDS: Mapping[str, Effect] = {
    "lumpy": _as_is,
    "late": _as_is,
    "stale": _as_is,
    "moved": _as_is,
    "silent": _silent,
    "damaged": _by_chance(_any_damage),
    "flip": _by_chance(_flipped),
    "drop": _by_chance(_holed),
    "false_preamble": _by_chance(_behind_false_preamble),
    "cut": _by_chance(_cut),
    "duplicate": _by_chance(_doubled),
    "stray_text": _by_chance(_with_stray),
    "wrong_frame": _rewritten(lambda fault, data: with_itrf_year(data, fault.itrf_year)),
    "no_ephemeris": _without(EPHEMERIS_NUMBERS),
    "no_base": _without(BASE_NUMBERS),
    "without": _without(frozenset()),
}
