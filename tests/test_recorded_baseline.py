"""Two recorded antennas on one vehicle, by the command."""

from __future__ import annotations

import json

import msgspec
import pytest
from typer.testing import CliRunner

from bdgw.cli.command import app
from bdgw.model import FixKind
from bdgw.positioning.baseline import Attitude
from bdgw.positioning.moving_base import BaselineSolution
from bdgw.positioning.solution import Solution
from bdgw.recorded_baseline import BaselineSummary, baseline_line, of_one_instant
from tests.conftest import shared_data
from tests.positioning.scene import BASE_M, T0_NS, Receiver

MAT = ("gnss", "rtk", "matrtklib-static")


def run(*options: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["rtk", *options])
    return result.exit_code, result.stdout, result.output


@pytest.mark.capture
def test_the_command_writes_vectors_and_a_summary(tmp_path) -> None:
    out = tmp_path / "heading.jsonl"
    files = {name: str(shared_data(*MAT, f"{name}.obs.gz")) for name in ("rover", "base")}
    status, stdout, output = run(
        "--rover", files["rover"], "--base", files["base"],
        "--nav", str(shared_data(*MAT, "base.nav")), "--systems", "GC",
        "--moving-base", "--baseline-m", "0.99", "--heading-offset-deg", "-90", "--out", str(out),
    )  # fmt: skip
    assert status == 0, output
    summary = json.loads(stdout.splitlines()[-1])
    assert summary["epochs"] == summary["fixed"] == 301
    # The direction between both given positions is 193.03 degrees.
    assert summary["mean_heading_deg"] == pytest.approx(103.03, abs=0.1)
    assert summary["mean_length_m"] == pytest.approx(0.990, abs=0.003)
    line = json.loads(out.read_text().splitlines()[0])
    assert line["fix"] == "single"
    assert line["acc_h_m"] > 0.3
    assert line["baseline"]["fix"] == "rtk_fixed"
    assert {"enu_m", "cov_enu_m2", "length_m", "acc_length_m", "heading_deg"} < set(
        line["baseline"]
    )
    assert len(line["cov_enu_m2"]) == len(line["baseline"]["cov_enu_m2"]) == 6


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--moving-base"], "--base"),
        (["--moving-base", "--base", "b", "--static"], "--static"),
        (["--moving-base", "--base", "b", "--base-position", "-3817681,3562839,3650159"], "stands"),
        (["--baseline-m", "1.0"], "--moving-base"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path, options, word) -> None:
    status, _, output = run("--rover", "r", "--out", str(tmp_path / "o"), *options)
    assert status == 2
    assert word in output


def test_only_the_nearest_epoch_of_an_instant_is_joined() -> None:
    some = Receiver(1).measure(T0_NS, BASE_M)
    ms = 1_000_000

    def at(*times_ms: int):
        return [msgspec.structs.replace(some, t_gpst_ns=T0_NS + t * ms) for t in times_ms]

    pairs = of_one_instant(at(0, 50, 100, 150, 5000), at(-49, 1, 51, 89, 99, 170))
    found = [None if b is None else (b.t_gpst_ns - T0_NS) // ms for _, b in pairs]
    assert found == [1, 51, 99, None, None]
    assert [b for _, b in of_one_instant(at(0), [])] == [None]


def test_the_mean_of_headings_goes_round() -> None:
    summary = BaselineSummary()
    for heading_deg in (359.0, 1.0, None):
        told = Attitude(
            length_m=1.0,
            acc_length_m=0.01,
            pitch_deg=0.0,
            acc_pitch_deg=1.0,
            heading_deg=heading_deg,
            acc_heading_deg=None if heading_deg is None else 0.5,
        )
        summary.add(
            BaselineSolution(
                t_gpst_ns=T0_NS,
                kind=FixKind.RTK_FIXED,
                rover=Solution(t_gpst_ns=T0_NS),
                attitude=told,
            )
        )
    fields = summary.fields(1.0)
    assert fields["mean_heading_deg"] % 360.0 == pytest.approx(0.0)
    assert fields["std_heading_deg"] == pytest.approx(1.0)


def test_an_epoch_without_a_vector_says_why() -> None:
    line = baseline_line(
        BaselineSolution(
            t_gpst_ns=T0_NS, kind=FixKind.NONE, rover=Solution(t_gpst_ns=T0_NS), why="no base"
        )
    )
    assert line["baseline"] == {"fix": "none", "why": "no base"}
