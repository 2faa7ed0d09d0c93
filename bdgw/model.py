"""The vocabulary: what the gateway knows after decoding, free of any protocol and any port.

Absent is None, never 0, NaN or an empty text. Times of fixes are GPST in integer nanoseconds, so
that a leap second has a place; UTC and BDT are made from it at the edge (``bdgw.timescale``).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

__all__ = [
    "Alarm",
    "ConnectionState",
    "DeviceFix",
    "DeviceState",
    "DeviceStatus",
    "Fix",
    "FixKind",
    "Provenance",
    "Satellite",
    "Sky",
    "Solver",
    "SolverCheck",
    "TimeQuality",
    "Via",
]


class FixKind(enum.StrEnum):
    """How a position was obtained; the words of the published ``fix`` field."""

    NONE = "none"
    SINGLE = "single"
    DGNSS = "dgnss"
    RTK_FLOAT = "rtk_float"
    RTK_FIXED = "rtk_fixed"
    PPP = "ppp"
    DEAD_RECKONING = "dead_reckoning"
    MANUAL = "manual"
    SIMULATED = "simulated"


class TimeQuality(enum.StrEnum):
    """Where the date and time of a fix come from."""

    GNSS = "gnss"
    """Date and time of day come from the receiver and are plausible."""
    GNSS_WEEK_RESOLVED = "gnss_week_resolved"
    """The receiver's date was off by whole 1,024-week periods and was put right."""
    HOST_DATE = "host_date"
    """Time of day comes from the receiver, the day from the host clock."""
    UNVERIFIED = "unverified"
    """The receiver has no fix; its clock may be anything."""
    IMPLAUSIBLE = "implausible"
    """The date is in the future, or from before receivers were built: never shown as live."""
    NONE = "none"
    """Time of day at most; no day is known."""


class Solver(enum.StrEnum):
    """Who computed the position."""

    RECEIVER = "receiver"
    GATEWAY = "gateway"


class Via(enum.StrEnum):
    """The bearer that a fix came by."""

    IP = "ip"
    SERIAL = "serial"
    FILE = "file"


class Heading(msgspec.Struct, frozen=True, kw_only=True):
    """Where a vehicle points, by two antennas on it.

    ``heading_deg`` is clockwise from true north, ``pitch_deg`` that of the vector between the
    antennas above the horizon, ``baseline_m`` its length; ``acc_…`` are standard deviations.
    """

    heading_deg: float
    acc_heading_deg: float
    pitch_deg: float
    acc_pitch_deg: float
    baseline_m: float


class Fix(msgspec.Struct, frozen=True, kw_only=True):
    """One epoch of one receiver: everything in it was said of the same instant.

    ``t_gpst_ns`` is None while the day is unknown; ``tod_utc_ns`` (nanoseconds of the UTC day) is
    then all that is known. Latitude and longitude are in degrees, north and east positive;
    ``alt_hae_m`` is above the ellipsoid, ``alt_msl_m`` above mean sea level. ``acc_h_m`` and
    ``acc_v_m`` are the receiver's own estimate for a probability of ``acc_conf``.
    """

    kind: FixKind
    t_gpst_ns: int | None = None
    tod_utc_ns: int | None = None
    time_quality: TimeQuality = TimeQuality.NONE
    lat_deg: float | None = None
    lon_deg: float | None = None
    alt_hae_m: float | None = None
    alt_msl_m: float | None = None
    acc_h_m: float | None = None
    acc_v_m: float | None = None
    acc_conf: float | None = None
    speed_m_s: float | None = None
    course_deg: float | None = None
    sats_used: int | None = None
    hdop: float | None = None
    corr_age_s: float | None = None
    corr_station: int | None = None
    heading: Heading | None = None


class Satellite(msgspec.Struct, frozen=True, gc=False):
    """One satellite in view as a receiver reports it, on one signal."""

    system: str
    """RINEX letter: G GPS, C BeiDou, R GLONASS, E Galileo, J QZSS, I NavIC, S SBAS."""
    prn: int
    """The system's own number."""
    elevation_deg: int | None
    azimuth_deg: int | None
    cn0_dbhz: int | None
    signal: int | None
    """NMEA signal id where the receiver gives one."""


class Sky(msgspec.Struct, frozen=True, kw_only=True):
    """Satellites in view at one epoch, and the ones that the solution used."""

    satellites: tuple[Satellite, ...]
    used: tuple[tuple[str, int], ...]
    """(system letter, PRN) of the satellites used."""


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """Where the correction that a fix used came from; what is unknown is None.

    ``frame`` and ``frame_epoch_year`` are those of the base's coordinates, and so of the fix.
    """

    name: str | None = None
    """Name of the correction in the configuration."""
    mount: str | None = None
    station: int | None = None
    """Reference station id (DF003)."""
    age_s: float | None = None
    frame: str | None = None
    frame_epoch_year: float | None = None


class SolverCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What the other solver says of the same epoch, where both compute the position.

    ``is_agreeing`` is None where one of them has no position.
    """

    solver: Solver
    """The other one: the record's own ``solver`` is who was published."""
    kind: FixKind
    diff_h_m: float | None = None
    diff_v_m: float | None = None
    is_agreeing: bool | None = None


class DeviceFix(msgspec.Struct, frozen=True, kw_only=True):
    """A fix with its place in the stream of a device: what is published and stored."""

    device: str
    boot: str
    seq: int
    fix: Fix
    via: Via
    t_rx_utc_ns: int
    """Host UTC (POSIX nanoseconds) when the last byte of the epoch was read."""
    solver: Solver = Solver.RECEIVER
    frame: str | None = None
    frame_epoch_year: float | None = None
    corr: Provenance | None = None
    check: SolverCheck | None = None
    """Only of a live fix; the history does not keep it."""


class DeviceStatus(enum.StrEnum):
    """What a device is doing, told by decoded data and not by an open socket."""

    CONNECTING = "connecting"
    WAITING = "waiting"
    """The link is open; no byte has come yet."""
    GARBAGE = "garbage"
    """Bytes come but none of them decode (wrong baud rate, wrong protocol)."""
    STREAMING = "streaming"
    """Frames decode and epochs move on."""
    STUCK = "stuck"
    """Frames decode but the epoch stands still."""
    SILENT = "silent"
    """It was streaming and nothing comes any more."""
    DOWN = "down"
    """The link is gone; the next attempt is scheduled."""
    ENDED = "ended"
    """A file was read to its end."""


class DeviceState(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a device's status, with the reason in plain words."""

    device: str
    status: DeviceStatus
    reason: str
    t_utc_ns: int


class ConnectionState(msgspec.Struct, frozen=True, kw_only=True):
    """The broker connection came or went."""

    is_connected: bool
    reason: str


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a person should know; never dropped."""

    kind: str
    """Stable word that is the last topic level, e.g. ``time_implausible``."""
    device: str | None
    text: str
    t_utc_ns: int
    fields: Mapping[str, str | int | float] = {}
