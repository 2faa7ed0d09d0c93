"""The compact binary record of a fix: the same record as the JSON, in about a seventh. Pure.

Two bytes say what it is, four which fields there are; then the fields in the order of their bits,
most of them as integers of as many bytes as they need. Byte by byte: docs/binary-record.md.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import msgspec

from bdgw.adapters.frame import Refusal
from bdgw.adapters.varint import Reader, svarint, text, uvarint
from bdgw.errors import DecodeError, EncodeError
from bdgw.model import DeviceFix, FixKind, Solver, TimeQuality, Via

__all__ = ["MEDIA_TYPE", "FixRecord", "decode_record", "encode_fix", "encode_record", "record_of"]

MEDIA_TYPE = "application/vnd.bdgw.fix"
_MAGIC = 0xBD
_VERSION = 1
_HEAD_BYTES = 8
_MemberT = TypeVar("_MemberT")

# The place in each list is the number on the wire: only ever append.
_KINDS = (
    FixKind.NONE,
    FixKind.SINGLE,
    FixKind.DGNSS,
    FixKind.RTK_FLOAT,
    FixKind.RTK_FIXED,
    FixKind.PPP,
    FixKind.DEAD_RECKONING,
    FixKind.MANUAL,
    FixKind.SIMULATED,
)
_QUALITIES = (
    TimeQuality.NONE,
    TimeQuality.GNSS,
    TimeQuality.GNSS_WEEK_RESOLVED,
    TimeQuality.HOST_DATE,
    TimeQuality.UNVERIFIED,
    TimeQuality.IMPLAUSIBLE,
)
_VIAS = (Via.IP, Via.SERIAL, Via.FILE)
_SOLVERS = (Solver.RECEIVER, Solver.GATEWAY)
_FRAMES = (None, "WGS84", "CGCS2000", "ITRF2014", "ITRF2020")
"""Code 0 is a frame by name."""


class FixRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a record says: the fields of the JSON but for the ones that its topic or others tell.

    Times are as in ``bdgw.model``; ``t_rx_utc_ms`` is POSIX milliseconds.
    """

    kind: FixKind
    time_quality: TimeQuality
    via: Via
    solver: Solver
    boot: str | None = None
    seq: int | None = None
    t_gpst_ns: int | None = None
    tod_utc_ns: int | None = None
    t_rx_utc_ms: int | None = None
    lat_deg: float | None = None
    lon_deg: float | None = None
    alt_hae_m: float | None = None
    alt_msl_m: float | None = None
    frame: str | None = None
    frame_epoch_year: float | None = None
    acc_h_m: float | None = None
    acc_v_m: float | None = None
    acc_conf: float | None = None
    speed_m_s: float | None = None
    course_deg: float | None = None
    sats_used: int | None = None
    hdop: float | None = None
    corr_name: str | None = None
    corr_mount: str | None = None
    corr_station: int | None = None
    corr_age_s: float | None = None
    corr_frame: str | None = None
    corr_epoch_year: float | None = None
    heading_deg: float | None = None
    acc_heading_deg: float | None = None
    pitch_deg: float | None = None
    acc_pitch_deg: float | None = None
    baseline_m: float | None = None


class _Codec(Protocol):
    """How one field is written."""

    def write(self, value: Any) -> bytes:  # noqa: ANN401 - each codec has its own kind of value
        ...

    def read(self, reader: Reader) -> Any:  # noqa: ANN401 - as above
        ...


class _Scaled(msgspec.Struct, frozen=True):
    """A number as a whole multiple of ``1 / per_unit``."""

    per_unit: int
    is_signed: bool = False

    def write(self, value: float) -> bytes:
        try:
            number = round(value * self.per_unit)
        except (ValueError, OverflowError):
            raise EncodeError(f"{value} is no number") from None
        return svarint(number) if self.is_signed else uvarint(number)

    def read(self, reader: Reader) -> float:
        number = reader.svarint() if self.is_signed else reader.uvarint()
        return number / self.per_unit


class _Whole(msgspec.Struct, frozen=True):
    """A count."""

    def write(self, value: int) -> bytes:
        return uvarint(value)

    def read(self, reader: Reader) -> int:
        return reader.uvarint()


