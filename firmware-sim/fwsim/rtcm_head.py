"""What a receiver needs to know of a correction message, and nothing more.

Reads the head of an observation message (station, epoch, satellites) and the position in 1005 and
1006. Source: RTCM 10403.3 tables 3.5-1, 3.5-6, 3.5-9 and section 3.5.13.
"""

from dataclasses import dataclass

from fwsim.constellation import System
from fwsim.gnss_time import DAY_S, NS_PER_S, WEEK_S, bdt_ns, glonass_ns
from fwsim.orbit import Vector
from fwsim.rtcm_frame import BitReader

MSM_SYSTEMS = {
    107: System.GPS,
    108: System.GLONASS,
    109: System.GALILEO,
    111: System.QZSS,
    112: System.BEIDOU,
}
MSM_KINDS = range(1, 8)
# MSM1 to MSM3 have no whole range: good for nothing without a range from elsewhere.
USABLE_MSM_KINDS = range(4, 8)
# Bits of a satellite in 1001 to 1004 and 1009 to 1012, the number first.
LEGACY_BITS = {1001: 58, 1002: 74, 1003: 101, 1004: 125, 1009: 64, 1010: 79, 1011: 107, 1012: 130}
NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StationPosition:
    """The station and where it says it stands, Earth-fixed."""

    station: int
    ecef_m: Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationHead:
    """Whose observations of which satellites, when: the epoch field as it stands."""

    station: int
    system: System
    epoch: int
    satellites: frozenset[int]


def read_head(payload: bytes) -> StationPosition | ObservationHead | None:
    """Read a payload; ``None`` for every message a rover has no use for.

    Raises:
        ValueError: the payload is shorter than its message.
    """
    reader = BitReader(payload)
    number = reader.unsigned(12) if len(payload) > 1 else 0
    if number in {1005, 1006}:
        return _position(reader)
    if number in LEGACY_BITS:
        return _legacy(reader, number)
    system = MSM_SYSTEMS.get(number // 10)
    if system is not None and number % 10 in USABLE_MSM_KINDS:
        return _msm(reader, system)
    return None


def _position(reader: BitReader) -> StationPosition:
    station = reader.unsigned(12)
    reader.unsigned(10)
    x = reader.signed(38)
    reader.unsigned(2)
    y = reader.signed(38)
    reader.unsigned(2)
    z = reader.signed(38)
    return StationPosition(station=station, ecef_m=(x * 1e-4, y * 1e-4, z * 1e-4))


def _msm(reader: BitReader, system: System) -> ObservationHead:
    station, epoch = reader.unsigned(12), reader.unsigned(30)
    reader.unsigned(19)
    mask = reader.unsigned(64)
    satellites = frozenset(64 - bit for bit in range(64) if mask >> bit & 1)
    return ObservationHead(station=station, system=system, epoch=epoch, satellites=satellites)


def _legacy(reader: BitReader, number: int) -> ObservationHead:
    system = System.GPS if number < 1009 else System.GLONASS
    station = reader.unsigned(12)
    epoch = reader.unsigned(30 if system is System.GPS else 27)
    reader.unsigned(1)
    count = reader.unsigned(5)
    reader.unsigned(4)
    satellites = set()
    for _ in range(count):
        satellites.add(reader.unsigned(6))
        reader.unsigned(LEGACY_BITS[number] - 6)
    return ObservationHead(
        station=station, system=system, epoch=epoch, satellites=frozenset(satellites)
    )


def epoch_gpst_ns(head: ObservationHead, near_gpst_ns: int) -> int:
    """Return the epoch in GPST that is nearest to an instant.

    GLONASS tells the time of the day alone here; its day of the week may be unknown (7).
    """
    if head.system is System.GLONASS:
        field_ns = (head.epoch & (1 << 27) - 1) * NS_PER_MS
        own_ns, round_ns = glonass_ns(near_gpst_ns), DAY_S * NS_PER_S
    else:
        field_ns, round_ns = head.epoch * NS_PER_MS, WEEK_S * NS_PER_S
        own_ns = bdt_ns(near_gpst_ns) if head.system is System.BEIDOU else near_gpst_ns
    half_ns = round_ns // 2
    return near_gpst_ns + (field_ns - own_ns + half_ns) % round_ns - half_ns
