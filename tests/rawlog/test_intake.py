"""UBX and RTCM 3 as they come from a receiver, against what RTKLIB's ``convbin`` reads."""

from __future__ import annotations

import gzip
import itertools
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.positioning.ephemeris import GlonassOrbit, KeplerOrbit
from bdgw.positioning.satellite import satellite_id
from bdgw.rawlog.event import BasePlace, EpochSeen, OrbitSeen
from bdgw.rawlog.intake import RawIntake
from bdgw.rawlog.ubx_measurement import decode_rawx
from tests.conftest import shared_data

JDE = ("gnss", "rtk", "jdesbonnet-20181004-static")
WEEK_S = 604_800
S_NS = 1_000_000_000


def events_of(data: bytes, *cuts: int) -> list[object]:
    intake = RawIntake()
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for begin, end in itertools.pairwise(edges):
        if begin < end:
            intake.receive(data[begin:end], now=0.0)
    intake.receive(b"", now=0.0)
    return list(intake.events())


def ubx(kind: tuple[int, int], payload: bytes) -> bytes:
    body = bytes(kind) + struct.pack("<H", len(payload)) + payload
    a = b = 0
    for byte in body:
        a = (a + byte) & 0xFF
        b = (b + a) & 0xFF
    return b"\xb5\x62" + body + bytes((a, b))


def rawx(*rows: bytes) -> bytes:
    return struct.pack("<dHbBBB2x", 100.0, 2320, 18, len(rows), 1, 1) + b"".join(rows)


ROW = struct.pack("<ddfBBBBHBBBBBx", 2.2e7, 1.15e8, -100.5, 3, 21, 4, 0, 5000, 44, 3, 3, 3, 7)


def test_a_measurement_of_b3i() -> None:
    epoch = decode_rawx(rawx(ROW))
    assert epoch is not None
    assert epoch.t_gpst_ns == (2320 * WEEK_S + 100) * S_NS
    assert epoch.satellite.tolist() == [satellite_id("C21")]
    assert epoch.frequency_hz.tolist() == [1268.52e6]
    assert epoch.phase_cycles.tolist() == [1.15e8]
    assert epoch.doppler_hz.tolist() == [-100.5]
    assert epoch.lock_s.tolist() == [5.0]
    assert not epoch.is_half_cycle.any()


def test_a_phase_that_is_not_valid_is_absent() -> None:
    epoch = decode_rawx(rawx(ROW[:-2] + b"\x01\x00"))
    assert epoch is not None
    assert math.isnan(epoch.phase_cycles[0])
    assert epoch.is_half_cycle.tolist() == [True]


@pytest.mark.capture
def test_a_rover_s_log() -> None:
    data = gzip.decompress(shared_data(*JDE, "rover-20181004-1237.ubx.gz").read_bytes())
    events = events_of(data)
    assert sum(isinstance(event, EpochSeen) for event in events) == 1205
    orbits = [event.orbit for event in events if isinstance(event, OrbitSeen)]
    kepler = next(
        o for o in orbits if isinstance(o, KeplerOrbit) and o.satellite == satellite_id("G01")
    )
    # The same subframes as convbin 2.4.3 writes them.
    assert kepler.cic_rad == pytest.approx(-2.14204192162e-07, rel=1e-11)
    assert kepler.cis_rad == pytest.approx(-1.02445483208e-07, rel=1e-11)
    glonass = next(o for o in orbits if isinstance(o, GlonassOrbit) and o.satellite == 123)
    assert glonass.minus_tau_s == pytest.approx(0.000182268209755, rel=1e-11)
    assert glonass.gamma == pytest.approx(1.81898940355e-12, rel=1e-11)


@pytest.mark.capture
def test_a_base_s_log_with_lost_bytes() -> None:
    data = gzip.decompress(shared_data(*JDE, "base-20181004-1236.ubx.gz").read_bytes())
    events = events_of(data)
    sources = [event.source for event in events if isinstance(event, EpochSeen)]
    assert sources.count("ubx") == 321
    places = {event.ecef_m for event in events if isinstance(event, BasePlace)}
    assert places == {(3774089.2120, -601661.6157, 5089321.2474)}


@given(st.binary(max_size=300), st.lists(st.integers(0, 10**6), max_size=5))
def test_any_bytes_cut_in_any_way_give_the_same(junk: bytes, cuts: list[int]) -> None:
    data = ubx((0x02, 0x15), rawx(ROW)) + junk + ubx((0x02, 0x15), rawx(ROW, ROW))
    whole, pieces = events_of(data), events_of(data, *cuts)
    assert [type(event) for event in whole] == [type(event) for event in pieces]
    assert sum(isinstance(event, EpochSeen) for event in whole) >= 1


@given(st.binary(max_size=120), st.sampled_from([(2, 0x15), (2, 0x13)]))
def test_no_payload_raises(payload: bytes, kind: tuple[int, int]) -> None:
    events_of(ubx((0x02, 0x15), rawx(ROW)) + ubx(kind, payload))
