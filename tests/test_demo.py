"""The demo proves what it says: it passes only if every epoch came out once and right."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from bdgw import app, cli
from bdgw.demo import CorrectionTally, Tally
from bdgw.demo import run as demo_run
from bdgw.demo.scene import SIMULATED
from bdgw.publish.durable_outbox import DurableOutbox
from tests.support.gateway_process import PATIENCE_S, environment

ROW = {
    "name": "r",
    "t_utc": "2026-02-01T08:00:00.000Z",
    "fix": "single",
    "lat_deg": 31.0,
    "lon_deg": 121.0,
    "alt_msl_m": 8.0,
    "alt_hae_m": 18.0,
    "hdop": 0.6,
}
FIX = {
    "dev": "r",
    "t_fix": "2026-02-01T08:00:00.000Z",
    "fix": "single",
    "lat_deg": 31.0,
    "lon_deg": 121.0,
    "alt_msl_m": 8.0,
    "alt_hae_m": 18.0,
    "hdop": 0.6,
}


def judged(*fixes: dict[str, Any], truth: tuple[dict[str, Any], ...] = (ROW,)) -> dict[str, Any]:
    tally = Tally()
    for fix in fixes:
        tally.add(fix)
    return tally.summary(list(truth))


def test_every_epoch_once_and_right_is_ok():
    assert judged(FIX) == {
        "fixes_expected": 1,
        "fixes_received": 1,
        "duplicates": 0,
        "lost": 0,
        "wrong_values": 0,
        "not_sent": 0,
        "ok": True,
    }


@pytest.mark.parametrize(
    ("fixes", "counted"),
    [
        ([], "lost"),
        ([FIX, FIX], "duplicates"),
        ([FIX, {**FIX, "t_fix": "2026-02-01T08:00:01.000Z"}], "not_sent"),
        ([FIX, {**FIX, "dev": "q"}], "not_sent"),
        ([{**FIX, "lat_deg": 31.0000001}], "wrong_values"),
        ([{**FIX, "fix": "dgnss"}], "wrong_values"),
        ([{key: value for key, value in FIX.items() if key != "hdop"}], "wrong_values"),
        ([{**FIX, "speed_m_s": 1.0}], "wrong_values"),
    ],
)
def test_anything_else_is_not(fixes: list[dict[str, Any]], counted: str):
    summary = judged(*fixes)
    assert summary[counted] == 1
    assert not summary["ok"]


def test_nothing_sent_proves_nothing():
    assert not judged(truth=())["ok"]


ALONE = {"dev": "r", "fix": "single"}
CORRECTED = {"dev": "r", "fix": "rtk_fixed", "corr": {"name": "net", "age_s": 0.4}}


def watched(*steps: dict[str, Any] | str) -> bool:
    tally = CorrectionTally("r", "net")
    for step in steps:
        if isinstance(step, dict):
            tally.add(step)
        elif step == "cut":
            tally.cut()
        else:
            tally.restored()
    return tally.is_ok


def test_a_rover_that_becomes_fixed_and_falls_back_proves_the_corrections():
    assert watched(ALONE, CORRECTED)
    assert watched(ALONE, CORRECTED, "cut", CORRECTED, ALONE)
    assert watched(ALONE, CORRECTED, "cut", CORRECTED, ALONE, "restored", ALONE, CORRECTED)
    assert watched(ALONE, CORRECTED, {**ALONE, "dev": "other", "fix": "rtk_float"})


@pytest.mark.parametrize(
    "steps",
    [
        (),
        (ALONE,),
        (CORRECTED,),
        (CORRECTED, ALONE),
        (ALONE, {**CORRECTED, "fix": "rtk_float"}),
        (ALONE, CORRECTED, "cut", CORRECTED),
        (ALONE, CORRECTED, "cut", "restored", ALONE),
        (ALONE, CORRECTED, {**CORRECTED, "corr": {"station": 1}}),
        (ALONE, CORRECTED, {**CORRECTED, "corr": {"name": "other", "age_s": 1.0}}),
    ],
)
def test_anything_else_does_not(steps: tuple[dict[str, Any] | str, ...]):
    assert not watched(*steps)


def test_the_demo_ends_by_itself_with_everything_delivered():
    done = subprocess.run(
        [sys.executable, "-m", "bdgw", "demo", "--seconds", "5"],
        capture_output=True,
        env=environment(),
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *fixes, summary = [json.loads(line) for line in done.stdout.splitlines()]
    # 10 Hz, 1 Hz and 1 Hz for 5 s.
    assert summary == {
        "fixes_expected": 60,
        "fixes_received": 60,
        "duplicates": 0,
        "lost": 0,
        "wrong_values": 0,
        "not_sent": 0,
        "corrections_ok": True,
        "ok": True,
    }
    assert len(fixes) == 60
    assert {fix["dev"] for fix in fixes} == {"rover-1", "rover-2", "buoy-7"}
    assert "mosquitto_sub -h 127.0.0.1 -p " in done.stderr


def test_a_lost_fix_and_a_damaged_line_fail_the_demo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The buoy's only fix never reaches the broker, and one receiver's sentences are cut."""

    class Leaking(DurableOutbox):
        def put(self, *, topic: str, **more: Any) -> int | None:
            return None if topic.endswith("/buoy-7/fix") else super().put(topic=topic, **more)

    fast, *others = SIMULATED
    monkeypatch.setattr(demo_run, "SIMULATED", (f"{fast},fault=cut:p=0.3", *others))
    monkeypatch.setattr(demo_run, "_LAST_FIX_S", 0.5)
    monkeypatch.setattr(app, "DurableOutbox", Leaking)
    monkeypatch.setattr(sys, "argv", ["bdgw", "demo", "--seconds", "1"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["lost"] == 1
    assert summary["wrong_values"] + summary["not_sent"] >= 1
    assert not summary["ok"]
