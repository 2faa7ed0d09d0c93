"""Single values of a description, as TOML has them or as text of a key=value line.

Each function takes either form, checks it, and returns what the description holds. They raise
``ValueError``, ``TypeError`` or ``KeyError``; who calls them names the key.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from fwsim.dialect import KINDS
from fwsim.faults import Fault
from fwsim.receiver import Span
from fwsim.scene import Place
from fwsim.truth import Fix

MAX_RATE_HZ = 20
BY_CORRECTIONS = "corrected"
FAULT_KEYS = {
    "p": "p",
    "from": "from_s",
    "from_s": "from_s",
    "to": "to_s",
    "to_s": "to_s",
    "latency_s": "latency_s",
    "jitter_s": "jitter_s",
    "lump_s": "lump_s",
}


def read_speed(text: str) -> float:
    """Read a replay speed: a factor, with or without a leading x, or ``max``.

    Raises:
        ValueError: not a positive number.
    """
    speed = math.inf if text == "max" else float(text.removeprefix("x"))
    return _positive(speed)


def _positive(value: float) -> float:
    if not value > 0:
        msg = "must be above 0"
        raise ValueError(msg)
    return value


def _parts(value: object) -> list[object]:
    """Split a line value at ``+``; a TOML list is one already."""
    if isinstance(value, str):
        return list(value.split("+"))
    if isinstance(value, Sequence):
        return list(value)
    msg = "expected a list"
    raise TypeError(msg)


def _cells(value: object, separator: str) -> list[str]:
    if isinstance(value, str):
        return value.split(separator)
    return [str(cell) for cell in value] if isinstance(value, Sequence) else [str(value)]


def read_rate(value: object) -> Fraction:
    """Read a rate of at most 20 Hz; 0.2 is one epoch in five seconds."""
    rate_hz = Fraction(str(value)).limit_denominator(1000)
    if not 0 < rate_hz <= MAX_RATE_HZ:
        msg = f"must be above 0 and at most {MAX_RATE_HZ}"
        raise ValueError(msg)
    return rate_hz


def one_of(allowed: Sequence[str]) -> Callable[[object], str]:
    """Make a reader that takes one of some words."""

    def check(value: object) -> str:
        if str(value) not in allowed:
            msg = f"must be one of {', '.join(allowed)}"
            raise ValueError(msg)
        return str(value)

    return check


def read_waypoints(value: object) -> tuple[Place, ...]:
    """Read ``lat:lon[:alt]+…`` or ``[[lat, lon, alt], …]``."""
    places = []
    for part in _parts(value):
        lat, lon, *alt = (float(cell) for cell in _cells(part, ":"))
        places.append(Place(lat_deg=lat, lon_deg=lon, alt_hae_m=alt[0] if alt else 20.0))
    return tuple(places)


def read_sentences(value: object) -> tuple[str, ...]:
    """Read ``all``, ``GGA+RMC+…`` or a list of kinds."""
    check = one_of(KINDS)
    if value == "all":
        return KINDS
    return tuple(check(str(part).upper()) for part in _parts(value))


def read_quality(value: object) -> tuple[tuple[float, Fix], ...] | None:
    """Read ``word``, ``word:seconds+…`` or ``[[seconds, word], …]``; ``None`` for ``corrected``."""
    if value == BY_CORRECTIONS:
        return None
    steps = []
    for part in _parts(value):
        cells = _cells(part, ":")
        word = next(cell for cell in cells if not _is_number(cell))
        since_s = next((float(cell) for cell in cells if _is_number(cell)), 0.0)
        steps.append((since_s, Fix.of(word)))
    return tuple(sorted(steps, key=lambda step: step[0]))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_moves(value: object) -> tuple[tuple[float, float, float, float], ...]:
    """Read ``seconds:east[:north[:up]]+…`` or ``[[seconds, east, north, up], …]``."""
    moves = []
    for part in _parts(value):
        at_s, east_m, *more = (float(cell) for cell in _cells(part, ":"))
        north_m, up_m, *beyond = (*more, 0.0, 0.0)[: max(2, len(more))]
        if beyond:
            msg = "a move has seconds, east, north and up"
            raise ValueError(msg)
        moves.append((at_s, east_m, north_m, up_m))
    return tuple(sorted(moves))


def read_numbers(allowed: Sequence[int]) -> Callable[[object], tuple[int, ...]]:
    """Make a reader of a list of some whole numbers."""

    def check(value: object) -> tuple[int, ...]:
        found = tuple(int(str(part)) for part in _parts(value))
        if not set(found) <= set(allowed):
            msg = f"must be of {', '.join(str(number) for number in allowed)}"
            raise ValueError(msg)
        return found

    return check


def read_losses(value: object) -> tuple[Span, ...]:
    """Read ``from-to+…`` or ``[[from, to], …]``, seconds since start."""
    spans = []
    for part in _parts(value):
        from_s, to_s = (float(cell) for cell in _cells(part, "-"))
        spans.append(Span(from_s=from_s, to_s=to_s))
    return tuple(spans)


def read_faults(value: object) -> tuple[Fault, ...]:
    """Read ``drop:p=0.01:from=5:to=10+cut:p=0.1`` or a list of tables with ``kind``."""
    found = []
    for part in _parts(value):
        if isinstance(part, Mapping):
            table = dict(part)
            kind = str(table.pop("kind"))
        else:
            kind, *cells = str(part).split(":")
            table = dict(cell.split("=", 1) for cell in cells)
        numbers = {FAULT_KEYS[key]: float(number) for key, number in table.items()}
        found.append(Fault(kind=kind, **numbers))
    return tuple(found)


def read_decimals(value: object) -> int:
    """Read a number of decimals."""
    decimals = int(str(value))
    if not 0 <= decimals <= 9:
        msg = "must be 0 to 9"
        raise ValueError(msg)
    return decimals


def read_flag(value: object) -> bool:
    """Read a yes or no."""
    return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[
        str(value).lower()
    ]


def read_number(value: object) -> float:
    """Read a number."""
    return float(str(value))


def read_whole(value: object) -> int:
    """Read a whole number."""
    return int(str(value))


def read_above_zero(value: object) -> float:
    """Read a number above zero."""
    return _positive(float(str(value)))


def read_span(value: object) -> float:
    """Read a number of seconds that is not negative."""
    seconds = float(str(value))
    if not 0.0 <= seconds < math.inf:
        msg = "must not be negative"
        raise ValueError(msg)
    return seconds


def read_every(value: object) -> int:
    """Read a whole number of seconds; 0 is never."""
    seconds = int(str(value))
    if seconds < 0:
        msg = "must not be negative"
        raise ValueError(msg)
    return seconds


def read_count(value: object) -> int:
    """Read a whole number above zero."""
    return int(_positive(int(str(value))))
