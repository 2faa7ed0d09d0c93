"""Recorded pairs through the engine, against the positions that they came with."""

from __future__ import annotations

import json

import msgspec
import pytest
from typer.testing import CliRunner

from bdgw.cli.command import app
from bdgw.geodesy import ecef_from_geodetic
from bdgw.positioning.engine import EngineOptions
from bdgw.recorded import Recording, Summary, in_step, read_recording, solutions
from tests.conftest import read_capture, shared_data

pytestmark = pytest.mark.capture
MAT = ("gnss", "rtk", "matrtklib-static")
BASE_M = ecef_from_geodetic(35.134707705, 136.977577939, 104.853)
ROVER_M = ecef_from_geodetic(35.13469901, 136.97757549, 104.8626)


def recording(*parts: str, epochs: int | None = None) -> Recording:
    found = read_recording(read_capture(shared_data(*parts)))
    return msgspec.structs.replace(found, epochs=found.epochs[:epochs])


@pytest.mark.parametrize("systems", ["C", "GRECJ"])
def test_a_metre_of_baseline_is_fixed_from_the_first_epoch_on(systems: str) -> None:
    base = recording(*MAT, "base.obs.gz", epochs=40)
    base.places = [(0, BASE_M)]
    summary = Summary(ROVER_M)
    for solution in solutions(
        recording(*MAT, "rover.obs.gz", epochs=40),
        base,
        [recording(*MAT, "base.nav")],
        EngineOptions(systems=systems),
    ):
        summary.add(solution)
    fields = summary.fields(1.0)
    assert fields["fixed"] == fields["epochs"] == 40
    assert fields["wrong_fixed"] == 0
    assert fields["max_error_m"] < 0.010


def test_the_command_writes_lines_and_a_summary(tmp_path) -> None:
    kms3 = ("gnss", "spp", "kms3")
    out = tmp_path / "kms3.jsonl"
    result = CliRunner().invoke(
        app,
        [
            "rtk",
            "--rover",
            str(shared_data(*kms3, "KMS300DNK_R_20221591000_01H_30S_MO.crx")),
            "--nav",
            str(shared_data(*kms3, "KMS300DNK_R_20221591000_01H_MN.rnx.gz")),
            "--reference",
            "3516213.4380,781859.8595,5246037.9660",
            "--out",
            str(out),
        ],
    )
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout.splitlines()[-1])
    assert summary["epochs"] == summary["single"] == 19
    assert summary["fixed"] == summary["wrong_fixed"] == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(lines) == 19
    assert lines[0]["t_fix"] == "2022-06-08T09:59:42.000Z"
    assert {"t_fix", "fix", "ecef_m", "enu_m", "sats_used", "acc_h_m", "acc_v_m"} <= set(lines[0])
    # RTKLIB 2.4.3, same mask and models: 2.1 m at 95 %.
    assert all(abs(v) < 2.1 for line in lines for v in line["enu_m"][:2])


def test_a_base_of_later_is_never_used() -> None:
    rover = recording(*MAT, "rover.obs.gz", epochs=4).epochs
    base = recording(*MAT, "base.obs.gz", epochs=4).epochs
    pairs = list(in_step(rover, [base[1], base[3]]))
    ages = [None if b is None else (r.t_gpst_ns - b.t_gpst_ns) // 10**9 for r, b in pairs]
    assert ages == [None, 0, 1, 0]