class _Instant(msgspec.Struct, frozen=True):
    """GPST nanoseconds in eight bytes."""

    def write(self, value: int) -> bytes:
        if not 0 <= value < 1 << 64:
            raise EncodeError(f"{value} ns of GPST does not fit")
        return value.to_bytes(8)

    def read(self, reader: Reader) -> int:
        return int.from_bytes(reader.take(8))


class _Digits(msgspec.Struct, frozen=True):
    """Hexadecimal digits, two in a byte."""

    def write(self, value: str) -> bytes:
        try:
            data = bytes.fromhex(value)
        except ValueError:
            data = b""
        if data.hex() != value or len(data) > 0xFF:
            raise EncodeError(f"{value!r} is not an even number of hexadecimal digits")
        return bytes([len(data)]) + data

    def read(self, reader: Reader) -> str:
        return reader.take(reader.take(1)[0]).hex()


class _Text(msgspec.Struct, frozen=True):
    """A text in UTF-8 behind its length."""

    def write(self, value: str) -> bytes:
        return text(value)

    def read(self, reader: Reader) -> str:
        return reader.text()


class _FrameName(msgspec.Struct, frozen=True):
    """A frame by its code, or code 0 and its name."""

    def write(self, value: str) -> bytes:
        if value in _FRAMES:
            return bytes([_FRAMES.index(value)])
        return b"\0" + text(value)

    def read(self, reader: Reader) -> str:
        code = reader.take(1)[0]
        if code >= len(_FRAMES):
            raise DecodeError(f"frame {code} is unknown")
        # A frame may have been written out by an older writer that knew no number for it.
        return _FRAMES[code] or reader.text()


_ANGLE = _Scaled(10**10, is_signed=True)
_HEIGHT = _Scaled(10**4, is_signed=True)
_LENGTH = _Scaled(10**4)
_DIRECTION = _Scaled(10**3)
_YEAR = _Scaled(10**4)
# The place of a row is its bit. Latitude and longitude are there together or not at all.
_ROWS: tuple[tuple[str, _Codec], ...] = (
    ("boot", _Digits()),
    ("seq", _Whole()),
    ("t_gpst_ns", _Instant()),
    ("tod_utc_ns", _Whole()),
    ("t_rx_utc_ms", _Whole()),
    ("lat_deg", _ANGLE),
    ("lon_deg", _ANGLE),
    ("alt_hae_m", _HEIGHT),
    ("alt_msl_m", _HEIGHT),
    ("frame", _FrameName()),
    ("frame_epoch_year", _YEAR),
    ("acc_h_m", _LENGTH),
    ("acc_v_m", _LENGTH),
    ("acc_conf", _Scaled(10**4)),
    ("speed_m_s", _Scaled(10**4)),
    ("course_deg", _DIRECTION),
    ("sats_used", _Whole()),
    ("hdop", _Scaled(10**2)),
    ("corr_name", _Text()),
    ("corr_mount", _Text()),
    ("corr_station", _Whole()),
    ("corr_age_s", _Scaled(10**3)),
    ("corr_frame", _FrameName()),
    ("corr_epoch_year", _YEAR),
    ("heading_deg", _DIRECTION),
    ("acc_heading_deg", _DIRECTION),
    ("pitch_deg", _Scaled(10**3, is_signed=True)),
    ("acc_pitch_deg", _DIRECTION),
    ("baseline_m", _LENGTH),
)


