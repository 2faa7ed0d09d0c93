"""Phase centres: what they add to ranges, and that positions are freed of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.geodesy import enu_from_ecef
from bdgw.model import FixKind
from bdgw.positioning.antenna import AntennaModel, AntennaPair, AntennaTable, Pattern
from bdgw.positioning.engine import EngineOptions, RtkEngine
from bdgw.positioning.geometry import place_of
from bdgw.positioning.satellite import BDS, GALILEO, GPS, band_of
from bdgw.recorded import in_step, read_recording, tell_broadcast
from bdgw.rinex.antex import read_antex
from tests.conftest import read_capture, shared_data
from tests.positioning.scene import BASE_M, ROVER_M, T0_NS, Receiver, orbits
from tests.rinex.antex_text import antenna, header, trimble

S_NS = 1_000_000_000
ROWS = [
    [3.0 * math.sin(math.radians(30.0 * k)) * z / 90.0 + z / 45.0 for z in range(0, 91, 10)]
    for k in range(13)
]


def table(lines: list[str], name: str) -> AntennaTable:
    found = read_antex(header() + lines).find(name)
    assert found is not None
    return AntennaTable(found.model)


def parts_mm(
    one: AntennaTable, system: int, band: int, azimuth_deg: float, elevation_deg: float
) -> tuple[float, float]:
    offset_m, variation_m = one.parts_m(
        np.array([system]),
        np.array([band]),
        np.radians([azimuth_deg]),
        np.radians([elevation_deg]),
    )
    return 1000.0 * float(offset_m[0]), 1000.0 * float(variation_m[0])


def test_offset_and_variation_of_an_antenna_of_the_igs() -> None:
    one = table(trimble(), "TRM59800.00")
    # Towards the zenith the phase centre is nearer to the satellite by its height.
    assert parts_mm(one, GPS, 1, 0.0, 90.0) == pytest.approx((-89.51, 0.0))
    assert parts_mm(one, GPS, 2, 0.0, 90.0) == pytest.approx((-117.13, 0.0))
    # At the horizon only its part across counts: 1.04 mm north, 0.70 mm east.
    assert parts_mm(one, GPS, 1, 0.0, 0.0) == pytest.approx((-1.04, 15.28))
    assert parts_mm(one, GPS, 1, 90.0, 0.0) == pytest.approx((-0.70, 15.28))
    # 30 degrees: zenith angle 60, in the table; 32.5 is half way to 55.
    assert parts_mm(one, GPS, 1, 180.0, 30.0)[0] == pytest.approx(
        1.04 * math.cos(math.radians(30.0)) - 89.51 * 0.5
    )
    assert parts_mm(one, GPS, 1, 180.0, 30.0)[1] == pytest.approx(-6.11)
    assert parts_mm(one, GPS, 1, 180.0, 32.5)[1] == pytest.approx((-6.11 - 7.19) / 2.0)


def test_what_is_not_calibrated_takes_the_nearest_carrier_or_nothing() -> None:
    one = table(trimble(), "TRM59800.00")
    for system, band, of in ((GALILEO, 1, 1), (BDS, 2, 1), (BDS, 6, 2), (BDS, 7, 2), (GPS, 5, 2)):
        assert parts_mm(one, system, band, 10.0, 40.0) == parts_mm(one, GPS, of, 10.0, 40.0)
    assert one.stand_ins["C02"] == "G01"
    assert one.stand_ins["C06"] == "G02"
    assert "G01" not in one.stand_ins
    assert one.has("G01")
    assert one.has("C06")
    alone = table(antenna("L1ONLY", {"G01": ((0.0, 0.0, 50.0), [0.0] * 19)}), "L1ONLY")
    # 315 MHz off: the offset may be another by centimetres.
    assert all(map(math.isnan, parts_mm(alone, BDS, 6, 0.0, 45.0)))
    assert not alone.has("C06")


def test_the_same_carrier_of_another_system_comes_before_a_nearer_name() -> None:
    flat = [0.0] * 19
    carriers = {"E05": ((0.0, 0.0, 55.0), flat), "G02": ((0.0, 0.0, 22.0), flat)}
    one = table(antenna("SOME", carriers), "SOME")
    assert one.stand_ins["C05"] == one.stand_ins["G05"] == "E05"
    assert one.stand_ins["C06"] == "G02"


def test_azimuths_go_round() -> None:
    text = antenna(
        "ROUND", {"G01": ((0.0, 0.0, 0.0), ROWS)}, azimuth_step_deg=30.0, zenith=(0.0, 90.0, 10.0)
    )
    one = table(text, "ROUND")
    for k in range(12):
        for j in range(10):
            found = parts_mm(one, GPS, 1, 30.0 * k, 90.0 - 10.0 * j)[1]
            assert found == pytest.approx(ROWS[k][j], abs=0.006)
    middle = parts_mm(one, GPS, 1, 345.0, 45.0)[1]
    assert middle == pytest.approx(
        (ROWS[11][4] + ROWS[11][5] + ROWS[0][4] + ROWS[0][5]) / 4.0, abs=0.006
    )
    assert parts_mm(one, GPS, 1, -15.0, 45.0)[1] == pytest.approx(middle)


@given(st.floats(-720.0, 720.0), st.floats(-5.0, 90.0))
def test_between_nodes_no_value_leaves_the_table(azimuth_deg, elevation_deg) -> None:
    rows = tuple(tuple(v / 1000.0 for v in row) for row in ROWS[:12])
    model = AntennaModel(
        name="A",
        radome="NONE",
        patterns={"G01": Pattern(offset_enu_m=(0.0, 0.0, 0.0), variation_m=rows)},
    )
    value = parts_mm(AntennaTable(model), GPS, 1, azimuth_deg, elevation_deg)[1]
    flat = [v for row in ROWS for v in row]
    assert min(flat) - 1e-9 <= value <= max(flat) + 1e-9


OFFSET_MM = {"north": -20.0, "east": 10.0, "up": 100.0}
FLAT = antenna(
    "OFFSET",
    {
        "G01": (tuple(OFFSET_MM.values()), [0.0] * 19),
        "G02": (tuple(OFFSET_MM.values()), [0.0] * 19),
    },
)


def engine() -> RtkEngine:
    made = RtkEngine(EngineOptions(systems="GC"))
    for orbit in orbits():
        made.add_orbit(orbit)
    made.set_base(BASE_M)
    return made


@pytest.mark.parametrize("is_rover", [True, False])
def test_an_offset_at_one_end_shifts_the_position_and_the_model_takes_it_off(is_rover) -> None:
    """The scene is measured at the phase centre itself: no formula of an offset is in it."""
    enu_m = np.array([OFFSET_MM["east"], OFFSET_MM["north"], OFFSET_MM["up"]]) / 1000.0
    end = place_of(ROVER_M if is_rover else BASE_M)
    centre = tuple((end.ecef_m + end.to_enu.T @ enu_m).tolist())
    one = table(FLAT, "OFFSET")
    corrected, plain = engine(), engine()
    corrected.set_antennas(AntennaPair(rover=one) if is_rover else AntennaPair(base=one))
    rover, base = Receiver(1), Receiver(2)
    errors: dict[str, list[tuple[float, float, float]]] = {"corrected": [], "plain": []}
    for k in range(12):
        t_ns = T0_NS + k * S_NS
        ours = rover.measure(t_ns, centre if is_rover else ROVER_M)
        theirs = base.measure(t_ns, BASE_M if is_rover else centre)
        for name, solver in (("corrected", corrected), ("plain", plain)):
            solution = solver.solve(ours, theirs)
            assert solution.kind is FixKind.RTK_FIXED, solution.why
            assert solution.ecef_m is not None
            errors[name].append(enu_from_ecef(ROVER_M, solution.ecef_m))
    sign = 1.0 if is_rover else -1.0
    assert np.mean(errors["plain"], axis=0) == pytest.approx(sign * enu_m, abs=0.004)
    assert np.mean(errors["corrected"], axis=0) == pytest.approx(np.zeros(3), abs=0.004)


def test_a_carrier_without_any_pattern_is_left_out() -> None:
    alone = table(antenna("L1ONLY", {"G01": ((0.0, 0.0, 50.0), [0.0] * 19)}), "L1ONLY")
    one = engine()
    one.set_antennas(AntennaPair(rover=alone, base=alone))
    rover, base = Receiver(1), Receiver(2)
    for k in range(12):
        t_ns = T0_NS + k * S_NS
        solution = one.solve(rover.measure(t_ns, ROVER_M), base.measure(t_ns, BASE_M))
        assert solution.ecef_m is not None
        # L1 and B1I of what is seen, and nothing of the others.
        assert solution.n_fixed <= solution.sats_used
        off_m = math.hypot(*enu_from_ecef(ROVER_M, solution.ecef_m))
        assert off_m < (0.05 if solution.kind is FixKind.RTK_FIXED else 3.0)


MAT = ("gnss", "rtk", "matrtklib-static")


@pytest.mark.capture
def test_an_antenna_at_one_end_of_a_recording_shifts_it_as_rtklib_says() -> None:
    """RTKLIB 2.4.3 b34 on the same files and the same values, L1 of GPS and QZSS, 301 epochs.

    Mean of its fixed positions with the rover's antenna less that without any.
    """
    theirs_m = np.array([0.0546, -0.0493, -0.0528])
    rover, base, nav = (
        read_recording(read_capture(shared_data(*MAT, name)))
        for name in ("rover.obs.gz", "base.obs.gz", "base.nav")
    )
    one = table(trimble(), "TRM59800.00")
    steps: dict[str, list[np.ndarray]] = {"rover": [], "base": []}
    plain, rovers, bases = (RtkEngine(EngineOptions(systems="GJ")) for _ in range(3))
    rovers.set_antennas(AntennaPair(rover=one))
    bases.set_antennas(AntennaPair(base=one))
    for solver in (plain, rovers, bases):
        tell_broadcast(solver, (nav, base, rover))
        solver.set_base((-3817681.1213, 3562839.4312, 3650159.1592))
    on_l1 = [
        [epoch.taken(band_of(epoch.signal) == 1) for epoch in recording.epochs[:150]]
        for recording in (rover, base)
    ]
    for ours, theirs in in_step(*on_l1):
        before = plain.solve(ours, theirs)
        for name, solver in (("rover", rovers), ("base", bases)):
            after = solver.solve(ours, theirs)
            if before.kind is after.kind is FixKind.RTK_FIXED:
                steps[name].append(np.array(after.ecef_m) - np.array(before.ecef_m))
    assert len(steps["rover"]) > 30
    assert len(steps["base"]) > 30
    assert np.mean(steps["rover"], axis=0) == pytest.approx(theirs_m, abs=0.002)
    assert np.mean(steps["base"], axis=0) == pytest.approx(-theirs_m, abs=0.002)
