"""Sentences of family 2.1 as values.

Source: RDSS digest, 5. Numbers are as written; ``None`` is an empty or missing field.
"""

from __future__ import annotations

from decimal import Decimal

from bdgw.errors import DecodeError
from bdgw.shortmsg.family.angle import check_angles
from bdgw.shortmsg.family.row import SentenceFrame

__all__ = [
    "AreaReport",
    "AreaSend",
    "BeamReport",
    "BeamSetting",
    "CardQuery",
    "CardReport",
    "CentreQuery",
    "CentreReportRequest",
    "Feedback",
    "MessageReport",
    "OutputSetting",
    "PositionReport",
    "PositionRequest",
    "ReceiptReport",
    "SelfCheckReport",
    "SendRequest",
    "StateReport",
    "SubordinateReport",
    "TimeReport",
    "VersionReport",
]

_MAX_RECEIPTS = 5
_CODE_COUNT = 10


class CardQuery(SentenceFrame, frozen=True, kw_only=True):
    """CCICA. Type 0 own card, 1 subordinates, 40 a page."""

    type: int = 0
    page: int = 0


class CardReport(SentenceFrame, frozen=True, kw_only=True):
    """BDICI."""

    card_id: int
    serial: int | None = None
    broadcast_id: int | None = None
    user_class: int | None = None
    service_interval_s: Decimal
    comm_level: int
    is_encrypted: bool | None = None
    subordinate_count: int | None = None


class SubordinateReport(SentenceFrame, frozen=True, kw_only=True):
    """BDICZ: at most 40 addresses; all pages but the last are full."""

    total: int
    addresses: tuple[int, ...] = ()


class SendRequest(SentenceFrame, frozen=True, kw_only=True):
    """CCTXA. Category 0 express, 1 normal; form 0 汉字, 1 code, 2 mixed."""

    receiver: int
    category: int
    form: int
    content: bytes | None = None


class MessageReport(SentenceFrame, frozen=True, kw_only=True):
    """BDTXR. Type 1 normal, 2 express, 3 broadcast, 4 newest stored, 5 stored by sender."""

    info_type: int | None = None
    sender: int
    form: int
    time_hhmm: str | None = None
    content: bytes | None = None


class Feedback(SentenceFrame, frozen=True, kw_only=True):
    """BDFKI of family 2.1. ``wait`` is mmss or seconds."""

    command: str
    is_executed: bool
    is_interval_ok: bool | None = None
    inhibit: int | None = None
    wait: str | None = None


class BeamReport(SentenceFrame, frozen=True, kw_only=True):
    """BDBSI: ten power codes."""

    response_beam: int | None = None
    time_diff_beam: int | None = None
    beam_power: tuple[int | None, ...]

    def check(self) -> None:
        """Ten beams and no more, or their numbers would be wrong."""
        if len(self.beam_power) != _CODE_COUNT:
            raise DecodeError(f"{len(self.beam_power)} power codes instead of {_CODE_COUNT}")


class BeamSetting(SentenceFrame, frozen=True, kw_only=True):
    """CCBSS; empty asks."""

    response_beam: int | None = None
    time_diff_beam: int | None = None


class OutputSetting(SentenceFrame, frozen=True, kw_only=True):
    """CCRMO. Mode 1 off, 2 on, 3 all off, 4 all on."""

    target: str | None = None
    mode: int
    interval_s: Decimal | None = None


class StateReport(SentenceFrame, frozen=True, kw_only=True):
    """BDZTI: bit mask, battery percent, minutes left. One source; the mask is read as hex."""

    state: int
    battery_percent: int | None = None
    left_min: int | None = None


class SelfCheckReport(SentenceFrame, frozen=True, kw_only=True):
    """BDZJX (one vendor): the states of the 4.0 ZJXX and ten power codes."""

    ic_status: int
    hardware_status: int
    battery: int
    inbound_status: int
    beam_power: tuple[int | None, ...] = ()


class VersionReport(SentenceFrame, frozen=True, kw_only=True):
    """BDSBX: vendor, type, software, protocol version, ICD version, serial number, id."""

    texts: tuple[str | None, ...]


class CentreQuery(SentenceFrame, frozen=True, kw_only=True):
    """CCCXA. Category 0 position, 1 message; mode 1 newest, 2 by sender, 3 receipt."""

    category: int
    mode: int
    address: int | None = None


class ReceiptReport(SentenceFrame, frozen=True, kw_only=True):
    """BDHZR: pairs of hhmm, sent and received."""

    address: int
    count: int
    times: tuple[str | None, ...] = ()

    def check(self) -> None:
        """The count is held against the fields."""
        if self.count > _MAX_RECEIPTS or len(self.times) != 2 * self.count:
            raise DecodeError(f"{self.count} receipts are announced in {len(self.times)} times")


class PositionRequest(SentenceFrame, frozen=True, kw_only=True):
    """CCDWA."""

    user: int
    is_urgent: bool = False
    height_mode: int = 1
    height_type: str = "L"
    height_m: Decimal | None = None
    antenna_m: Decimal | None = None
    pressure_pa: Decimal | None = None
    temperature_c: Decimal | None = None
    interval_s: Decimal | None = None


class PositionReport(SentenceFrame, frozen=True, kw_only=True):
    """BDDWR, UTC. Type 1 own, 2 query, 3 report; precision 0 is 20 m, 1 is 100 m."""

    type: int | None = None
    user: int | None = None
    time_utc: str | None = None
    lat: str
    lat_ns: str
    lon: str
    lon_ew: str
    height_m: Decimal | None = None
    height_unit: str | None = "M"
    height_anomaly_m: Decimal | None = None
    anomaly_unit: str | None = "M"
    precision: int | None = None
    is_urgent: bool | None = None
    is_multi_value: bool | None = None
    height_type: str | None = None

    def check(self) -> None:
        """A position that cannot be is refused."""
        check_angles(self.lat, self.lat_ns, self.lon, self.lon_ew)


class AreaReport(SentenceFrame, frozen=True, kw_only=True):
    """BDWAA: a position report that another terminal has sent."""

    type: int | None = None
    interval_s: int | None = None
    user: int
    time_utc: str | None = None
    lat: str
    lat_ns: str
    lon: str
    lon_ew: str
    height_m: Decimal | None = None
    height_unit: str | None = "M"

    def check(self) -> None:
        """A position that cannot be is refused."""
        check_angles(self.lat, self.lat_ns, self.lon, self.lon_ew)


class AreaSend(AreaReport, frozen=True, kw_only=True):
    """CCWAA: sends an own position report; ``user`` is who gets it."""


class CentreReportRequest(SentenceFrame, frozen=True, kw_only=True):
    """CCWBA: asks for a report that the centre computes."""

    user: int
    height_type: str = "L"
    antenna_m: Decimal | None = None
    interval_s: Decimal | None = None


class TimeReport(SentenceFrame, frozen=True, kw_only=True):
    """ZDA, as NMEA 0183 has it."""

    time_utc: str | None = None
    day: int | None = None
    month: int | None = None
    year: int | None = None
    zone_h: str | None = None
    zone_min: str | None = None
