"""What a simulated terminal, its network and its timeline are like, as values. Builds nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fwsim.rdss_card import Card, Family
from fwsim.rdss_manner import PLAIN, Manner

COPIES = ("both", "to", "from", "none")
BEAMS: Mapping[Family, Mapping[int, int]] = {
    Family.BD1: {1: 2, 2: 4, 3: 3, 5: 1},
    Family.BD2: {1: 3, 3: 4, 5: 2, 8: 3},
    Family.BD3: {2: 51, 4: 50, 11: 43, 16: 51},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalSpec:
    """One terminal as described; times in seconds.

    ``feedback_s``: least and most from a request to its feedback; ``refusal_s``: the same where
    nothing is transmitted. ``transmit_s``: from a request to its first bit on air.
    ``power_every_s``: how often the beams are reported unasked; None is the way of the family.
    ``level_bits``: limit of a regional message instead of the one of the level.
    """

    name: str
    family: Family
    card: Card | None
    manner: Manner = PLAIN
    beams: Mapping[int, int] = field(default_factory=dict)
    feedback_s: tuple[float, float] = (2.0, 15.0)
    refusal_s: tuple[float, float] = (0.1, 0.5)
    transmit_s: float = 0.5
    power_every_s: float | None = None
    level_bits: int | None = None
    battery_percent: int = 100
    version: str = "SIM 1.0"
    lat_deg: float = 31.2994
    lon_deg: float = 121.5033
    height_m: int = 20
    port: str = ""

    def __post_init__(self) -> None:
        """Refuse what no terminal can say.

        Raises:
            ValueError: a beam, battery, position or limit out of range.
        """
        if not all(0 < beam <= 21 and 0 <= power <= 99 for beam, power in self.beams.items()):
            raise ValueError("beams must be 1 to 21 and their power 0 to 99")
        if not 0 <= self.battery_percent <= 100 or not 1 <= (self.level_bits or 1) <= 14_000:
            raise ValueError("battery_percent must be 0 to 100 and level_bits 1 to 14000")
        if not -90.0 <= self.lat_deg <= 90.0 or not -180.0 <= self.lon_deg <= 180.0:
            raise ValueError("lat_deg or lon_deg out of range")

    @property
    def unasked_s(self) -> float:
        """How often the beams are reported unasked; 0 is never."""
        if self.power_every_s is not None:
            return self.power_every_s
        return 1.0 if self.family is Family.BD3 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """Beams that are gone from one time to another, for some terminals or all; seconds."""

    from_s: float
    to_s: float
    beams: frozenset[int] = frozenset()
    terminals: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """How the satellites carry; chances are per receiver of a message, times in seconds.

    ``delay_s``: least and most from the antenna to the receiver. ``reorder``: chance of up to
    ``reorder_s`` more, so that later messages overtake. ``duplicate``: chance of a second copy.
    ``damage``: chance of wrong content, which only bd1-4.0 hands over, with its CRC flag.
    ``copies``: what a 指挥机 gets of its subordinates: messages ``to`` them, ``from`` them, both.
    """

    seed: str = "0"
    loss: float = 0.0
    delay_s: tuple[float, float] = (1.0, 3.0)
    reorder: float = 0.0
    reorder_s: float = 30.0
    duplicate: float = 0.0
    damage: float = 0.0
    copies: str = "both"
    outages: tuple[Outage, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            ValueError: a chance outside 0 to 1, a delay that is negative or the wrong way round.
        """
        if not all(0.0 <= p <= 1.0 for p in (self.loss, self.reorder, self.duplicate, self.damage)):
            msg = "loss, reorder, duplicate and damage must be in 0..1"
            raise ValueError(msg)
        if not 0.0 <= self.delay_s[0] <= self.delay_s[1] or self.reorder_s < 0.0:
            msg = "delay_s must be least and most, reorder_s not negative"
            raise ValueError(msg)
        if self.copies not in COPIES:
            msg = f"copies must be one of {', '.join(COPIES)}"
            raise ValueError(msg)
