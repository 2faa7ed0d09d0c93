"""The information of every 4.0 frame, declared.

One row a frame: its four letters, its value, its bytes. Counts and lengths are held against the
frame by the declarations themselves; ``n`` is the number of bytes of information.

Source: RDSS digest, 3.2 to 3.11.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from construct import (
    Array,
    Bytes,
    Check,
    Construct,
    ConstructError,
    ExprValidator,
    GreedyBytes,
    GreedyRange,
    Int8ub,
    Int16ub,
    Int24ub,
    Int32ub,
    Rebuild,
    Sequence,
    Struct,
    Terminated,
    len_,
    obj_,
    this,
)

from bdgw.errors import DecodeError, EncodeError
from bdgw.shortmsg.family import bd1_frame as f

__all__ = ["LAYOUTS", "build_information", "parse_information"]

_MAX_RECEIPTS = 5
_IS_QUERY = 0b011
_MESSAGE_OVERHEAD_BYTES = 9  # what surrounds the content of TXXX

_HOUR = ExprValidator(Int8ub, obj_ < 24)
_SIXTIETH = ExprValidator(Int8ub, obj_ < 60)
_CENTISECOND = ExprValidator(Int8ub, obj_ < 100)
_TENTH = ExprValidator(Int8ub, obj_ < 10)
_LON = Sequence(ExprValidator(Int8ub, obj_ <= 180), _SIXTIETH, _SIXTIETH, _TENTH)
_LAT = Sequence(ExprValidator(Int8ub, obj_ <= 90), _SIXTIETH, _SIXTIETH, _TENTH)
_SIX_BEAMS = "beam_power" / Array(6, Int8ub)


def _is_query(information: bytes) -> bool:
    return bool(information) and information[0] >> 5 == _IS_QUERY


def _is_list(information: bytes) -> bool:
    return bool(information) and information[0] > 0


class Layout(NamedTuple):
    """One row. Of two with the same name the first that ``applies`` is taken."""

    name: str
    frame: type[f.Bd1Frame]
    information: Construct
    applies: Callable[[bytes], bool] | None = None


def _struct(*fields: Construct) -> Construct:
    return Struct(*fields, Terminated)


def _n_content(context: Any) -> int:  # noqa: ANN401 - construct has no types
    n: int = context["_params"]["n"]
    return n - _MESSAGE_OVERHEAD_BYTES


LAYOUTS = (
    Layout("ICJC", f.CardQuery, _struct("frame_no" / Int8ub)),
    Layout(
        "ICXX",
        f.SubordinateReport,
        _struct("frame_no" / Int8ub, "addresses" / GreedyRange(Int24ub)),
        _is_list,
    ),
    Layout(
        "ICXX",
        f.CardReport,
        _struct(
            "frame_no" / Int8ub,
            "broadcast_id" / Int24ub,
            "user_class" / Int8ub,
            "service_interval_s" / Int16ub,
            "comm_level" / Int8ub,
            "encryption_flag" / Int8ub,
            "subordinate_count" / Int16ub,
        ),
    ),
    Layout("XTZJ", f.SelfCheckQuery, _struct("interval_s" / Int16ub)),
    Layout(
        "ZJXX",
        f.SelfCheckReport,
        _struct(
            "ic_status" / Int8ub,
            "hardware_status" / Int8ub,
            "battery" / Int8ub,
            "inbound_status" / Int8ub,
            _SIX_BEAMS,
        ),
    ),
    Layout("GLJC", f.PowerQuery, _struct("interval" / Int8ub)),
    Layout("GLZK", f.PowerReport, _struct(_SIX_BEAMS)),
    Layout("TXSQ", f.MessageQuery, _struct("info" / Int8ub, "peer_address" / Int24ub), _is_query),
    Layout(
        "TXSQ",
        f.SendRequest,
        _struct(
            "info" / Int8ub,
            "peer_address" / Int24ub,
            "length_bits" / Int16ub,
            "ack_flag" / Int8ub,
            "content" / GreedyBytes,
        ),
    ),
    Layout(
        "TXXX",
        f.MessageReport,
        _struct(
            "info" / Int8ub,
            "sender_address" / Int24ub,
            "send_hour" / Int8ub,
            "send_minute" / Int8ub,
            "length_bits" / Int16ub,
            "content" / Bytes(_n_content),
            "crc_flag" / Int8ub,
        ),
    ),
    Layout(
        "TXHZ",
        f.ReceiptReport,
        _struct(
            "address" / Int24ub,
            "count" / Rebuild(Int8ub, len_(this.receipts)),
            Check(this.count <= _MAX_RECEIPTS),
            "receipts" / Array(this.count, Sequence(Int8ub, Int8ub, Int8ub, Int8ub)),
        ),
    ),
    Layout("FKXX", f.Feedback, _struct("flag" / Int8ub, "extra" / Bytes(4))),
    Layout(
        "DWSQ",
        f.PositionRequest,
        _struct(
            "info" / Int8ub,
            "height_raw" / Int16ub,
            "antenna_height_raw" / Int16ub,
            "pressure_temperature_raw" / Int32ub,
            "interval_s" / Int16ub,
        ),
    ),
    Layout(
        "DWXX",
        f.PositionReport,
        _struct(
            "info" / Int8ub,
            "address" / Int24ub,
            "hour" / _HOUR,
            "minute" / _SIXTIETH,
            "second" / _SIXTIETH,
            "centisecond" / _CENTISECOND,
            "lon" / _LON,
            "lat" / _LAT,
            "height_raw" / Int16ub,
            "anomaly_raw" / Int16ub,
        ),
    ),
    Layout("SJSC", f.TimeQuery, _struct("interval_s" / Int16ub)),
    Layout(
        "SJXX",
        f.TimeReport,
        _struct(
            "year" / Int16ub,
            "month" / Int8ub,
            "day" / Int8ub,
            "hour" / Int8ub,
            "minute" / Int8ub,
            "second" / Int8ub,
        ),
    ),
    Layout("BBDQ", f.VersionQuery, _struct()),
    Layout("BBXX", f.VersionReport, _struct("text" / GreedyBytes)),
    Layout("XHDQ", f.SerialNumberQuery, _struct()),
    Layout("XHXX", f.SerialNumberReport, _struct("serial_number" / Int32ub)),
    Layout("CKSC", f.RateSetting, _struct("rate_code" / ExprValidator(Int8ub, obj_ < 8))),
    Layout(
        "JSZL",
        f.StopRequest,
        _struct("target" / GreedyBytes, Check(lambda ctx: len(ctx.target) in (3, 4))),
    ),
)

_BY_FRAME = {row.frame: row for row in LAYOUTS}


def _plain(value: object) -> object:
    return tuple(map(_plain, value)) if isinstance(value, list) else value


def _row_of(name: str, information: bytes) -> Layout | None:
    for row in LAYOUTS:
        if row.name == name and (row.applies is None or row.applies(information)):
            return row
    return None


def parse_information(name: str, user_address: int, information: bytes, raw: bytes) -> f.Bd1Frame:
    """Make a value of a frame's information; a name without a row gives ``OtherFrame``.

    Raises:
        DecodeError: the information does not fit its layout.
    """
    row = _row_of(name, information)
    if row is None:
        return f.OtherFrame(user_address=user_address, name=name, information=information, raw=raw)
    try:
        parsed = row.information.parse(information, n=len(information))
    except ConstructError as error:
        raise DecodeError(f"{name}: {_reason(error)}") from error
    fields = {key: _plain(value) for key, value in parsed.items() if key in _fields(row)}
    frame = row.frame(user_address=user_address, raw=raw, **fields)
    frame.check()
    return frame


def build_information(frame: f.Bd1Frame) -> tuple[str, bytes]:
    """Give the name and the information of a frame.

    Raises:
        EncodeError: a value does not fit its field.
    """
    if isinstance(frame, f.OtherFrame):
        return frame.name, frame.information
    row = _BY_FRAME.get(type(frame))
    if row is None:
        raise EncodeError(f"{type(frame).__name__} is no frame of family 4.0")
    fields = {key: getattr(frame, key) for key in _fields(row)}
    n = len(fields.get("content", b"")) + _MESSAGE_OVERHEAD_BYTES
    try:
        information: bytes = row.information.build(fields, n=n)
    except ConstructError as error:
        raise EncodeError(f"{row.name}: {_reason(error)}") from error
    if row is not _row_of(row.name, information):
        raise EncodeError(f"{row.name}: the information means another kind of frame")
    return row.name, information


def _fields(row: Layout) -> tuple[str, ...]:
    return tuple(key for key in row.frame.__struct_fields__ if key not in ("user_address", "raw"))


def _reason(error: ConstructError) -> str:
    return " ".join(str(error).split())[:200]