def record_of(item: DeviceFix) -> FixRecord:
    """Give what is recorded of a fix: what the JSON says of it."""
    fix, corr, heading = item.fix, item.corr, item.fix.heading
    has_place = fix.lat_deg is not None and fix.lon_deg is not None
    return FixRecord(
        kind=fix.kind,
        time_quality=fix.time_quality,
        via=item.via,
        solver=item.solver,
        boot=item.boot,
        seq=item.seq,
        t_gpst_ns=fix.t_gpst_ns,
        tod_utc_ns=fix.tod_utc_ns if fix.t_gpst_ns is None else None,
        t_rx_utc_ms=(item.t_rx_utc_ns + 500_000) // 1_000_000,
        lat_deg=fix.lat_deg if has_place else None,
        lon_deg=fix.lon_deg if has_place else None,
        alt_hae_m=fix.alt_hae_m,
        alt_msl_m=fix.alt_msl_m,
        frame=item.frame if has_place else None,
        frame_epoch_year=item.frame_epoch_year if has_place else None,
        acc_h_m=fix.acc_h_m,
        acc_v_m=fix.acc_v_m,
        acc_conf=fix.acc_conf,
        speed_m_s=fix.speed_m_s,
        course_deg=fix.course_deg,
        sats_used=fix.sats_used,
        hdop=fix.hdop,
        corr_name=None if corr is None else corr.name,
        corr_mount=None if corr is None else corr.mount,
        corr_station=fix.corr_station if corr is None else corr.station,
        corr_age_s=fix.corr_age_s if corr is None else corr.age_s,
        corr_frame=None if corr is None else corr.frame,
        corr_epoch_year=None if corr is None else corr.frame_epoch_year,
        heading_deg=None if heading is None else heading.heading_deg,
        acc_heading_deg=None if heading is None else heading.acc_heading_deg,
        pitch_deg=None if heading is None else heading.pitch_deg,
        acc_pitch_deg=None if heading is None else heading.acc_pitch_deg,
        baseline_m=None if heading is None else heading.baseline_m,
    )


def encode_record(record: FixRecord) -> bytes:
    """Write a record.

    Raises:
        EncodeError: a number is negative where none can be, or is none; a text is too long; a
            word has no number yet.
    """
    if (record.lat_deg is None) != (record.lon_deg is None):
        raise EncodeError("latitude and longitude go together")
    presence = 0
    parts = []
    for bit, (name, codec) in enumerate(_ROWS):
        value = getattr(record, name)
        if value is not None:
            presence |= 1 << bit
            parts.append(codec.write(value))
    head = (
        bytes((_MAGIC, _VERSION))
        + presence.to_bytes(4)
        + bytes(
            (
                _number(_KINDS, record.kind) << 4 | _number(_QUALITIES, record.time_quality),
                _number(_VIAS, record.via) << 4 | _number(_SOLVERS, record.solver),
            )
        )
    )
    return head + b"".join(parts)


def encode_fix(item: DeviceFix) -> bytes | Refusal:
    """Write a fix as a record, or say that a number in it cannot be."""
    try:
        return encode_record(record_of(item))
    except EncodeError:
        return Refusal.OUT_OF_RANGE


def decode_record(data: bytes) -> FixRecord:
    """Read a record. Fields that a later minor change has appended are passed over.

    Raises:
        DecodeError: it is another version, cut, too long, or says something that cannot be.
    """
    if len(data) < _HEAD_BYTES or data[0] != _MAGIC:
        raise DecodeError("no fix record", bit=0)
    if data[1] != _VERSION:
        raise DecodeError(f"fix record of version {data[1]}", bit=8)
    presence = int.from_bytes(data[2:6])
    reader = Reader(data, at=_HEAD_BYTES)
    values = {
        name: codec.read(reader) for bit, (name, codec) in enumerate(_ROWS) if presence >> bit & 1
    }
    if ("lat_deg" in values) != ("lon_deg" in values):
        raise DecodeError("latitude and longitude go together", bit=16)
    if not presence >> len(_ROWS) and reader.n_left:
        raise DecodeError(f"{reader.n_left} bytes too many", bit=8 * reader.at)
    return FixRecord(
        kind=_at(_KINDS, data[6] >> 4),
        time_quality=_at(_QUALITIES, data[6] & 0xF),
        via=_at(_VIAS, data[7] >> 4),
        solver=_at(_SOLVERS, data[7] & 0xF),
        **values,
    )


def _number(members: tuple[_MemberT, ...], word: _MemberT) -> int:
    if word not in members:
        raise EncodeError(f"{word} has no number")
    return members.index(word)


def _at(members: tuple[_MemberT, ...], number: int) -> _MemberT:
    if number >= len(members):
        raise DecodeError(f"{number} stands for nothing", bit=48)
    return members[number]
