"""The observation messages before MSM: 1004 (GPS) and 1012 (GLONASS), first two bands.

Source: RTCM 10403.3 tables 3.5-1 to 3.5-5 (GPS) and 3.5-9 to 3.5-14 (GLONASS), lock DF013/DF019.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fwsim.constellation import System
from fwsim.gnss_time import DAY_S, NS_PER_S
from fwsim.observation import Measurement, SatelliteObservation
from fwsim.orbit import SPEED_OF_LIGHT_M_S
from fwsim.rtcm_frame import BitWriter, frame
from fwsim.rtcm_msm import epoch_field

MAX_SATELLITES = 31
CODE_STEP_M = 0.02
PHASE_STEP_M = 0.0005
NO_PHASE = -(1 << 19)
# Lock time in seconds up to which the indicator counts in steps of so many seconds.
LOCK_STEPS = ((24, 1, 0), (72, 2, 24), (168, 4, 120), (360, 8, 408), (744, 16, 1176))
LOCK_LAST = (937, 32, 3096)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a system's message differs."""

    number: int
    epoch_bits: int
    range_bits: int
    range_m: float
    wraps_bits: int
    l2_code: int


LAYOUTS = {
    System.GPS: Layout(
        number=1004,
        epoch_bits=30,
        range_bits=24,
        range_m=SPEED_OF_LIGHT_M_S / 1000.0,
        wraps_bits=8,
        l2_code=3,
    ),
    System.GLONASS: Layout(
        number=1012,
        epoch_bits=27,
        range_bits=25,
        range_m=SPEED_OF_LIGHT_M_S / 500.0,
        wraps_bits=7,
        l2_code=0,
    ),
}


def legacy(
    station: int,
    gpst_ns: int,
    observations: Sequence[SatelliteObservation],
    *,
    has_more: bool = False,
) -> bytes:
    """Return 1004 or 1012 with the satellites of one system.

    Raises:
        ValueError: more than 31 satellites or another system.
    """
    layout = LAYOUTS.get(observations[0].system)
    if layout is None or len(observations) > MAX_SATELLITES:
        msg = f"no legacy message for {len(observations)} of {observations[0].system.name}"
        raise ValueError(msg)
    epoch = epoch_field(observations[0].system, gpst_ns) & (1 << layout.epoch_bits) - 1
    if layout.number == 1012:
        epoch %= DAY_S * NS_PER_S // 1_000_000
    out = BitWriter()
    out.unsigned(layout.number, 12)
    out.unsigned(station, 12)
    out.unsigned(epoch, layout.epoch_bits)
    out.unsigned(int(has_more), 1)
    out.unsigned(len(observations), 5)
    out.unsigned(0, 4)
    for seen in observations:
        _satellite(out, layout, seen)
    return frame(out.payload())


def _satellite(out: BitWriter, layout: Layout, seen: SatelliteObservation) -> None:
    first, second = seen.measurements[:2]
    wraps, rest_m = divmod(first.pseudorange_m, layout.range_m)
    code = round(rest_m / CODE_STEP_M)
    # What the other fields add up to is the rounded range.
    range_m = code * CODE_STEP_M + wraps * layout.range_m
    out.unsigned(seen.prn, 6)
    out.unsigned(0, 1)
    if seen.channel is not None:
        out.unsigned(seen.channel + 7, 5)
    out.unsigned(code, layout.range_bits)
    out.signed(_phase(first, range_m, seen.channel), 20)
    out.unsigned(lock7(first.lock_s), 7)
    out.unsigned(int(wraps), layout.wraps_bits)
    out.unsigned(round(first.cn0_dbhz / 0.25), 8)
    out.unsigned(layout.l2_code, 2)
    out.signed(round((second.pseudorange_m - range_m) / CODE_STEP_M), 14)
    out.signed(_phase(second, range_m, seen.channel), 20)
    out.unsigned(lock7(second.lock_s), 7)
    out.unsigned(round(second.cn0_dbhz / 0.25), 8)


def _phase(measured: Measurement, range_m: float, channel: int | None) -> int:
    metres = measured.phase_cycles * measured.carrier.wavelength_m(channel)
    value = round((metres - range_m) / PHASE_STEP_M)
    return value if abs(value) < -NO_PHASE else NO_PHASE


def lock7(lock_s: float) -> int:
    """Return DF013: the lock time in steps that grow with it."""
    whole_s = int(lock_s)
    for below_s, step_s, shift in (*LOCK_STEPS, LOCK_LAST):
        if whole_s < below_s:
            return (whole_s + shift) // step_s
    return 127
