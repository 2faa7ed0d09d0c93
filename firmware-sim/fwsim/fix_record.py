"""Reads the gateway's binary record of a fix, as a consumer would: from its document alone.

Source: docs/binary-record.md.
"""

import datetime as dt
from collections.abc import Callable, Iterator

from fwsim.gnss_time import NS_PER_S, WEEK_S, bdt_ns, leap_seconds, utc_of_gpst_ns

_KIND = [
    "none",
    "single",
    "dgnss",
    "rtk_float",
    "rtk_fixed",
    "ppp",
    "dead_reckoning",
    "manual",
    "simulated",
]
_QUALITY = ["none", "gnss", "gnss_week_resolved", "host_date", "unverified", "implausible"]
_VIA = ["ip", "serial", "file"]
_SOLVER = ["receiver", "gateway"]
_FRAME = {1: "WGS84", 2: "CGCS2000", 3: "ITRF2014", 4: "ITRF2020"}


def _byte(source: Iterator[int]) -> int:
    try:
        return next(source)
    except StopIteration:
        raise ValueError("the record is cut") from None


def _whole(source: Iterator[int]) -> int:
    groups = [_byte(source)]
    while groups[-1] & 0x80:
        groups.append(_byte(source))
    if len(groups) > 1 and groups[-1] == 0:
        raise ValueError("not the shortest form")
    number = sum((group & 0x7F) << 7 * place for place, group in enumerate(groups))
    if number >= 1 << 64:
        raise ValueError("more than 64 bits")
    return number


def _folded(source: Iterator[int]) -> int:
    number = _whole(source)
    return -((number + 1) // 2) if number % 2 else number // 2


def _bytes(source: Iterator[int]) -> bytes:
    return bytes(_byte(source) for _ in range(_byte(source)))


def _text(source: Iterator[int]) -> str:
    return _bytes(source).decode("utf-8")


def _digits(source: Iterator[int]) -> str:
    return _bytes(source).hex()


def _frame(source: Iterator[int]) -> str:
    code = _byte(source)
    if code == 0:
        return _text(source)
    if code not in _FRAME:
        raise ValueError(f"frame {code}")
    return _FRAME[code]


def _gpst(source: Iterator[int]) -> int:
    return int.from_bytes(bytes(_byte(source) for _ in range(8)), "big")


def _divided(
    read: Callable[[Iterator[int]], int], per_unit: int
) -> Callable[[Iterator[int]], float]:
    return lambda source: read(source) / per_unit


_FIELDS: tuple[tuple[str, Callable[[Iterator[int]], object]], ...] = (
    ("boot", _digits),
    ("seq", _whole),
    ("gpst", _gpst),
    ("tod_utc_s", _divided(_whole, 10**9)),
    ("t_rx", _whole),
    ("lat_deg", _divided(_folded, 10**10)),
    ("lon_deg", _divided(_folded, 10**10)),
    ("alt_hae_m", _divided(_folded, 10**4)),
    ("alt_msl_m", _divided(_folded, 10**4)),
    ("frame", _frame),
    ("epoch", _divided(_whole, 10**4)),
    ("acc_h_m", _divided(_whole, 10**4)),
    ("acc_v_m", _divided(_whole, 10**4)),
    ("acc_conf", _divided(_whole, 10**4)),
    ("speed_m_s", _divided(_whole, 10**4)),
    ("course_deg", _divided(_whole, 10**3)),
    ("sats_used", _whole),
    ("hdop", _divided(_whole, 10**2)),
    ("corr.name", _text),
    ("corr.mount", _text),
    ("corr.station", _whole),
    ("corr.age_s", _divided(_whole, 10**3)),
    ("corr.frame", _frame),
    ("corr.epoch", _divided(_whole, 10**4)),
    ("heading_deg", _divided(_whole, 10**3)),
    ("acc_heading_deg", _divided(_whole, 10**3)),
    ("pitch_deg", _divided(_folded, 10**3)),
    ("acc_pitch_deg", _divided(_whole, 10**3)),
    ("baseline_m", _divided(_whole, 10**4)),
)


def _named(words: list[str], number: int) -> str:
    if number >= len(words):
        raise ValueError(f"{number} stands for nothing")
    return words[number]


def _utc_text(posix_ms: int, *, is_leap: bool = False) -> str:
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=posix_ms)
    if is_leap:
        moment -= dt.timedelta(seconds=1)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
    return text.replace(":59.", ":60.") if is_leap else text


def _times(gpst: int) -> dict[str, object]:
    """Give UTC to the millisecond, half up, and BDT of an instant."""
    rounded = (gpst + 500_000) // 1_000_000 * 1_000_000
    # Inside a leap second GPST - UTC has not grown yet, but will have one second later.
    is_leap = leap_seconds(rounded + NS_PER_S) > leap_seconds(rounded)
    value: dict[str, object] = {
        "t_fix": _utc_text(utc_of_gpst_ns(rounded) // 1_000_000, is_leap=is_leap)
    }
    week, sow_ns = divmod(bdt_ns(gpst), WEEK_S * NS_PER_S)
    if week >= 0:
        value |= {"bdt_week": week, "bdt_sow_s": round(sow_ns / NS_PER_S, 6)}
    return value


def decode_fix_record(record: bytes) -> dict[str, object]:
    """Give the record with the keys of the JSON.

    Raises:
        ValueError: it is no record of version 1, is cut, or says what cannot be.
    """
    if len(record) < 8 or record[0] != 0xBD or record[1] != 1:
        raise ValueError("no fix record of version 1")
    presence = int.from_bytes(record[2:6], "big")
    if bool(presence & 1 << 5) != bool(presence & 1 << 6):
        raise ValueError("half a position")
    value: dict[str, object] = {
        "fix": _named(_KIND, record[6] >> 4),
        "time_quality": _named(_QUALITY, record[6] & 15),
        "via": _named(_VIA, record[7] >> 4),
        "solver": _named(_SOLVER, record[7] & 15),
    }
    source = iter(record[8:])
    corr: dict[str, object] = {}
    for bit, (name, read) in enumerate(_FIELDS):
        if presence & 1 << bit:
            found = read(source)
            if name == "gpst" and isinstance(found, int):
                value |= _times(found)
            elif name == "t_rx" and isinstance(found, int):
                value["t_rx"] = _utc_text(found)
            elif name.startswith("corr."):
                corr[name.removeprefix("corr.")] = found
            else:
                value[name] = found
    if corr:
        value["corr"] = corr
    if presence < 1 << len(_FIELDS) and next(source, None) is not None:
        raise ValueError("bytes are left over")
    return value
