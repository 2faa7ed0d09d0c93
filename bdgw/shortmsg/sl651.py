"""Frames of the hydrological protocol SL 651-2014 in its binary mode, as they come in messages.

Reads every field of the header, the elements of reports, and the marks of packets that belong
together; joins no packets and answers nothing. ASCII mode (first byte 01) is not read.
Source: SL 651-2014, clause 6; RDSS digest 10.
"""

from __future__ import annotations

from collections.abc import Callable

import anycrc
import msgspec

from bdgw.errors import DecodeError
from bdgw.shortmsg.bcd import decode_bcd_time, is_bcd
from bdgw.shortmsg.sl651_element import Element, decode_elements

__all__ = ["FUNCTIONS", "HydrologyFrame", "Report", "crc16_modbus", "decode_frame"]

crc16_modbus: Callable[[bytes], int] = anycrc.CRC(
    width=16, poly=0x8005, init=0xFFFF, refin=True, refout=True, xorout=0
).calc
"""CRC-16/MODBUS, here sent high byte first; the check value of ``123456789`` is 0x4B37."""

_START = b"\x7e\x7e"
_HEAD_BYTES = 14
"""Start, addresses, password, function, length and the begin mark."""
_STX, _SYN = 0x02, 0x16
_PACKET_BYTES = 3
_CRC_BYTES = 2
_UP, _DOWN = 0x0, 0x8
_ENDS = {
    0x03: "ETX",
    0x17: "ETB",
    0x05: "ENQ",
    0x04: "EOT",
    0x06: "ACK",
    0x15: "NAK",
    0x1B: "ESC",
}
_STATION_MARK = b"\xf1\xf1"
_TIME_MARK = b"\xf0\xf0"

FUNCTIONS: dict[int, str] = {
    0x2F: "链路维持报",
    0x30: "测试报",
    0x31: "均匀时段水文信息报",
    0x32: "遥测站定时报",
    0x33: "遥测站加报报",
    0x34: "遥测站小时报",
    0x35: "遥测站人工置数报",
    0x36: "遥测站图片报",
    0x37: "查询遥测站实时数据",
    0x38: "查询遥测站时段数据",
    0x39: "查询遥测站人工置数",
    0x3A: "查询遥测站指定要素数据",
    0x40: "修改遥测站基本配置表",
    0x41: "读取遥测站基本配置表",
    0x42: "修改遥测站运行参数配置表",
    0x43: "读取遥测站运行参数配置表",
    0x45: "查询遥测终端软件版本",
    0x46: "查询遥测站状态和报警信息",
    0x4A: "设置遥测站时钟",
    0x51: "查询遥测站时钟",
}

