"""Binary messages of Unicore's N4 receivers: measurements, ephemerides, the ionosphere.

Carrier phases fall with distance, as receivers in the field send them. Source: Unicore N4 Products
Commands and Logs Reference Book; the numbers of signals as RTKLIB EX has them.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from fwsim.atmosphere import ALPHA, BETA
from fwsim.constellation import System
from fwsim.gnss_time import BDT_FIRST_WEEK, NS_PER_S, WEEK_S, leap_seconds
from fwsim.observation import SatelliteObservation
from fwsim.orbit import Ephemeris, GlonassEphemeris, KeplerEphemeris

OBSVM, GPSEPH, GLOEPH, BDSEPH, GALEPH, QZSSEPH, GPSION = 12, 106, 107, 108, 109, 110, 8
SYSTEM_IDS = {
    System.GPS: 0,
    System.GLONASS: 1,
    System.GALILEO: 3,
    System.BEIDOU: 4,
    System.QZSS: 5,
}
SIGNAL_IDS = {
    System.GPS: {"1C": 0, "2W": 9, "5Q": 14},
    System.GLONASS: {"1C": 0, "2C": 5},
    System.GALILEO: {"1C": 2, "7Q": 17, "5Q": 12},
    System.BEIDOU: {"2I": 0, "7I": 17, "6I": 21, "1P": 8, "5P": 12},
    System.QZSS: {"1C": 0, "2L": 17, "5Q": 14},
}
FIRST_NUMBERS = {System.GLONASS: 38, System.QZSS: 193}
PHASE_LOCK, CODE_LOCK = 1 << 10, 1 << 12
CHANNEL_OFFSET = 7
FINE = 160
POLYNOMIAL = 0xEDB88320


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One measurement as these receivers tell it; the phase falls with distance."""

    status: int
    number: int
    channel: int
    pseudorange_m: float
    adr_cycles: float
    doppler_hz: float
    cn0_dbhz: float
    lock_s: float


def crc32(data: bytes) -> int:
    """Return the checksum, bit by bit: begun with zero, not inverted."""
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
    return value


def frame(message_id: int, gpst_ns: int, payload: bytes) -> bytes:
    """Return a whole message, in GPS time."""
    week, tow_ns = divmod(gpst_ns, WEEK_S * NS_PER_S)
    head = struct.pack(
        "<3sBHHBBHIIBBH",
        b"\xaa\x44\xb5",
        90,
        message_id,
        len(payload),
        0,
        FINE,
        week,
        tow_ns // 1_000_000,
        0,
        0,
        leap_seconds(gpst_ns),
        5,
    )
    return head + payload + crc32(head + payload).to_bytes(4, "little")


def observations(gpst_ns: int, seen: Sequence[SatelliteObservation]) -> bytes:
    """Return OBSVM."""
    rows = [_whole(signal) for satellite in seen for signal in signals(satellite)]
    return frame(OBSVM, gpst_ns, struct.pack("<I", len(rows)) + b"".join(rows))


def ionosphere(gpst_ns: int) -> bytes:
    """Return GPSION."""
    return frame(GPSION, gpst_ns, struct.pack("<8dHHII", *ALPHA, *BETA, 0, 0, 0, 0))


def ephemeris(eph: Ephemeris, gpst_ns: int) -> bytes:
    """Return GPSEPH, QZSSEPH, BDSEPH, GALEPH or GLOEPH."""
    if isinstance(eph, GlonassEphemeris):
        return frame(GLOEPH, gpst_ns, _glonass(eph, gpst_ns))
    if eph.system is System.GALILEO:
        return frame(GALEPH, gpst_ns, _galileo(eph))
    is_beidou = eph.system is System.BEIDOU
    kind = {System.GPS: GPSEPH, System.QZSS: QZSSEPH, System.BEIDOU: BDSEPH}[eph.system]
    week = eph.week + (BDT_FIRST_WEEK if is_beidou else 0)
    number = eph.prn + (192 if eph.system is System.QZSS else 0)
    issue = 1 if is_beidou else eph.issue % 240
    head = struct.pack(
        "<IdIIIIIdd",
        number,
        float(eph.toe_s),
        0,
        issue,
        issue,
        week,
        week,
        float(eph.toe_s),
        eph.sqrt_a**2,
    )
    tail = struct.pack("<Id", issue, float(eph.toe_s))
    tail += struct.pack(f"<{len(eph.delays_s)}d", *eph.delays_s)
    tail += struct.pack("<3dIdd", eph.a0_s, eph.a1, eph.a2, 1, 0.0, 2.0)
    return frame(kind, gpst_ns, head + _orbit(eph) + tail)


