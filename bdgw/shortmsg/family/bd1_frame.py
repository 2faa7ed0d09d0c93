"""The frames of family 4.0 as values; what each says in its own raw integers.

Source: RDSS digest, 3.2 to 3.11.
"""

from __future__ import annotations

from bdgw.errors import DecodeError
from bdgw.shortmsg.family.frame import Frame
from bdgw.shortmsg.family.line_content import MIXED_MARK
from bdgw.shortmsg.vocabulary import Form

__all__ = [
    "Bd1Frame",
    "CardQuery",
    "CardReport",
    "Feedback",
    "MessageQuery",
    "MessageReport",
    "OtherFrame",
    "PositionReport",
    "PositionRequest",
    "PowerQuery",
    "PowerReport",
    "RateSetting",
    "ReceiptReport",
    "SelfCheckQuery",
    "SelfCheckReport",
    "SendRequest",
    "SerialNumberQuery",
    "SerialNumberReport",
    "StopRequest",
    "SubordinateReport",
    "TimeQuery",
    "TimeReport",
    "VersionQuery",
    "VersionReport",
]

_EXPRESS_MASK, _EXPRESS = 0b1100, 0b0000
_SENT_AS_CODE = 0b10
_RECEIVED_AS_CODE = 0b10_0000
_QUERY_ANSWER = 0b1000


def _check_length(length_bits: int, content: bytes) -> None:
    if length_bits and not content:
        raise DecodeError(f"{length_bits} bits of content are announced and none follows")


def _n_bits(length_bits: int, content: bytes) -> int:
    """The length of the frame is believed where the field contradicts it (some count bytes)."""
    return length_bits if (length_bits + 7) // 8 == len(content) else 8 * len(content)


def _code_form(content: bytes) -> Form:
    return Form.MIXED if content[:1] == bytes((MIXED_MARK,)) else Form.CODE


class Bd1Frame(Frame, frozen=True, kw_only=True):
    """Any frame; ``user_address`` is the card in the terminal, 0 from a host that knows none."""

    user_address: int = 0


class CardQuery(Bd1Frame, frozen=True, kw_only=True):
    """``frame_no`` 0: the card; from 1: lists of subordinates."""

    frame_no: int = 0


class CardReport(Bd1Frame, frozen=True, kw_only=True):
    """The card itself."""

    frame_no: int = 0
    broadcast_id: int
    user_class: int
    service_interval_s: int
    comm_level: int
    encryption_flag: int
    """1 is read as encrypted (J, D, E); (Q) reads 0 so."""
    subordinate_count: int


class SubordinateReport(Bd1Frame, frozen=True, kw_only=True):
    """Up to 100 subordinates of a 指挥机."""

    frame_no: int
    addresses: tuple[int, ...]


class SelfCheckQuery(Bd1Frame, frozen=True, kw_only=True):
    """``interval_s`` 0: once."""

    interval_s: int = 0


class SelfCheckReport(Bd1Frame, frozen=True, kw_only=True):
    """State of card, hardware, battery, transmitter, and six power codes."""

    ic_status: int
    hardware_status: int
    battery: int
    inbound_status: int
    beam_power: tuple[int, ...]


class PowerQuery(Bd1Frame, frozen=True, kw_only=True):
    """``interval`` 0: once; else seconds (E, F) or minutes (B, Q)."""

    interval: int = 0


class PowerReport(Bd1Frame, frozen=True, kw_only=True):
    """Six power codes."""

    beam_power: tuple[int, ...]


class SendRequest(Bd1Frame, frozen=True, kw_only=True):
    """One message out."""

    info: int
    peer_address: int
    length_bits: int
    ack_flag: int = 0
    content: bytes

    def check(self) -> None:
        """Refuse announced content that is not there."""
        _check_length(self.length_bits, self.content)

    @property
    def is_express(self) -> bool:
        """特快."""
        return self.info & _EXPRESS_MASK == _EXPRESS

    @property
    def form(self) -> Form:
        """A 混发 content is known by its leading A4 alone."""
        return _code_form(self.content) if self.info & _SENT_AS_CODE else Form.HANZI

    @property
    def is_length_consistent(self) -> bool:
        """Whether the length field fits the frame; some senders count bytes in it."""
        return _n_bits(self.length_bits, self.content) == self.length_bits

    @property
    def n_bits(self) -> int:
        """The content on the line, in bits."""
        return _n_bits(self.length_bits, self.content)


