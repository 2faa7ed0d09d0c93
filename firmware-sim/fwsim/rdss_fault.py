"""What goes wrong with a terminal, by name: seeded, changeable while it runs. Pure."""

import difflib
import math
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from fwsim.rdss_card import Card

# States last ``for_s``; counted faults hit the next ``count`` requests; the others happen at once.
STATES = ("deaf", "corrupt", "suppressed", "silent", "no_lock", "battery", "antenna")
COUNTED = ("lose_feedback", "late_feedback", "brownout")
EVENTS = ("reboot", "dead", "swap", "remove", "none")
KINDS = (*STATES, *COUNTED, *EVENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalFault:
    """One fault; only the parameters of its kind count.

    ``for_s``: how long a state lasts, ``dead`` takes to come back, or a ``swap`` leaves the slot
    empty. ``p``: chance a byte (corrupt), both ways. ``count``: requests that are hit.
    ``delay_s``: how much later the feedback comes. ``boot_s``: until the banner. ``card``: the one
    that goes in. A ``reboot`` cuts a frame in the middle; a ``brownout`` does so at the feedback of
    a message that is on air already.
    """

    kind: str
    for_s: float = math.inf
    p: float = 0.01
    count: int = 1
    delay_s: float = 20.0
    boot_s: float = 3.0
    card: Card | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            ValueError: an unknown kind, a chance outside 0 to 1, a negative time or count.
        """
        if self.kind not in KINDS:
            near = difflib.get_close_matches(self.kind, KINDS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            msg = f"{self.kind!r} is no fault of a terminal{hint}"
            raise ValueError(msg)
        times = (self.for_s, self.delay_s, self.boot_s)
        if not 0.0 <= self.p <= 1.0 or self.count < 0 or not all(time >= 0.0 for time in times):
            msg = f"fault {self.kind}: p must be in 0..1, times and count not negative"
            raise ValueError(msg)
        if self.kind == "swap" and self.card is None:
            msg = "fault swap needs a card"
            raise ValueError(msg)


PARAMETERS = frozenset(field.name for field in fields(TerminalFault)) - {"kind"}


class FaultState:
    """The faults that are on now; time is a parameter."""

    def __init__(self, *, seed: str) -> None:
        """Begin in good order."""
        self._rng = random.Random(f"rdss-fault:{seed}")  # noqa: S311
        self._until_s: dict[str, float] = {}
        self._left: Counter[str] = Counter()
        self._p = 0.0
        self._delay_s = 0.0
        self._boot_s = 0.0

    def set(self, fault: TerminalFault, now_s: float) -> None:
        """Begin a state or arm a counted fault; ``none`` ends all of them."""
        if fault.kind == "none":
            self._until_s.clear()
            self._left.clear()
        elif fault.kind in STATES:
            self._until_s[fault.kind] = now_s + fault.for_s
            self._p = fault.p if fault.kind == "corrupt" else self._p
        elif fault.kind in COUNTED:
            self._left[fault.kind] = fault.count
            self._delay_s = fault.delay_s if fault.kind == "late_feedback" else self._delay_s
            self._boot_s = fault.boot_s if fault.kind == "brownout" else self._boot_s

    def is_on(self, kind: str, now_s: float) -> bool:
        """Tell whether a state lasts."""
        return now_s < self._until_s.get(kind, -math.inf)

    def strike(self, kind: str) -> bool:
        """Use up one hit of a counted fault, if one is left."""
        if self._left[kind] <= 0:
            return False
        self._left[kind] -= 1
        return True

    @property
    def late_s(self) -> float:
        """How much later a late feedback comes."""
        return self._delay_s

    @property
    def boot_s(self) -> float:
        """How long a brownout takes to boot."""
        return self._boot_s

    def cut(self, frame: bytes) -> bytes:
        """Return a frame up to somewhere in its middle."""
        return frame[: self._rng.randint(1, max(1, len(frame) - 4))]

    def damage(self, data: bytes, now_s: float) -> bytes:
        """Flip, lose or add bytes as the serial line does while it is bad."""
        if not data or not self.is_on("corrupt", now_s):
            return data
        out = bytearray()
        for byte in data:
            out += self._rng.choice(_DAMAGES)(self._rng, byte) if self._hits() else bytes([byte])
        return bytes(out)

    def _hits(self) -> bool:
        return self._rng.random() < self._p


_DAMAGES: tuple[Callable[[random.Random, int], bytes], ...] = (
    lambda rng, byte: bytes([byte ^ 1 << rng.randrange(8)]),
    lambda _, __: b"",
    lambda rng, byte: bytes([byte, rng.randrange(256)]),
)


def fault_of(kind: str, parameters: Mapping[str, object]) -> TerminalFault:
    """Make a fault from its name and parameters; a card may be a table of its fields.

    Raises:
        ValueError: no such fault or parameter, or a value that makes no sense.
    """
    unknown = set(parameters) - PARAMETERS
    if unknown:
        msg = f"{kind} has no parameter {sorted(unknown)[0]!r}"
        raise ValueError(msg)
    values = dict(parameters)
    card = values.get("card")
    try:
        if isinstance(card, Mapping):
            values["card"] = Card(**{**card, "subordinates": tuple(card.get("subordinates", ()))})
        return TerminalFault(kind=kind, **values)  # type: ignore[arg-type]
    except TypeError as error:
        raise ValueError(str(error)) from error
