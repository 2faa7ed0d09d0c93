"""RTKLIB, which knows nothing of us, positions with our streams."""

import math
import os
import shutil
import subprocess
from fractions import Fraction

import pytest

from fwsim.constellation import System
from fwsim.gnss_time import NS_PER_S, gpst_of_utc_ns
from fwsim.observation import Antenna
from fwsim.reference_station import ReferenceStation, StationSpec
from fwsim.scene import Place, offset

NOON_UTC_S = 1_795_348_800
# In this minute BeiDou, Galileo and GLONASS change their ephemerides.
CHANGES_UTC_S = NOON_UTC_S + 29 * 60 + 40
BASE = Place(lat_deg=31.2994, lon_deg=121.5033, alt_hae_m=20.0)
SECONDS = 60
# RTKLIB's numbers of the systems.
SYSTEMS = {"G": 1, "R": 4, "E": 8, "J": 16, "C": 32}
Q_FIXED, Q_SINGLE = 1, 5


@pytest.fixture(autouse=True)
def _programs():
    if shutil.which("convbin") and shutil.which("rnx2rtkp"):
        return
    reason = "RTKLIB (convbin, rnx2rtkp) is not installed"
    if os.environ.get("BDGW_REQUIRE") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def rover_place():
    lat_deg, lon_deg = offset(BASE, east_m=300.0, north_m=400.0)
    return Place(lat_deg=lat_deg, lon_deg=lon_deg, alt_hae_m=35.0)


def convert(folder, name, place, *, start_utc_s=NOON_UTC_S, **settings):
    """Write a minute of a station's stream and let RTKLIB make RINEX of it."""
    spec = StationSpec(place=place, station=7, rate_hz=Fraction(1), **settings)
    unit = ReferenceStation(spec, seed="1", name=name)
    stream = folder / f"{name}.rtcm3"
    start_ns = gpst_of_utc_ns(start_utc_s * NS_PER_S)
    frames = [unit.frames(start_ns + i * NS_PER_S) for i in range(SECONDS)]
    stream.write_bytes(b"".join(b"".join(second) for second in frames))
    made = [folder / f"{name}.obs", folder / f"{name}.nav"]
    format_ = ["-r", "rtcm3", "-v", "3.04"]
    time = ["-tr", "2026/11/22", "12:00:00"]
    subprocess.run(
        ["convbin", *format_, *time, "-od", "-os", "-o", made[0], "-n", made[1], stream],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return made


def solve(folder, mode, systems, files, *, base_m=None):
    """Return position and quality of every epoch."""
    is_single = mode == "single"
    options = folder / f"{mode}.conf"
    options.write_text(
        f"pos1-posmode={mode}\npos1-frequency=l1+l2\npos1-elmask=10\npos1-sateph=brdc\n"
        f"pos1-ionoopt={'brdc' if is_single else 'off'}\n"
        f"pos1-tropopt={'saas' if is_single else 'off'}\n"
        f"pos1-navsys={sum(SYSTEMS[letter] for letter in systems)}\n"
        "pos2-armode=continuous\npos2-gloarmode=on\npos2-bdsarmode=on\nout-solformat=xyz\n"
    )
    base = [] if base_m is None else ["-r", *(f"{metre:.4f}" for metre in base_m)]
    done = subprocess.run(
        ["rnx2rtkp", "-k", options, *base, *files],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    rows = [line.split() for line in done.stdout.splitlines() if line and line[0] != "%"]
    return [(tuple(float(cell) for cell in row[2:5]), int(row[5])) for row in rows]


@pytest.mark.parametrize(
    ("systems", "start_utc_s"),
    [(letters, NOON_UTC_S) for letters in ("G", "R", "E", "C", "GRECJ")]
    + [("RECJ", CHANGES_UTC_S)],
)
def test_single_point_finds_the_site(tmp_path, systems, start_utc_s):
    letters = tuple(System(letter) for letter in systems)
    files = convert(tmp_path, "base", BASE, start_utc_s=start_utc_s, systems=letters, msm=7)
    truth_m = Antenna(BASE).ecef_m
    found = solve(tmp_path, "single", systems, files)
    assert len(found) >= SECONDS - 32
    assert {quality for _, quality in found} == {Q_SINGLE}
    mean_m = [sum(xyz[axis] for xyz, _ in found) / len(found) for axis in range(3)]
    # What is left is noise: orbits, clocks, delays and atmosphere all agree.
    assert math.dist(mean_m, truth_m) < 1.0
    assert max(math.dist(xyz, truth_m) for xyz, _ in found) < 5.0


@pytest.mark.parametrize(
    ("systems", "settings"),
    [
        ("G", {"msm": 4}),
        ("C", {"msm": 7}),
        ("GRECJ", {"msm": 7}),
        ("GR", {"is_legacy": True}),
        ("RECJ", {"msm": 7, "start_utc_s": CHANGES_UTC_S}),
    ],
)
def test_a_rover_is_fixed_from_the_stream_of_a_base(tmp_path, systems, settings):
    letters = tuple(System(letter) for letter in systems)
    place = rover_place()
    base = convert(tmp_path, "base", BASE, systems=letters, **settings)
    rover = convert(tmp_path, "rover", place, systems=letters, **settings)
    base_m, truth_m = Antenna(BASE).ecef_m, Antenna(place).ecef_m
    assert 500.0 < math.dist(base_m, truth_m) < 501.0
    files = [rover[0], base[0], rover[1]]
    found = solve(tmp_path, "kinematic", systems, files, base_m=base_m)
    fixed = [xyz for xyz, quality in found if quality == Q_FIXED]
    assert len(fixed) >= 0.9 * len(found) > 20
    assert max(math.dist(xyz, truth_m) for xyz in fixed) < 0.03
