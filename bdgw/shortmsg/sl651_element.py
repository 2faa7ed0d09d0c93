"""Elements of SL 651 reports: identifiers, units, values.

An element is an identifier, a byte with its length (upper five bits) and decimals (lower three),
and packed decimal digits. Values keep the digits that were sent: they are decimal text, never a
rounded float. A few identifiers have layouts of their own.
Source: SL 651-2014, annex C, table C.1.
"""

from __future__ import annotations

import msgspec

from bdgw.shortmsg.bcd import is_bcd

__all__ = ["ELEMENTS", "Element", "ElementKind", "decode_elements"]

_MAX_ELEMENTS = 512
_RAIN_SERIES = 0xF4
_LEVEL_SERIES = range(0xF5, 0xFD)
_STATUS = 0x45
_STEP = 0x04
_TO_THE_END = (0xF2, 0xF3)
"""人工置数 and pictures take the rest of the body."""


class ElementKind(msgspec.Struct, frozen=True):
    """A row of the table: mnemonic, Chinese name and unit."""

    mnemonic: str
    name: str
    unit: str | None = None


class Element(msgspec.Struct, frozen=True, kw_only=True):
    """One element of a report."""

    identifier: int
    mnemonic: str | None
    """None for an identifier that the table does not know."""
    name: str | None
    unit: str | None
    value: str | None
    """Decimal text with the decimals that were sent; None where the sensor gave nothing."""
    series: tuple[str | None, ...] = ()
    """Twelve values of five minutes each, the oldest first; None where there is none."""
    raw: bytes
    """The data without identifier and definition."""


def _numbered(
    first: int, count: int, mnemonic: str, name: str, unit: str
) -> dict[int, ElementKind]:
    return {
        first + i: ElementKind(f"{mnemonic}{i + 1}", f"{name}{i + 1}", unit) for i in range(count)
    }


ELEMENTS: dict[int, ElementKind] = {
    0x01: ElementKind("AC", "断面面积", "m2"),
    0x02: ElementKind("AI", "瞬时气温", "degC"),
    0x03: ElementKind("C", "瞬时水温", "degC"),
    0x04: ElementKind("DRxnn", "时间步长码"),
    0x05: ElementKind("DT", "时段长", "h.min"),
    0x06: ElementKind("ED", "日蒸发量", "mm"),
    0x07: ElementKind("EJ", "当前蒸发", "mm"),
    0x08: ElementKind("FL", "气压", "hPa"),
    0x09: ElementKind("GH", "闸门开启高度", "m"),
    0x0A: ElementKind("GN", "输水设备、闸门编号"),
    0x0B: ElementKind("GS", "输水设备类别"),
    0x0C: ElementKind("GT", "闸门开启孔数"),
    0x0D: ElementKind("GTP", "地温", "degC"),
    0x0E: ElementKind("H", "地下水瞬时埋深", "m"),
    0x0F: ElementKind("HW", "波浪高度", "m"),
    0x10: ElementKind("M10", "10cm处土壤含水量", "%"),
    0x11: ElementKind("M20", "20cm处土壤含水量", "%"),
    0x12: ElementKind("M30", "30cm处土壤含水量", "%"),
    0x13: ElementKind("M40", "40cm处土壤含水量", "%"),
    0x14: ElementKind("M50", "50cm处土壤含水量", "%"),
    0x15: ElementKind("M60", "60cm处土壤含水量", "%"),
    0x16: ElementKind("M80", "80cm处土壤含水量", "%"),
    0x17: ElementKind("M100", "100cm处土壤含水量", "%"),
    0x18: ElementKind("MST", "湿度", "%"),
    0x19: ElementKind("NS", "开机台数"),
    0x1A: ElementKind("P1", "1小时时段降水量", "mm"),
    0x1B: ElementKind("P2", "2小时时段降水量", "mm"),
    0x1C: ElementKind("P3", "3小时时段降水量", "mm"),
    0x1D: ElementKind("P6", "6小时时段降水量", "mm"),
    0x1E: ElementKind("P12", "12小时时段降水量", "mm"),
    0x1F: ElementKind("PD", "日降水量", "mm"),
    0x20: ElementKind("PJ", "当前降水量", "mm"),
    0x21: ElementKind("PN01", "1分钟时段降水量", "mm"),
    0x22: ElementKind("PN05", "5分钟时段降水量", "mm"),
    0x23: ElementKind("PN10", "10分钟时段降水量", "mm"),
    0x24: ElementKind("PN30", "30分钟时段降水量", "mm"),
    0x25: ElementKind("PR", "暴雨量", "mm"),
    0x26: ElementKind("PT", "降水量累计值", "mm"),
    0x27: ElementKind("Q", "瞬时流量、抽水流量", "m3/s"),
    **_numbered(0x28, 8, "Q", "取(排)水口流量", "m3/s"),
    0x30: ElementKind("QA", "总出库流量、过闸总流量", "m3/s"),
    0x31: ElementKind("QZ", "输水设备流量、过闸(组)流量", "m3/s"),
    0x32: ElementKind("SW", "输沙量", "1e4 t"),
    0x33: ElementKind("UC", "风向"),
    0x34: ElementKind("UE", "风力", "Bft"),
    0x35: ElementKind("US", "风速", "m/s"),
    0x36: ElementKind("VA", "断面平均流速", "m/s"),
    0x37: ElementKind("VJ", "当前瞬时流速", "m/s"),
    0x38: ElementKind("VT", "电源电压", "V"),
    0x39: ElementKind("Z", "瞬时河道水位、潮位", "m"),
    0x3A: ElementKind("ZB", "库(闸、站)下水位", "m"),
    0x3B: ElementKind("ZU", "库(闸、站)上水位", "m"),
    **_numbered(0x3C, 8, "Z", "取(排)水口水位", "m"),
    0x44: ElementKind("SQ", "含沙量", "kg/m3"),
    0x45: ElementKind("ZT", "遥测站状态及报警信息"),
    0x46: ElementKind("pH", "pH值"),
    0x47: ElementKind("DO", "溶解氧", "mg/L"),
    0x48: ElementKind("COND", "电导率", "uS/cm"),
    0x49: ElementKind("TURB", "浊度"),
    0x4A: ElementKind("CODMN", "高锰酸盐指数", "mg/L"),
    0x4B: ElementKind("REDOX", "氧化还原电位", "mV"),
    0x4C: ElementKind("NH4N", "氨氮", "mg/L"),
    0x4D: ElementKind("TP", "总磷", "mg/L"),
    0x4E: ElementKind("TN", "总氮", "mg/L"),
    0x4F: ElementKind("TOC", "总有机碳", "mg/L"),
    0x50: ElementKind("CU", "铜", "mg/L"),
    0x51: ElementKind("ZN", "锌", "mg/L"),
    0x52: ElementKind("SE", "硒", "mg/L"),
    0x53: ElementKind("AS", "砷", "mg/L"),
    0x54: ElementKind("THG", "总汞", "mg/L"),
    0x55: ElementKind("CD", "镉", "mg/L"),
    0x56: ElementKind("PB", "铅", "mg/L"),
    0x57: ElementKind("CHLA", "叶绿素a", "mg/L"),
    **_numbered(0x58, 8, "WP", "水压", "kPa"),
    **_numbered(0x60, 8, "SYL", "水表剩余水量", "m3"),
    **_numbered(0x68, 8, "SBL", "水表每小时水量", "m3/h"),
    0x70: ElementKind("VTA", "交流A相电压", "V"),
    0x71: ElementKind("VTB", "交流B相电压", "V"),
    0x72: ElementKind("VTC", "交流C相电压", "V"),
    0x73: ElementKind("VIA", "交流A相电流", "A"),
    0x74: ElementKind("VIB", "交流B相电流", "A"),
    0x75: ElementKind("VIC", "交流C相电流", "A"),
    0xF2: ElementKind("RGZS", "人工置数"),
    0xF3: ElementKind("PIC", "图片信息"),
    0xF4: ElementKind("DRP", "1小时内每5分钟时段雨量", "mm"),
    **_numbered(0xF5, 8, "DRZ", "1小时内5分钟间隔相对水位", "m"),
}
"""By identifier; what is not here is kept raw."""


