"""What waits for slots, what is promised to it, and what is refused. Pure values."""

from __future__ import annotations

import enum
import math

import msgspec

from bdgw.shortmsg.interval import MARGIN_S
from bdgw.shortmsg.vocabulary import Service

__all__ = ["BudgetLimits", "BudgetRefusal", "Job", "Offered", "Priority", "Promise"]


class Priority(enum.StrEnum):
    """From the one that waits for nothing down to the one that waits for all."""

    DISTRESS = "distress"
    ALARM = "alarm"
    COMMAND = "command"
    DATA = "data"
    ROUTINE = "routine"

    @property
    def rank(self) -> int:
        """0 is the most urgent."""
        return _RANKS[self]


_RANKS: dict[str, int] = {priority: rank for rank, priority in enumerate(Priority)}


class BudgetLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of one gateway; seconds where they are times."""

    margin_s: float = MARGIN_S
    """On top of the card's interval; the terminal's session must be given the same."""
    transit_s: float = 10.0
    """From the request to the other terminal's output, assumed for the promise of arrival."""
    patience_s: float = 3600.0
    """A message without a deadline takes its turn as if it had this one."""
    n_jobs_max: int = 500
    n_distress_max: int = 50
    """Distress has room of its own, so that a full queue cannot keep it out."""

    def __post_init__(self) -> None:
        if not (0.0 <= self.margin_s < math.inf and 0.0 <= self.transit_s < math.inf):
            raise ValueError("the budget needs finite margin_s and transit_s of 0 and more")
        if not 0.0 < self.patience_s < math.inf:
            raise ValueError("the budget needs a finite patience_s above 0")
        if self.n_jobs_max < 1 or self.n_distress_max < 1:
            raise ValueError("the budget needs room for one message at least")


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for slots: a message, a transfer, or what a peer must be told."""

    id: str
    priority: Priority
    submitted_s: float
    n_slots: int = 1
    """Transmissions still to make, as far as is known."""
    is_transfer: bool = False
    deadline_s: float | None = None
    """It must have arrived by then."""
    turn_s: float | None = None
    """Place in the order of deadlines where it is not its own, see ``AirBudget.offer``."""
    supersede_key: str | None = None
    service: Service = Service.REGIONAL
    cards: frozenset[int] | None = None
    """The cards that may send it; None: any."""
    not_before_s: float = -math.inf
    has_started: bool = False
    """A part was on air: nothing replaces it any more."""

    def may_use(self, card: int) -> bool:
        """Whether this card may send it."""
        return self.cards is None or card in self.cards


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """When, as far as is known now; in the caller's clock, seconds."""

    t_send_s: float
    """Its (first) transmission."""
    t_arrival_s: float
    """Its (last) transmission is with the other side."""
    card: int
    n_slots: int


class BudgetRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """It was not queued."""

    reason: str
    """``deadline``, ``displaces`` (another promise would break) or ``queue_full``."""
    promise: Promise | None = None
    """What could have been promised."""
    displaced: str | None = None


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """It was queued."""

    promise: Promise | None
    """None while no card is usable: nothing can be promised."""
    superseded: tuple[str, ...] = ()
