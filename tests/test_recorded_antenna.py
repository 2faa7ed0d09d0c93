"""Antennas of recorded data: who they are, what is not known of them, and the mark below."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from bdgw.cli.command import app
from bdgw.geodesy import enu_from_ecef
from bdgw.positioning.mark import at_mark
from bdgw.positioning.solution import Solution
from bdgw.recorded import Recording, read_recording
from bdgw.recorded_antenna import antennas_of
from bdgw.rinex.antex import Antex, read_antex
from tests.conftest import read_capture, shared_data
from tests.positioning.scene import BASE_M, ROVER_M, T0_NS, Receiver
from tests.rinex.antex_text import TRM59800_G01_MM, antenna, header, line, trimble

MAT = ("gnss", "rtk", "matrtklib-static")


@pytest.fixture
def atx() -> Antex:
    return read_antex(header() + trimble() + antenna("L1ONLY", {"G01": TRM59800_G01_MM}))


def ends(rover: str | None, base: str | None) -> tuple[Recording, Recording]:
    return (
        Recording(epochs=[Receiver(1).measure(T0_NS, ROVER_M)], antenna=rover),
        Recording(epochs=[Receiver(2).measure(T0_NS, BASE_M)], antenna=base),
    )


def test_names_of_files_are_used_and_names_that_are_told_come_first(atx: Antex) -> None:
    rover, base = ends("TRM59800.00     NONE", "L1ONLY")
    found = antennas_of(atx, rover, base, systems="G", base_name="trm59800.00")
    assert found.pair.rover is not None
    assert found.pair.base is not None
    assert found.pair.base.model.name == "TRM59800.00"
    # L5 was not calibrated with it: that is said, and not more.
    assert found.remarks == (
        "rover: TRM59800.00 NONE: not calibrated, values of the nearest carrier: G05 of G02",
        "base: trm59800.00: not calibrated, values of the nearest carrier: G05 of G02",
    )


def test_a_null_antenna_of_the_base_needs_nothing(atx: Antex) -> None:
    rover, base = ends("TRM59800.00     NONE", "ADVNULLANTENNA  NONE")
    found = antennas_of(atx, rover, base, systems="G")
    assert found.pair.base is None
    assert not [warning for warning in found.remarks if warning.startswith("base")]


@pytest.mark.parametrize("name", [None, "Unknown", "LEIAR25.R3      LEIT"])
def test_with_a_base_that_is_not_known_neither_end_is_corrected(
    atx: Antex, name: str | None
) -> None:
    rover, base = ends("TRM59800.00     NONE", name)
    found = antennas_of(atx, rover, base, systems="GC")
    assert found.pair.rover is None
    assert found.pair.base is None
    (remark,) = found.remarks
    assert remark.startswith("base: ")
    assert remark.endswith("neither end is corrected")


@pytest.mark.parametrize("name", [None, "Unknown", "LEIAR25.R3      LEIT"])
def test_with_a_rover_that_is_not_known_the_base_is_corrected(atx: Antex, name: str | None) -> None:
    rover, base = ends(name, "TRM59800.00     NONE")
    found = antennas_of(atx, rover, base, systems="G")
    assert found.pair.rover is None
    assert found.pair.base is not None
    assert found.remarks[0].startswith("rover: ")
    assert "phase centre" in found.remarks[0]


def test_carriers_that_nothing_is_known_of_are_told_of(atx: Antex) -> None:
    rover, base = ends("L1ONLY", "ADVNULLANTENNA")
    found = antennas_of(atx, rover, base, systems="GC")
    assert found.remarks == (
        "rover: L1ONLY: not calibrated, values of the nearest carrier: C02 of G01",
        "rover: L1ONLY: not calibrated, and not used: C05, C06, G02, G05",
    )


def test_the_mark_is_below_the_antenna() -> None:
    solution = Solution(t_gpst_ns=T0_NS, ecef_m=ROVER_M)
    mark = at_mark(solution, (1.8, 0.1, -0.2))
    assert mark.ecef_m is not None
    assert enu_from_ecef(ROVER_M, mark.ecef_m) == pytest.approx((-0.1, 0.2, -1.8), abs=1e-6)
    assert at_mark(solution, (0.0, 0.0, 0.0)) is solution
    nowhere = Solution(t_gpst_ns=T0_NS)
    assert at_mark(nowhere, (1.8, 0.0, 0.0)) is nowhere


def test_a_rinex_header_says_antenna_and_height() -> None:
    text = "\n".join(
        [
            line(f"{3.04:9.2f}{'':11}OBSERVATION DATA    M", "RINEX VERSION / TYPE"),
            line(f"{'4711':<20}{'TRM59800.00     SCIS':<20}", "ANT # / TYPE"),
            line(f"{1.5:14.4f}{0.01:14.4f}{-0.02:14.4f}", "ANTENNA: DELTA H/E/N"),
            line("", "END OF HEADER"),
        ]
    )
    found = read_recording(text.encode())
    assert (found.antenna, found.antenna_serial) == ("TRM59800.00     SCIS", "4711")
    assert found.antenna_hen_m == (1.5, 0.01, -0.02)


@pytest.mark.capture
@pytest.mark.parametrize(
    ("name", "antenna_of", "serial"),
    [
        # As pyrtcm 1.2.1 reads 1007, 1008 and 1033 of these files.
        ("sept.rtcm", "LEIAR25.R3      LEIT", "09310018"),
        ("geo++_SEP1.rtcm", "ADVNULLANTENNA", None),
        ("mixed-msm-legacy.rtcm", "JAVRINGANT_DM   SCIS", "00740"),
    ],
)
def test_a_stream_says_its_antenna(name: str, antenna_of: str, serial: str | None) -> None:
    data = read_capture(shared_data("gnss", "rtcm3", name))
    found = read_recording(data, 1_403_000_000_000_000_000)
    assert (found.antenna, found.antenna_serial) == (antenna_of, serial)


def rtk(tmp_path, *options: str) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
    out = tmp_path / "out.jsonl"
    files = {name: str(shared_data(*MAT, f"{name}.obs.gz")) for name in ("rover", "base")}
    result = CliRunner().invoke(
        app,
        [
            "rtk", "--rover", files["rover"], "--base", files["base"], "--systems", "GC",
            "--nav", str(shared_data(*MAT, "base.nav")), "--out", str(out),
            "--base-position", "-3817681.1213,3562839.4312,3650159.1592",
            "--reference", "-3817681.3807,3562839.9785,3650158.3759", *options,
        ],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    lines = [json.loads(one) for one in out.read_text().splitlines()]
    return json.loads(result.stdout.splitlines()[-1]), lines, result.stderr


@pytest.mark.capture
def test_the_command_corrects_antennas_and_says_what_it_could_not(tmp_path) -> None:
    file = tmp_path / "some.atx"
    file.write_text("\n".join(header() + trimble()) + "\n")
    plain, _, _ = rtk(tmp_path)
    both, _, _ = rtk(
        tmp_path, "--antex", str(file),
        "--rover-antenna", "TRM59800.00", "--base-antenna", "TRM59800.00 NONE",
    )  # fmt: skip
    # The same antenna at both ends of a metre: nothing changes.
    assert both["mean_enu_m"] == pytest.approx(plain["mean_enu_m"], abs=0.0003)
    assert "position_of" not in plain
    assert both["position_of"] == "reference_point"
    one, lines, stderr = rtk(
        tmp_path, "--antex", str(file), "--rover-antenna", "TRM59800.00", "--residuals",
        "--base-antenna", "ADVNULLANTENNA", "--rover-height-m", "2.0",
    )  # fmt: skip
    assert one["position_of"] == "mark"
    # RTKLIB 2.4.3 b34: 103 mm lower with L1 and L2, and 2 m to the mark.
    assert one["mean_enu_m"][2] - plain["mean_enu_m"][2] == pytest.approx(-2.1, abs=0.006)
    assert one["warnings"] == stderr.splitlines()
    unknown, _, stderr = rtk(tmp_path, "--antex", str(file), "--rover-antenna", "TRM59800.00")
    assert unknown["mean_enu_m"] == plain["mean_enu_m"]
    assert "position_of" not in unknown
    assert "base: 'Unknown' is not in the file of antennas" in stderr
    residuals = lines[0]["residuals"]
    assert len({one["sat"] for one in residuals if one["phase_used"]}) == lines[0]["sats_used"]
    assert all(abs(one["phase_m"]) < 0.03 for one in residuals if one["phase_used"])


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--rover-antenna", "X"], "--antex"),
        (["--antex", "X"], "--base"),
        (["--moving-base", "--base", "b", "--rover-height-m", "1"], "stands"),
    ],
)
@pytest.mark.capture
def test_what_does_not_go_together_is_refused(tmp_path, options, word) -> None:
    rover = str(shared_data("gnss", "spp", "kms3", "KMS300DNK_R_20221591000_01H_30S_MO.crx"))
    result = CliRunner().invoke(
        app, ["rtk", "--rover", rover, "--out", str(tmp_path / "o"), *options]
    )
    assert result.exit_code == 2
    assert word in result.output
