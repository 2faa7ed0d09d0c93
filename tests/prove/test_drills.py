"""The drills pass with the real outbox, and each finds the broken one whose fault it is about."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bdgw.prove.report import Outcome
from bdgw.prove.run import DRILLS, Plan, ground_for
from bdgw.publish.durable_outbox import DurableOutbox
from tests.prove.broken_outbox import BROKEN
from tests.support.gateway_process import environment

SEED = 5
CHILD = str(Path(__file__).with_name("broken_outbox.py"))


async def drilled(
    name: str,
    folder: Path,
    broken: str | None = None,
    *,
    is_mosquitto: bool = False,
    **options: Any,
) -> Outcome:
    """One drill on a ground of its own, as small as it may be."""
    plan = Plan(
        state_dir=folder,
        gateway="test",
        settings=None,
        is_quick=True,
        options=options,
    )
    async with ground_for(plan, folder, random.Random(SEED), lambda _text: None) as ground:
        if broken is not None:
            ground = replace(
                ground, program=(CHILD, broken), outbox_class=BROKEN.get(broken, DurableOutbox)
            )
        return await DRILLS[name](ground)


SMALL: dict[str, dict[str, Any]] = {
    "kill": {"kills": 3, "items": 150},
    "broker": {"restarts": 1},
    "restarts": {"restarts": 2},
}


@pytest.mark.parametrize("name", ["broker", "black-hole", "restarts", "twin", "power-cut"])
async def test_a_drill_with_the_real_outbox(tmp_path, name: str):
    outcome = await drilled(name, tmp_path, **SMALL.get(name, {}))
    assert (outcome.ok, outcome.broken) == (True, [])
    assert outcome.skipped is None
    assert outcome.accepted
    assert outcome.lost == 0


async def test_a_full_disk_without_a_mount(tmp_path):
    outcome = await drilled("disk-full", tmp_path, may_mount=False)
    assert (outcome.ok, outcome.broken) == (True, [])
    assert outcome.notes["disk"] == "RLIMIT_FSIZE"


@pytest.mark.parametrize(
    ("name", "broken", "said"),
    [
        ("kill", "careless", "have not arrived"),
        ("kill", "stuck", "still wait"),
        ("kill", "backward", "came behind a newer one"),
        ("broker", "forgetful", "have not arrived"),
        ("black-hole", "forgetful", "have not arrived"),
        ("restarts", "deaf", "commands have not been heard"),
        ("disk-full", "careless", "have not arrived"),
        ("power-cut", "careless", "not on the disk"),
        ("power-cut", "repeating", "sent again"),
    ],
)
async def test_a_drill_finds_a_broken_outbox(tmp_path, name: str, broken: str, said: str):
    # What is on its way when a broker dies may be nothing: more than once is asked.
    small = SMALL.get(name, {}) if name != "broker" else {"restarts": 5}
    outcome = await drilled(name, tmp_path, broken, late_s=1, **small)
    assert not outcome.ok
    assert any(said in each for each in outcome.broken), outcome.broken


def prove(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bdgw", "prove", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=110,
    )


def test_the_command_prints_an_object_a_drill_and_leaves_nothing_behind(tmp_path):
    drills = ("--drill", "kill", "--drill", "disk-full", "--kills", 3, "--items", 150)
    done = prove("--quick", "--json", "--state-dir", tmp_path, *drills)
    assert done.returncode == 0, done.stdout + done.stderr
    kill, full = (json.loads(line) for line in done.stdout.splitlines())
    assert (kill["drill"], kill["ok"], kill["lost"]) == ("kill", True, 0)
    assert kill["kills"] >= 3
    assert kill["accepted"] >= 450
    assert kill["duplicates"] <= kill["duplicates_allowed"] == kill["kills"] * 100
    assert (full["drill"], full["ok"]) == ("disk-full", True)
    assert list(tmp_path.iterdir()) == []


def test_a_broker_that_is_not_there(tmp_path):
    config = tmp_path / "gateway.toml"
    config.write_text(
        f'[gateway]\nid = "yp-01"\nstate_dir = "{tmp_path}/state"\n'
        '[broker]\nurl = "mqtt://127.0.0.1:9"\n'
    )
    done = prove("-c", config, "--quick", "--json", "--drill", "kill")
    assert (done.returncode, done.stdout) == (69, "")
    assert "the broker is not there" in done.stderr
    assert list((tmp_path / "state").iterdir()) == []


def test_an_unknown_drill_is_named(tmp_path):
    done = prove("--drill", "sink", "--state-dir", tmp_path)
    assert done.returncode == 64
    assert "unknown drill: sink; known: kill, broker" in done.stderr
