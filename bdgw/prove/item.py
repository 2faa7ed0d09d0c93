"""The load of the drills: fixes and alarms that carry their own number. Pure.

An item is known by the life of the gateway that took it and by its number in that life; both are
in the payload, where a subscriber finds them: ``boot`` and ``seq`` of a fix as in any other.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from bdgw.model import Alarm, DeviceFix, Fix, FixKind, TimeQuality, Via

__all__ = ["Item", "alarm", "device_of", "fix", "is_alarm", "read"]

_ALARM_KIND = "prove"
_ALARM_EVERY = 97
_GPST0_NS = 1_420_000_000 * 10**9
_STEP_NS = 100_000_000


class Item(NamedTuple):
    """One item, as a subscriber reads it."""

    life: int
    number: int
    t_rx: str | None
    """When it was taken; None of an alarm."""


class _Payload(msgspec.Struct):
    boot: str | None = None
    seq: int | None = None
    t_rx: str | None = None
    life: int | None = None
    number: int | None = None


_decoder = msgspec.json.Decoder(_Payload)


def is_alarm(number: int) -> bool:
    """Whether this one of a life is an alarm and no fix."""
    return number % _ALARM_EVERY == _ALARM_EVERY - 1


def device_of(number: int, n_devices: int) -> str:
    """Which device has seen it."""
    return f"d{number % n_devices:03}"


def fix(life: int, number: int, *, n_devices: int, utc_ns: int) -> DeviceFix:
    """Make a fix that says as much as one of a good receiver."""
    step = number // n_devices
    return DeviceFix(
        device=device_of(number, n_devices),
        boot=f"{life:08x}",
        seq=number,
        via=Via.IP,
        t_rx_utc_ns=utc_ns,
        frame="CGCS2000",
        frame_epoch_year=2000.0,
        fix=Fix(
            kind=FixKind.SIMULATED,
            t_gpst_ns=_GPST0_NS + step * _STEP_NS,
            time_quality=TimeQuality.GNSS,
            # As an antenna on a boat wanders: what is compressed must not be a constant.
            lat_deg=round(31.0 + number * 7919 % 99_991 / 1e7, 7),
            lon_deg=round(121.0 + number * 6151 % 99_989 / 1e7, 7),
            alt_hae_m=round(18 + number * 31 % 997 / 1e3, 3),
            alt_msl_m=round(8 + number * 37 % 991 / 1e3, 3),
            acc_h_m=0.012,
            acc_v_m=0.021,
            speed_m_s=round(number * 41 % 983 / 100, 2),
            course_deg=round(number * 53 % 36_000 / 100, 2),
            sats_used=20 + number % 12,
            hdop=0.6,
        ),
    )


def alarm(life: int, number: int, *, utc_ns: int) -> Alarm:
    """Make an alarm."""
    return Alarm(
        kind=_ALARM_KIND,
        device=None,
        text="an alarm of a drill",
        t_utc_ns=utc_ns,
        fields={"life": life, "number": number},
    )


def read(payload: bytes) -> Item | None:
    """Which item a message is; None where it is none."""
    try:
        said = _decoder.decode(payload)
        if said.boot is not None and said.seq is not None:
            return Item(int(said.boot, 16), said.seq, said.t_rx)
    except (msgspec.DecodeError, ValueError):
        return None
    if said.life is None or said.number is None:
        return None
    return Item(said.life, said.number, None)