def _decimal(raw: bytes, decimals: int) -> str | None:
    """Read packed digits with a decimal point; a leading FF is a minus sign.

    Bytes that are not digits are what a sensor without a reading sends (AA, FF).
    """
    sign = ""
    if raw[:1] == b"\xff":
        sign, raw = "-", raw[1:]
    if not raw or not is_bcd(raw):
        return None
    digits = raw.hex().zfill(decimals + 1)
    whole = digits[: len(digits) - decimals].lstrip("0") or "0"
    return f"{sign}{whole}.{digits[-decimals:]}" if decimals else f"{sign}{whole}"


def _series(identifier: int, raw: bytes) -> tuple[str | None, ...]:
    """Read twelve readings of five minutes: rain in 0.1 mm a byte, level in 0.01 m two bytes."""
    width, decimals = (1, 1) if identifier == _RAIN_SERIES else (2, 2)
    readings: list[str | None] = []
    for i in range(0, len(raw) - width + 1, width):
        number = int.from_bytes(raw[i : i + width])
        is_absent = number == (1 << 8 * width) - 1
        readings.append(None if is_absent else f"{number / 10**decimals:.{decimals}f}")
    return tuple(readings)


def _element(identifier: int, definition: int, raw: bytes) -> Element:
    kind = ELEMENTS.get(identifier)
    value: str | None = None
    series: tuple[str | None, ...] = ()
    if identifier == _RAIN_SERIES or identifier in _LEVEL_SERIES:
        series = _series(identifier, raw)
    elif identifier in (_STATUS, _STEP):
        # Bits of the station, and a step of days, hours, minutes: digits without a point.
        value = raw.hex()
    elif identifier not in _TO_THE_END:
        value = _decimal(raw, definition & 7)
    return Element(
        identifier=identifier,
        mnemonic=kind.mnemonic if kind else None,
        name=kind.name if kind else None,
        unit=kind.unit if kind else None,
        value=value,
        series=series,
        raw=raw,
    )


def decode_elements(data: bytes) -> tuple[tuple[Element, ...], bytes]:
    """Read elements until they end or do not fit; the rest is returned as it is.

    Source: SL 651-2014, clause 6.6.2 (identifier, definition, data).
    """
    found: list[Element] = []
    at = 0
    while at + 2 <= len(data) and len(found) < _MAX_ELEMENTS:
        identifier, definition = data[at], data[at + 1]
        if identifier in _TO_THE_END:
            # Two equal identifier bytes stand before the text or the picture.
            begin = at + 2 if definition == identifier else at + 1
            found.append(_element(identifier, definition, data[begin:]))
            at = len(data)
            break
        end = at + 2 + (definition >> 3)
        if definition >> 3 == 0 or end > len(data):
            break
        found.append(_element(identifier, definition, data[at + 2 : end]))
        at = end
    return tuple(found), data[at:]
