"""The demo proves what it says: it passes only if all that was sent came out once and right."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from bdgw import app, cli
from bdgw.demo import CorrectionTally, MessageTally, Tally
from bdgw.demo import run as demo_run
from bdgw.demo.scene import SHIP_CARD, SIMULATED, TEXTS, rdss_arguments
from bdgw.publish.durable_outbox import DurableOutbox
from bdgw.publish.outbox import Outgoing
from tests.app.rig import schema
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
        elif step == "cut short":
            tally.cut_short()
        else:
            tally.restored()
    return tally.is_ok


def test_a_rover_that_becomes_fixed_and_falls_back_proves_the_corrections():
    assert watched(ALONE, CORRECTED)
    assert watched(ALONE, CORRECTED, "cut", CORRECTED, ALONE)
    assert watched(ALONE, CORRECTED, "cut", CORRECTED, ALONE, "restored", ALONE, CORRECTED)
    assert watched(ALONE, CORRECTED, "cut", CORRECTED, "cut short")
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


TEXT = "东海浪高三米"


def told(*steps: tuple[str, str], texts: tuple[str, ...] = (TEXT,)) -> bool:
    tally = MessageTally()
    for text in texts:
        tally.sent(text)
    for name, value in steps:
        if name == "received":
            tally.received({"text": value})
        else:
            tally.status({"id": name, "state": value})
    return tally.is_ok


def test_a_text_that_arrived_once_and_is_known_to_have_arrived_proves_short_messages():
    assert told(("a", "queued"), ("received", TEXT), ("a", "on_air"), ("a", "delivered"))
    assert told(
        *(("a", "delivered"), ("received", TEXT), ("b", "delivered"), ("received", "二")),
        texts=(TEXT, "二"),
    )


@pytest.mark.parametrize(
    "steps",
    [
        (),
        (("a", "delivered"),),
        (("received", TEXT),),
        (("a", "accepted_by_terminal"), ("received", TEXT)),
        (("a", "delivered"), ("received", TEXT), ("received", TEXT)),
        (("a", "delivered"), ("received", TEXT[:-1])),
        (("a", "delivered"), ("received", TEXT), ("received", "二")),
        (("a", "delivered"), ("b", "delivered"), ("received", TEXT)),
    ],
)
def test_no_other_end_of_a_short_message_does(steps: tuple[tuple[str, str], ...]):
    assert not told(*steps)


@pytest.mark.parametrize("failing", [None, "fixes", "corrections", "short messages"])
def test_the_demo_passes_if_all_of_it_does(failing: str | None):
    fixes, corrected, messages = Tally(), CorrectionTally("r", "net"), MessageTally()
    if failing != "fixes":
        fixes.add(FIX)
    for fix in (ALONE, CORRECTED):
        if failing != "corrections":
            corrected.add(fix)
    messages.sent(TEXT)
    messages.status({"id": "a", "state": "delivered"})
    if failing != "short messages":
        messages.received({"text": TEXT})
    summary = demo_run.summarise(fixes.summary([ROW]), corrected, messages)
    assert summary["ok"] is (failing is None)
    assert summary["corrections_ok"] is (failing != "corrections")
    assert summary["shortmsg_ok"] is (failing != "short messages")


def parted(lines: list[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Any]]:
    """Fixes, events of short messages, and the summary, of what the demo writes."""
    *shown, summary = [json.loads(line) for line in lines]
    return [one for one in shown if "fix" in one], [one for one in shown if "id" in one], summary


def test_the_demo_ends_by_itself_with_everything_delivered():
    done = subprocess.run(
        [sys.executable, "-m", "bdgw", "demo", "--seconds", "6"],
        capture_output=True,
        env=environment(),
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    fixes, events, summary = parted(done.stdout.splitlines())
    # 10 Hz, 1 Hz and 1 Hz for 6 s: one more than it needs at least.
    assert summary == {
        "fixes_expected": 72,
        "fixes_received": 72,
        "duplicates": 0,
        "lost": 0,
        "wrong_values": 0,
        "not_sent": 0,
        "corrections_ok": True,
        "shortmsg_ok": True,
        "ok": True,
    }
    assert len(fixes) == 72
    (received,) = [one for one in events if "from" in one]
    assert (received["gw"], received["peer"], received["text"]) == ("ship", "demo", TEXTS[0])
    statuses = [one for one in events if "state" in one]
    for kind, ones in (
        ("received", [received]),
        ("status", statuses),
        ("reply", [one for one in events if "result" in one]),
    ):
        assert ones
        for one in ones:
            schema(f"shortmsg_{kind}").validate(one)
    assert {(one["gw"], one["key"], one["to"]) for one in statuses} == {
        ("demo", "mqtt/demo-1", SHIP_CARD)
    }
    states = list(dict.fromkeys(one["state"] for one in statuses))
    assert states == ["accepted", "queued", "on_air", "accepted_by_terminal", "delivered"]
    assert {fix["dev"] for fix in fixes} == {"rover-1", "rover-2", "buoy-7"}
    assert "mosquitto_sub -h 127.0.0.1 -p " in done.stderr


def test_a_lost_fix_and_a_damaged_line_fail_the_demo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The buoy's only fix never reaches the broker, and one receiver's sentences are cut."""

    class Leaking(DurableOutbox):
        def put(self, message: Outgoing, *, now_s: float) -> int | None:
            is_lost = message.topic.endswith("/buoy-7/fix")
            return None if is_lost else super().put(message, now_s=now_s)

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


def test_a_lost_short_message_fails_the_demo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The terminal takes it, the satellite loses it: as far as the sender can see, it went out."""
    monkeypatch.setattr(
        demo_run, "rdss_arguments", lambda folder: [*rdss_arguments(folder), "--loss", "1.0"]
    )
    monkeypatch.setattr(demo_run, "SIMULATED", SIMULATED[2:3])
    monkeypatch.setattr(demo_run, "_LAST_WORD_S", 3.0)
    monkeypatch.setattr(sys, "argv", ["bdgw", "demo", "--seconds", "1"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    _, events, summary = parted(capsys.readouterr().out.splitlines())
    assert [one["state"] for one in events if "state" in one][-1] == "accepted_by_terminal"
    assert not [one for one in events if "from" in one]
    assert summary["fixes_received"] == 1
    assert not summary["lost"]
    assert not summary["shortmsg_ok"]
    assert not summary["ok"]
