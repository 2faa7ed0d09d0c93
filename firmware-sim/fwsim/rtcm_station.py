"""Messages about the station itself: 1005, 1006, 1007, 1033, 1230 and the text 1029.

Each function returns a whole frame. Source: RTCM 10403.3 tables 3.5-6 to 3.5-9, 3.5-20, 3.5-21,
3.5-107.
"""

from dataclasses import dataclass

from fwsim.orbit import Vector
from fwsim.rtcm_frame import BitWriter, frame

STEP_M = 0.0001
BIAS_STEP_M = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionFlags:
    """The indicators of 1005 and 1006, as the message names them."""

    itrf_year: int = 0
    has_gps: bool = True
    has_glonass: bool = True
    has_galileo: bool = True
    is_non_physical: bool = False
    is_single_oscillator: bool = True
    quarter_cycle: int = 0


def position(
    station: int,
    ecef_m: Vector,
    flags: PositionFlags | None = None,
    *,
    antenna_height_m: float | None = None,
) -> bytes:
    """Return 1005, or 1006 when the height of the antenna above its marker is given."""
    flags = flags or PositionFlags()
    x, y, z = (round(metres / STEP_M) for metres in ecef_m)
    out = BitWriter()
    out.unsigned(1005 if antenna_height_m is None else 1006, 12)
    out.unsigned(station, 12)
    out.unsigned(flags.itrf_year, 6)
    for flag in (flags.has_gps, flags.has_glonass, flags.has_galileo, flags.is_non_physical):
        out.unsigned(int(flag), 1)
    out.signed(x, 38)
    out.unsigned(int(flags.is_single_oscillator), 1)
    out.unsigned(0, 1)
    out.signed(y, 38)
    out.unsigned(flags.quarter_cycle, 2)
    out.signed(z, 38)
    if antenna_height_m is not None:
        out.unsigned(round(antenna_height_m / STEP_M), 16)
    return frame(out.payload())


def antenna(station: int, descriptor: str, *, setup: int = 0) -> bytes:
    """Return 1007."""
    out = BitWriter()
    out.unsigned(1007, 12)
    out.unsigned(station, 12)
    _text(out, descriptor)
    out.unsigned(setup, 8)
    return frame(out.payload())


def antenna_and_receiver(
    station: int,
    *,
    antenna: str,
    antenna_serial: str,
    receiver: str,
    firmware: str,
    receiver_serial: str,
    setup: int = 0,
) -> bytes:
    """Return 1033."""
    out = BitWriter()
    out.unsigned(1033, 12)
    out.unsigned(station, 12)
    _text(out, antenna)
    out.unsigned(setup, 8)
    for text in (antenna_serial, receiver, firmware, receiver_serial):
        _text(out, text)
    return frame(out.payload())


def glonass_biases(
    station: int, biases_m: tuple[float | None, ...], *, is_aligned: bool = True
) -> bytes:
    """Return 1230; biases of L1 C/A, L1 P, L2 C/A and L2 P, ``None`` for what is not told."""
    out = BitWriter()
    out.unsigned(1230, 12)
    out.unsigned(station, 12)
    out.unsigned(int(is_aligned), 1)
    out.unsigned(0, 3)
    for bias_m in biases_m:
        out.unsigned(int(bias_m is not None), 1)
    for bias_m in biases_m:
        if bias_m is not None:
            out.signed(round(bias_m / BIAS_STEP_M), 16)
    return frame(out.payload())


def text(station: int, words: str, *, mjd: int, utc_of_day_s: int) -> bytes:
    """Return 1029: text in UTF-8 with its instant."""
    data = words.encode()
    out = BitWriter()
    out.unsigned(1029, 12)
    out.unsigned(station, 12)
    out.unsigned(mjd, 16)
    out.unsigned(utc_of_day_s, 17)
    out.unsigned(len(words), 7)
    out.unsigned(len(data), 8)
    out.octets(data)
    return frame(out.payload())


def _text(out: BitWriter, words: str) -> None:
    data = words.encode("ascii")
    out.unsigned(len(data), 8)
    out.octets(data)
