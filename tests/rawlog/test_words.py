"""Words of navigation messages, against what RTKLIB's ``convbin`` reads of the same bytes.

convbin 2.4.3 decodes LNAV, D1, D2 and GLONASS strings of RXM-SFRBX by itself; it passes I/NAV over
in these files. That is held against its own checksum on air, and against the simulator.
"""

from __future__ import annotations

import math
import os
import shutil
import struct
import subprocess
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.geodesy import Ecef
from bdgw.positioning.engine import EngineOptions
from bdgw.positioning.ephemeris import GlonassOrbit, Orbit
from bdgw.positioning.satellite import satellite_id, satellite_name_of
from bdgw.rawlog.event import IonosphereSeen, OrbitSeen
from bdgw.rawlog.galileo_inav import GalileoReader
from bdgw.rawlog.intake import RawIntake
from bdgw.rawlog.ubx_words import WordReader
from bdgw.recorded import Recording, read_recording, solutions
from bdgw.rinex.navigation import NavigationFile, read_navigation
from bdgw.stream import Decoded, StreamDecoder
from bdgw.ubx import frame as ubx
from fwsim.ubx_message import frame as sealed
from tests.conftest import shared_data
from tests.rawlog.ubx_payloads import sfrbx_payloads
from tests.solving.streams import T0_GPST_NS, raw_rover, truth_m

OBS_NAV = ("gnss", "ubx", "pygpsdata_testobsnavdata.log")
X20P = ("gnss", "gpsd", "ublox-x20p.log")
DIGITS = 6e-12
"""RINEX has twelve."""


