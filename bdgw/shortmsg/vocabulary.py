"""The words of short messages that are the same for every family of terminals.

A terminal that *accepts* a message has transmitted or queued it; nobody has received it. Only the
peer's own acknowledgement makes it *delivered*. The two words are never mixed.
"""

from __future__ import annotations

import enum

import msgspec

__all__ = [
    "Accepted",
    "Card",
    "CardRead",
    "Family",
    "Form",
    "NoCard",
    "OutgoingFrame",
    "PositionSeen",
    "ReceiptSeen",
    "Received",
    "RefusalReason",
    "Refused",
    "SelfCheckSeen",
    "Service",
    "SignalSeen",
    "TerminalEvent",
    "TimeSeen",
    "VendorFrame",
    "VersionSeen",
]


class Family(enum.StrEnum):
    """A protocol family on the serial line."""

    BD1 = "bd1-4.0"
    BD2 = "bd2-2.1"
    BD3 = "bd3"


class Form(enum.StrEnum):
    """How the content is coded (电文形式)."""

    HANZI = "hanzi"
    """汉字: 14 bits a character, 7 an ASCII byte."""
    CODE = "code"
    """代码: 4 bits a digit."""
    MIXED = "mixed"
    """混合: 8 bits a byte, the leading A4 included."""


class Service(enum.StrEnum):
    """Which service carries a message."""

    REGIONAL = "regional"
    """Also the only one of BD1 and BD2."""
    GLOBAL = "global"


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What the card in a terminal says. Addresses are integers; leading zeros mean nothing."""

    address: int
    broadcast: int | None = None
    """通播地址; None where there is none."""
    interval_s: int
    """服务频度: the smallest time between two requests."""
    level: int
    """通信等级."""
    is_encrypted: bool | None = None
    user_class: int | None = None
    """用户特征."""
    n_subordinates: int | None = None
    """None where the card does not say; above 0 it is that of a 指挥机."""
    global_interval_s: int | None = None
    global_level: int | None = None


class OutgoingFrame(msgspec.Struct, frozen=True, kw_only=True):
    """One transmission: ``content`` is what the receiver gets, A4 included where it is mixed.

    ``n_bits`` counts the content on the line (8 a byte, 4 a digit); what it takes on air is the
    business of the capacity rules.
    """

    to: int
    form: Form
    content: bytes
    n_bits: int
    service: Service = Service.REGIONAL
    is_express: bool = False


class RefusalReason(enum.StrEnum):
    """Why a terminal did not send."""

    TOO_EARLY = "too_early"
    NO_LOCK = "no_lock"
    BATTERY = "battery"
    SUPPRESSED = "suppressed"
    SILENT = "silent"
    CRYPTO = "crypto"
    CRC = "crc"
    NO_CARD = "no_card"
    BUSY = "busy"
    UNKNOWN = "unknown"

    @property
    def is_retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return self not in (RefusalReason.CRYPTO, RefusalReason.NO_CARD)


class CardRead(msgspec.Struct, frozen=True, kw_only=True):
    """The card answered."""

    card: Card


class NoCard(msgspec.Struct, frozen=True):
    """The terminal says that it has no card, or a dead one."""


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The terminal has taken a request; ``command`` is its name."""

    command: str


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """The terminal has not taken a request."""

    command: str | None
    reason: RefusalReason
    wait_s: float | None = None
    """As the terminal says; several readings exist, see the reference of the family."""
    raw_reason: int | str | None = None


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A message has come. ``content`` is as the sender made it; ``raw`` is the whole frame."""

    sender: int
    form: Form
    content: bytes
    n_bits: int
    raw: bytes
    to: int | None = None
    """Where it was for somebody else: copied from a subordinate to its 指挥机."""
    service: Service = Service.REGIONAL
    terminal_time: str | None = None
    """As the terminal writes it, in its own zone; never believed."""
    is_intact: bool | None = None
    """The air checksum as the terminal reports it."""


class ReceiptSeen(msgspec.Struct, frozen=True, kw_only=True):
    """通信回执: an answer to a query, one for each message that the other side has fetched."""

    address: int
    times: tuple[tuple[str, str], ...]


class SignalSeen(msgspec.Struct, frozen=True, kw_only=True):
    """Beams: (beam, power code 0-4) or (beam, C/N0 dB-Hz)."""

    codes: tuple[tuple[int, int], ...] = ()
    cn0_dbhz: tuple[tuple[int, float], ...] = ()


class SelfCheckSeen(msgspec.Struct, frozen=True, kw_only=True):
    """自检; None where the family does not say."""

    is_suppressed: bool | None = None
    is_silent: bool | None = None
    battery_percent: int | None = None
    faults: tuple[str, ...] = ()


class TimeSeen(msgspec.Struct, frozen=True, kw_only=True):
    """The terminal's clock as it writes it."""

    text: str


class VersionSeen(msgspec.Struct, frozen=True, kw_only=True):
    """Make and version as the terminal writes it."""

    text: str


class PositionSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A position by RDSS; degrees, metres."""

    address: int | None
    lat_deg: float
    lon_deg: float
    height_m: float | None = None
    terminal_time: str | None = None


class VendorFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A whole frame with a good checksum that is not understood; it is counted."""

    name: str
    raw: bytes


TerminalEvent = (
    CardRead
    | NoCard
    | Accepted
    | Refused
    | Received
    | ReceiptSeen
    | SignalSeen
    | SelfCheckSeen
    | TimeSeen
    | VersionSeen
    | PositionSeen
    | VendorFrame
)
