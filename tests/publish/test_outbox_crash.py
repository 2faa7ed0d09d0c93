"""Killed with SIGKILL at random points: nothing safe is lost unsaid, little is sent twice."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.publish import outbox_child
from tests.support.gateway_process import environment

SEED = 7
N_KILLS = 12


def one_life(path: Path, life: int, *mode: str, seconds: float | None) -> list[list[str]]:
    """Let it live; what it said."""
    log = path.with_name(f"life {life}")
    command = [sys.executable, outbox_child.__file__, str(path), str(life), *mode]
    with log.open("wb") as out:
        child = subprocess.Popen(command, stdout=out, env=environment())
        if seconds is None:
            assert child.wait(60) == 0
        else:
            while not log.stat().st_size:
                assert child.poll() is None
                time.sleep(0.005)  # a process of its own: nothing else tells
            time.sleep(seconds)  # where it is then is chance: that is the point
            child.kill()
            child.wait()
    lines = log.read_text(encoding="ascii").splitlines(keepends=True)
    return [line.split() for line in lines if line.endswith("\n")]


@pytest.mark.parametrize("room", ["roomy", "tight"])
def test_killed_at_random_points(tmp_path, room: str):
    rng = random.Random(SEED)
    path = tmp_path / "outbox.db"
    safe: set[str] = set()
    told: set[str] = set()
    sent: Counter[str] = Counter()
    for life in range(N_KILLS + 1):
        is_last = life == N_KILLS
        mode = (room, "drain") if is_last else (room,)
        seconds = None if is_last else rng.uniform(0.02, 0.4)
        for word, *more in one_life(path, life, *mode, seconds=seconds):
            if word == "safe":
                safe.add(more[0])
            elif word == "told":
                told.add(more[0])
            elif word == "sent":
                sent[more[0]] += 1
    assert len(safe) > 1000
    assert safe - set(sent) - told == set()
    # Without room much is given up, and all of it is told; with room there is nothing to tell.
    assert (len(safe - set(sent)) > 100) is (room == "tight")
    assert bool(told) is (room == "tight")
    repeated = sum(sent.values()) - len(sent)
    assert repeated <= N_KILLS * outbox_child.WINDOW