def _orbit(eph: KeplerEphemeris) -> bytes:
    return struct.pack("<14d", eph.delta_n, *orbit_terms(eph))


def orbit_terms(eph: KeplerEphemeris) -> tuple[float, ...]:
    """Give the terms behind the mean motion, in the order that all of the maker's messages have."""
    return (
        eph.m0,
        eph.eccentricity,
        eph.omega,
        eph.cuc,
        eph.cus,
        eph.crc,
        eph.crs,
        eph.cic,
        eph.cis,
        eph.i0,
        eph.idot,
        eph.omega0,
        eph.omega_dot,
    )


def _galileo(eph: KeplerEphemeris) -> bytes:
    healthy = (0, 0, 0, 0, 0, 0, 107, 0)
    issue = eph.issue % 1024
    head = struct.pack("<III8BIId", eph.prn, 0, 1, *healthy, issue, eph.toe_s, eph.sqrt_a)
    fnav = struct.pack("<I3d", eph.toe_s, eph.a0_fnav_s, eph.a1, eph.a2)
    inav = struct.pack("<I3d", eph.toe_s, eph.a0_s, eph.a1, eph.a2)
    return head + _orbit(eph) + fnav + inav + struct.pack("<2d", *eph.delays_s)


def _glonass(eph: GlonassEphemeris, gpst_ns: int) -> bytes:
    week, tow_ns = divmod(eph.toe_gpst_ns, WEEK_S * NS_PER_S)
    quarter = eph.tb_glonass_ns // NS_PER_S % 86_400 // 900
    head = struct.pack(
        "<HHBBHIIHHII",
        eph.prn + FIRST_NUMBERS[System.GLONASS] - 1,
        eph.channel + CHANNEL_OFFSET,
        1,
        0,
        week,
        tow_ns // 1_000_000,
        leap_seconds(gpst_ns),
        0,
        0,
        quarter,
        0,
    )
    state = (*eph.position0_m, *eph.velocity0_m_s, *eph.acceleration_m_s2)
    return head + struct.pack("<12d", *state, eph.tau_n_s, 0.0, eph.gamma_n) + bytes(20)


def signals(satellite: SatelliteObservation) -> list[Signal]:
    """Return what a satellite is measured on, with the numbers that go with it."""
    system, known = satellite.system, SIGNAL_IDS[satellite.system]
    return [
        Signal(
            status=SYSTEM_IDS[system] << 16
            | known[one.carrier.code] << 21
            | PHASE_LOCK
            | CODE_LOCK,
            number=satellite.prn + FIRST_NUMBERS.get(system, 1) - 1,
            channel=0 if satellite.channel is None else satellite.channel + CHANNEL_OFFSET,
            pseudorange_m=one.pseudorange_m,
            adr_cycles=-one.phase_cycles,
            doppler_hz=-one.range_rate_m_s / one.carrier.wavelength_m(satellite.channel),
            cn0_dbhz=one.cn0_dbhz,
            lock_s=one.lock_s,
        )
        for one in satellite.measurements
    ]


def _whole(signal: Signal) -> bytes:
    return struct.pack(
        "<HHddHHfHHfI",
        signal.channel,
        signal.number,
        signal.pseudorange_m,
        signal.adr_cycles,
        20,
        20,
        signal.doppler_hz,
        round(signal.cn0_dbhz * 100.0),
        0,
        signal.lock_s,
        signal.status,
    )