def by_rtklib(folder: Path, data: bytes) -> NavigationFile:
    if not shutil.which("convbin"):
        reason = "RTKLIB (convbin) is not installed"
        if os.environ.get("BDGW_REQUIRE") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    raw, obs, nav = folder / "raw.ubx", folder / "raw.obs", folder / "raw.nav"
    raw.write_bytes(data)
    subprocess.run(
        ["convbin", "-r", "ubx", "-v", "3.04", "-od", "-os", "-o", obs, "-n", nav, raw],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return read_navigation(nav.read_text(encoding="ascii").split("\n"))


def sets(orbits: list[Orbit]) -> dict[tuple[int, int], Orbit]:
    return {(orbit.satellite, orbit.toe_gpst_ns): orbit for orbit in orbits}


def assert_alike(ours: Orbit, theirs: Orbit) -> None:
    a, b = msgspec.to_builtins(ours), msgspec.to_builtins(theirs)
    for name in a:
        if name == "accuracy_m":
            continue  # RTKLIB writes the nominal value of the index, not its bound
        if name == "message":
            assert a[name] == b[name] == ""
            continue
        pairs = (
            zip(a[name], b[name], strict=True)
            if isinstance(a[name], list)
            else [(a[name], b[name])]
        )
        for one, other in pairs:
            assert one == pytest.approx(other, rel=DIGITS, abs=1e-30), (ours.satellite, name)


@pytest.mark.capture
def test_words_of_a_zed_f9p_are_read_as_rtklib_reads_them(tmp_path: Path) -> None:
    data = shared_data(*OBS_NAV).read_bytes()
    recording, nav = read_recording(data), by_rtklib(tmp_path, data)
    ours, theirs = sets(recording.orbits), sets(nav.orbits)
    assert len(theirs) == 15
    assert {satellite_name_of(key[0])[0] for key in theirs} == {"G", "R", "C"}
    for key, orbit in theirs.items():
        assert_alike(ours[key], orbit)
        assert isinstance(orbit, GlonassOrbit) == (satellite_name_of(key[0])[0] == "R")
    assert recording.ion_gps is not None
    assert recording.ion_bds is not None
    for model, other in ((recording.ion_gps, nav.ion_gps), (recording.ion_bds, nav.ion_bds)):
        if other is not None:
            assert model.alpha == pytest.approx(other.alpha, rel=1e-3)
            assert model.beta == pytest.approx(other.beta, rel=1e-3)


def test_d1_and_d2_of_the_simulator_are_read_as_rtklib_reads_them(tmp_path: Path) -> None:
    data = b"".join(raw_rover(40))
    ours, theirs = sets(read_recording(data).orbits), sets(by_rtklib(tmp_path, data).orbits)
    names = {satellite_name_of(key[0]) for key in theirs}
    assert {"C01", "C02", "C03", "C04", "C05", "C59", "C60", "C61"} <= names
    assert sum(name[0] == "C" for name in names) > 20
    for key, orbit in theirs.items():
        assert_alike(ours[key], orbit)


def inav_of(payload: bytes) -> tuple[int, int, tuple[int, ...]] | None:
    if payload[0] != 2 or payload[2] not in (1, 5):
        return None
    return payload[1], payload[2], struct.unpack_from(f"<{payload[4]}I", payload, 8)


@pytest.mark.capture
@pytest.mark.parametrize(("path", "n_pages"), [(OBS_NAV, 530), (X20P, 67)])
def test_every_page_of_inav_on_air_has_its_checksum(path: tuple[str, ...], n_pages: int) -> None:
    """The checksum proves where the 196 bits stand in the words."""
    from bdgw.rawlog.galileo_inav import _word_of

    pages = [page for p in sfrbx_payloads(shared_data(*path).read_bytes()) if (page := inav_of(p))]
    assert len(pages) == n_pages
    assert all(_word_of(words) is not None for _, _, words in pages)


@pytest.mark.capture
def test_galileo_by_its_words_stands_where_all_systems_do() -> None:
    recording = read_recording(shared_data(*OBS_NAV).read_bytes())
    of_galileo = [o for o in recording.orbits if satellite_name_of(o.satellite)[0] == "E"]
    assert {satellite_name_of(o.satellite) for o in of_galileo} == {
        "E05",
        "E15",
        "E27",
        "E30",
        "E34",
    }
    by_all, alone = mean_m(recording, "GREC"), mean_m(recording, "E")
    assert math.dist(by_all, alone) < 15.0  # five satellites, no more


def mean_m(recording: Recording, systems: str) -> Ecef:
    found = [
        s.ecef_m for s in solutions(recording, None, [], EngineOptions(systems=systems)) if s.ecef_m
    ]
    assert len(found) == len(recording.epochs)
    x, y, z = (sum(axis) / len(found) for axis in zip(*found, strict=True))
    return x, y, z


def first_signal_only(data: bytes) -> bytes:
    """Leave one carrier of each satellite in RXM-RAWX: L1, G1, E1, B1I."""
    decoder, out = StreamDecoder(protocols=("ubx",)), b""
    decoder.receive(data, now=0.0)
    for item in decoder.events():
        assert isinstance(item, Decoded)
        frame = item.frame.data
        if ubx.kind_of_frame(frame) == ubx.RAWX:
            payload = ubx.payload_of_frame(frame)
            rows = [payload[at : at + 32] for at in range(16, len(payload), 32)]
            kept = [row for row in rows if row[22] == 0]
            frame = sealed(
                2, 0x15, payload[:11] + bytes([len(kept)]) + payload[12:16] + b"".join(kept)
            )
        out += frame
    return out


def test_the_broadcast_ionosphere_serves_single_points_of_one_frequency() -> None:
    recording = read_recording(first_signal_only(b"".join(raw_rover(10, "GE"))))
    assert recording.ion_gps is not None
    with_model = mean_m(recording, "GE")
    recording.ion_gps = None
    without = mean_m(recording, "GE")
    assert math.dist(with_model, truth_m()) < 2.0
    assert math.dist(without, truth_m()) > 3.0


@given(st.binary(max_size=120))
def test_no_payload_raises(payload: bytes) -> None:
    reader = WordReader()
    reader.read(payload, T0_GPST_NS)
    for gnss, signal in ((0, 0), (2, 1), (2, 5), (3, 0), (3, 1), (3, 4), (3, 10), (5, 0), (6, 0)):
        head = bytes((gnss, 3, signal, 8, len(payload) // 4, 0, 2, 0))
        reader.read(head + payload, T0_GPST_NS)


@given(st.integers(0, 195), st.sampled_from(range(5)))
def test_a_page_of_inav_with_a_wrong_bit_is_not_read(bit: int, kind: int) -> None:
    pages = [page for p in sfrbx_payloads(raw_rover(1, "E")[0]) if (page := inav_of(p))]
    number, signal, words = pages[kind]
    satellite, reader = satellite_id(f"E{number:02d}"), GalileoReader()
    assert reader.read(satellite, words, T0_GPST_NS, signal=signal) is not None
    at = bit if bit < 114 else bit - 114 + 128
    broken = list(words)
    broken[at // 32] ^= 1 << 31 - at % 32
    assert reader.read(satellite, broken, T0_GPST_NS, signal=signal) is None


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_pages_of_d2_give_a_set_only_when_all_ten_are_of_one_half_minute(order: list[int]) -> None:
    early = [p for p in sfrbx_payloads(raw_rover(1, "C")[0]) if p[:3] == b"\x03\x01\x01"]
    late = [p for p in sfrbx_payloads(raw_rover(40, "C")[39]) if p[:3] == b"\x03\x01\x01"]
    assert len(early) == len(late) == 10
    reader = WordReader()
    for k, page in enumerate(order):
        found = reader.read((early, late)[k % 2][page], T0_GPST_NS)
        assert found is not None
        assert not found.events or set(order) == set(range(10))
    events = [e for p in early if (b := reader.read(p, T0_GPST_NS)) for e in b.events]
    assert [type(event) for event in events] == [OrbitSeen, IonosphereSeen]


def test_an_intake_that_is_not_dated_keeps_words_until_it_is() -> None:
    (data,) = raw_rover(1)
    intake = RawIntake()
    intake.receive(data, now=0.0)
    assert sum(isinstance(event, OrbitSeen) for event in intake.events()) > 30
