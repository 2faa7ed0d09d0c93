"""What a host asks of a terminal and what a terminal tells, the same for all families. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol

from fwsim.rdss_card import Card, Content


class Outcome(Enum):
    """What becomes of a request, by its name in truth and counters."""

    ACCEPTED = "accepted"
    FAILED = "failed"
    NO_LOCK = "no_lock"
    BATTERY = "battery"
    TOO_EARLY = "too_early"
    CRC = "crc"
    SUPPRESSED = "suppressed"
    SILENT = "silent"
    NO_CARD = "no_card"
    PERMISSION = "permission"


class Query(Enum):
    """Which stored messages are asked for."""

    NEWEST = "newest"
    BY_SENDER = "by_sender"
    RECEIPT = "receipt"


class Report(Enum):
    """What a terminal can tell by itself, again and again."""

    POWER = "power"
    LEVELS = "levels"
    SELF_CHECK = "self_check"
    TIME = "time"
    STATE = "state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A command of the host; ``name`` is as it stands on the line."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCard(Request):
    """Read the card, or its subordinates; ``page`` counts from 1, None is all of them."""

    is_subordinates: bool = False
    page: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Send(Request):
    """Transmit a message; ``problem`` says why its content cannot go."""

    to: int
    content: Content
    is_express: bool = False
    is_global: bool = False
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskMessages(Request):
    """Ask the centre for stored messages."""

    query: Query
    address: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Locate(Request):
    """Ask the centre for the own position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskReport(Request):
    """Tell something once (0) or every so many seconds."""

    report: Report
    interval_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hush(Request):
    """Stop telling one report, or all."""

    report: Report | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskVersion(Request):
    """Tell make and version, or the serial number."""

    is_serial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AskWait(Request):
    """Tell the seconds until the next request is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm(Request):
    """A command that no gateway may send; ``is_fatal`` destroys the terminal."""

    is_fatal: bool = False
    is_silencing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Other(Request):
    """A whole command that this terminal does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """The answer to a request; ``next_s``: when the next one is allowed."""

    name: str
    outcome: Outcome
    at_utc: datetime
    address: int = 0
    wait_s: float = 0.0
    next_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message as a terminal gets it; ``to`` is whom it was for.

    ``query``: it answers a question; then ``sent_utc`` counts.
    """

    sender: int
    to: int
    content: Content
    at_utc: datetime
    sent_utc: datetime
    query: Query | None = None
    is_broadcast: bool = False
    is_express: bool = False
    is_global: bool = False
    is_damaged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipts:
    """When messages to an address were sent and received, at most five."""

    address: int
    times: tuple[tuple[datetime, datetime], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """A position by the centre; degrees and metres; coarse is 100 m instead of 20 m."""

    address: int
    at_utc: datetime
    lat_deg: float
    lon_deg: float
    height_m: int = 0
    anomaly_m: int = 0
    is_coarse: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How a terminal is now; ``beams``: number to power code or C/N0 in dB-Hz.

    ``chosen``: the beams for responses and time difference; None takes the strongest.
    """

    card: Card | None
    at_utc: datetime
    beams: Mapping[int, int] = field(default_factory=dict)
    is_suppressed: bool = False
    is_silent: bool = False
    battery_percent: int = 100
    hardware_faults: int = 0
    chosen: tuple[int, int] | None = None

    @property
    def address(self) -> int:
        """The address on the card; 0 without one."""
        return self.card.address if self.card is not None else 0


class Speaker(Protocol):
    """What a family can hear and say; it holds the bytes of a command that is not yet whole."""

    n_bad: int

    def hear(self, data: bytes) -> list[Request]:
        """Take bytes of the host; return the commands that are whole now."""
        ...

    def forget(self) -> bool:
        """Drop half a command; tell whether there was one."""
        ...

    def card(self, request: str, card: Card | None) -> bytes:
        """Say what the card says, in answer to a command or unasked (empty)."""
        ...

    def subordinates(self, card: Card, page: int | None) -> bytes:
        """Say the addresses of the subordinates."""
        ...

    def feedback(self, feedback: Feedback) -> bytes:
        """Say what became of a request."""
        ...

    def message(self, delivery: Delivery, address: int) -> bytes:
        """Hand over a message to the card of that address."""
        ...

    def receipts(self, receipts: Receipts, address: int) -> bytes:
        """Hand over receipts."""
        ...

    def fix(self, fix: Fix) -> bytes:
        """Hand over a position."""
        ...

    def report(self, report: Report, status: Status) -> bytes:
        """Say how the terminal is; nothing where the family has no word for it."""
        ...

    def version(self, text: str, serial: int, *, is_serial: bool) -> bytes:
        """Say make and version, or the serial number."""
        ...

    def wait(self, seconds: float) -> bytes:
        """Say when the next request is allowed."""
        ...