_CLASSES: dict[int, str] = {
    0x50: "降水",
    0x48: "河道",
    0x4B: "水库(湖泊)",
    0x5A: "闸坝",
    0x44: "泵站",
    0x54: "潮汐",
    0x4D: "墒情",
    0x47: "地下水",
    0x51: "水质",
}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a station measured; times are those of the station, Beijing time."""

    station: str
    station_class: int
    station_class_name: str | None
    observed: str | None
    """ISO 8601 to the minute, without zone; None where the station wrote no time."""
    elements: tuple[Element, ...]
    rest: bytes
    """Bytes behind the last element that could be read."""


class HydrologyFrame(msgspec.Struct, frozen=True, kw_only=True, tag="sl651", tag_field="kind"):
    """One frame with a right checksum."""

    raw: bytes
    is_uplink: bool
    center: int
    station: str
    """Ten digits: hydrological codes are two zeros and eight digits; administrative ones end in
    a 16-bit number, so letters A-F occur."""
    password: str
    """Four digits, in the clear on air: it protects nothing."""
    function: int
    function_name: str | None
    body: bytes
    end: str
    """Name of the end mark; ETB says that more packets follow."""
    n_packets: int | None = None
    packet: int | None = None
    """Counted from 1; both None for a frame that stands alone."""
    serial: int | None = None
    """流水号; None where the body has none (later packets)."""
    sent: str | None = None
    """发报时间, ISO 8601 without zone; None where the station wrote no time."""
    report: Report | None = None

    @property
    def is_last_packet(self) -> bool:
        """Whether nothing more belongs to it."""
        return self.n_packets is None or self.packet == self.n_packets


def _report(body: bytes) -> Report | None:
    """Read station, observation time and elements, if the body has them where reports do."""
    if body[:2] != _STATION_MARK or body[8:10] != _TIME_MARK or len(body) < 15:
        return None
    elements, rest = decode_elements(body[15:])
    return Report(
        station=body[2:7].hex().upper(),
        station_class=body[7],
        station_class_name=_CLASSES.get(body[7]),
        observed=decode_bcd_time(body[10:15]),
        elements=elements,
        rest=rest,
    )


def _split(frame: bytes, body_bytes: int) -> tuple[bytes, bytes]:
    """Give packet marks and body, by the begin mark and the two ways to count the length.

    The standard counts the body from begin to end mark; whether the packet marks belong to it is
    read differently, and the length of the whole frame tells.
    """
    room = len(frame) - _HEAD_BYTES - 1 - _CRC_BYTES
    begin = frame[_HEAD_BYTES - 1]
    if begin == _STX:
        if room != body_bytes:
            raise DecodeError(f"body of {body_bytes} bytes announced, {room} given", bit=96)
        return b"", frame[_HEAD_BYTES : _HEAD_BYTES + room]
    if begin != _SYN:
        raise DecodeError(f"begin mark {begin:02X}", bit=104)
    if room not in (body_bytes, body_bytes + _PACKET_BYTES) or room < _PACKET_BYTES:
        raise DecodeError(f"body of {body_bytes} bytes announced, {room} given", bit=96)
    body_at = _HEAD_BYTES + _PACKET_BYTES
    return frame[_HEAD_BYTES:body_at], frame[body_at : _HEAD_BYTES + room]


def _packet_numbers(marks: bytes) -> tuple[int | None, int | None]:
    if not marks:
        return None, None
    number = int.from_bytes(marks)
    total, index = number >> 12, number & 0xFFF
    if not 1 <= index <= total:
        raise DecodeError(f"packet {index} of {total}", bit=112)
    return total, index


def decode_frame(frame: bytes) -> HydrologyFrame:
    """Decode one whole frame, from the two 7E to the checksum.

    Raises:
        DecodeError: it is no frame of the binary mode, is cut, or its checksum does not fit.
    """
    if len(frame) < _HEAD_BYTES + 1 + _CRC_BYTES or frame[:2] != _START:
        raise DecodeError("no frame of SL 651", bit=0)
    if crc16_modbus(frame[:-2]) != int.from_bytes(frame[-2:]):
        raise DecodeError("checksum of SL 651", bit=8 * (len(frame) - 2))
    word = int.from_bytes(frame[11:13])
    if word >> 12 not in (_UP, _DOWN):
        raise DecodeError(f"direction {word >> 12:X}", bit=88)
    is_uplink = word >> 12 == _UP
    marks, body = _split(frame, word & 0xFFF)
    end = _ENDS.get(frame[-3])
    if end is None:
        raise DecodeError(f"end mark {frame[-3]:02X}", bit=8 * (len(frame) - 3))
    n_packets, packet = _packet_numbers(marks)
    has_serial = packet in (None, 1) and len(body) >= 8 and is_bcd(body[2:8])
    return HydrologyFrame(
        raw=frame,
        is_uplink=is_uplink,
        center=frame[2] if is_uplink else frame[7],
        station=(frame[3:8] if is_uplink else frame[2:7]).hex().upper(),
        password=frame[8:10].hex().upper(),
        function=frame[10],
        function_name=FUNCTIONS.get(frame[10]),
        body=body,
        end=end,
        n_packets=n_packets,
        packet=packet,
        serial=int.from_bytes(body[:2]) if has_serial else None,
        sent=decode_bcd_time(body[2:8]) if has_serial else None,
        report=_report(body[8:]) if has_serial and is_uplink else None,
    )