class MessageQuery(Bd1Frame, frozen=True, kw_only=True):
    """A query for positions, messages or receipts, 15 bytes."""

    info: int
    peer_address: int = 0


class MessageReport(Bd1Frame, frozen=True, kw_only=True):
    """One message in. Bits 1 and 0 of ``info`` are set in real frames and not explained."""

    info: int
    sender_address: int
    send_hour: int = 0
    send_minute: int = 0
    length_bits: int
    content: bytes
    crc_flag: int = 0

    def check(self) -> None:
        """Refuse announced content that is not there."""
        _check_length(self.length_bits, self.content)

    @property
    def is_query_answer(self) -> bool:
        """Only then the time of sending means something."""
        return bool(self.info & _QUERY_ANSWER)

    @property
    def form(self) -> Form:
        """Code or 混发 are told apart by the leading A4 alone."""
        return _code_form(self.content) if self.info & _RECEIVED_AS_CODE else Form.HANZI

    @property
    def is_length_consistent(self) -> bool:
        """Whether the length field fits the frame."""
        return _n_bits(self.length_bits, self.content) == self.length_bits

    @property
    def n_bits(self) -> int:
        """The content on the line, in bits."""
        return _n_bits(self.length_bits, self.content)


class ReceiptReport(Bd1Frame, frozen=True, kw_only=True):
    """Answer to a query of receipts: (send hour, minute, receipt hour, minute) of each."""

    address: int
    receipts: tuple[tuple[int, int, int, int], ...]


class Feedback(Bd1Frame, frozen=True, kw_only=True):
    """What became of a request; ``extra`` is the command's letters or a waiting time."""

    flag: int
    extra: bytes

    @property
    def command(self) -> str | None:
        """The command's letters, where it is those."""
        is_name = self.extra.isalpha() and self.extra.isupper()
        return self.extra.decode("ascii") if is_name else None


class PositionRequest(Bd1Frame, frozen=True, kw_only=True):
    """A position by RDSS; heights are sign and magnitude."""

    info: int = 0b0100
    height_raw: int = 0
    antenna_height_raw: int = 0
    pressure_temperature_raw: int = 0
    interval_s: int = 0

    @property
    def is_urgent(self) -> bool:
        """紧急."""
        return bool(self.info & 0b10_0000)

    @property
    def height_mode(self) -> int:
        """测高方式: 0 height given, 1 none, 2 and 3 the two ways of 测高."""
        return self.info >> 2 & 0b11


class PositionReport(Bd1Frame, frozen=True, kw_only=True):
    """A position; degrees, minutes, seconds and tenths. North and east, as no sign is carried."""

    info: int
    address: int
    hour: int
    minute: int
    second: int
    centisecond: int
    lon: tuple[int, int, int, int]
    lat: tuple[int, int, int, int]
    height_raw: int
    anomaly_raw: int

    @property
    def is_high_altitude(self) -> bool:
        """高空: 24 bits of height stand where height and anomaly stand otherwise."""
        return bool(self.info & 1)


class TimeQuery(Bd1Frame, frozen=True, kw_only=True):
    """``interval_s`` 0: once."""

    interval_s: int = 0


class TimeReport(Bd1Frame, frozen=True, kw_only=True):
    """The clock; UTC or Beijing time depending on the terminal."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int


class VersionQuery(Bd1Frame, frozen=True, kw_only=True):
    """Asks for the version."""


class VersionReport(Bd1Frame, frozen=True, kw_only=True):
    """Version as text, ASCII or GBK."""

    text: bytes


class SerialNumberQuery(Bd1Frame, frozen=True, kw_only=True):
    """Asks for the serial number."""


class SerialNumberReport(Bd1Frame, frozen=True, kw_only=True):
    """32-bit serial number."""

    serial_number: int


class RateSetting(Bd1Frame, frozen=True, kw_only=True):
    """0 to 7: 19200, 1200, 2400, 4800, 9600, 38400, 57600, 115200 bit/s."""

    rate_code: int


class StopRequest(Bd1Frame, frozen=True, kw_only=True):
    """Ends periodic output: four letters of its command, or 55 55 55 for all."""

    target: bytes = b"\x55\x55\x55"


class OtherFrame(Bd1Frame, frozen=True, kw_only=True):
    """A frame without a layout here: a vendor's, or one whose layout the sources dispute."""

    name: str
    information: bytes
