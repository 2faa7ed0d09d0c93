"""Killed with SIGKILL at random points: nothing acknowledged is lost, nothing is sent twice."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from bdgw.shortmsg.ledger import Ledger
from bdgw.shortmsg.ledger_store import StoreError
from bdgw.shortmsg.message import FINAL_STATES, Event, Message, Step
from bdgw.store.direct import DirectStore
from tests.store import crash_child

SEED = 20261122
N_KILLS = 200
N_KILLS_CARELESS = 60
LINES_MAX = 120
EXTRA_S_MAX = 0.004


class Outside:
    """What the world saw of all lives."""

    def __init__(self) -> None:
        self.ids: dict[str, str] = {}
        """By submission key: acknowledged."""
        self.is_out: Counter[tuple[str, str]] = Counter()
        """Units that went to the port and were not refused by the terminal since."""
        self.ended: dict[str, str] = {}
        self.n_twice = 0
        self.n_marked: list[int] = []
        self.lines: Counter[str] = Counter()

    def take(self, line: str) -> None:
        kind, *words = line.split()
        self.lines[kind] += 1
        if kind == "ack":
            key, message_id = words
            assert self.ids.setdefault(key, message_id) == message_id
        elif kind == "air":
            unit = (words[0], words[1])
            self.n_twice += self.is_out[unit]
            self.is_out[unit] += 1
            assert words[0] not in self.ended
        elif kind == "refused":
            self.is_out[(words[0], words[1])] = 0
        elif kind == "end":
            assert self.ended.setdefault(words[0], words[1]) == words[1]


def kill_at_random(path: Path, mode: str, n_kills: int) -> Outside:
    """Let a gateway live and die, again and again, over one file."""
    rng = random.Random(SEED)
    outside = Outside()
    root = Path(__file__).resolve().parents[2]
    child = subprocess.Popen(
        [sys.executable, crash_child.__file__, str(path), mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child:
        for _ in range(n_kills):
            child.stdin.write("go\n")
            child.stdin.flush()
            pid = int(child.stdout.readline().split()[1])
            # Some are killed while they open the file, and some in the middle of their work.
            for _line in range(rng.choice((0, rng.randrange(10), rng.randrange(LINES_MAX)))):
                line = child.stdout.readline()
                assert line != "dead\n", "it ended by itself"
                outside.take(line)
            # Between two lines as well: the disk is at work there.
            until_s = time.perf_counter() + rng.random() * EXTRA_S_MAX
            while time.perf_counter() < until_s:
                pass
            os.kill(pid, signal.SIGKILL)
            n_acks = outside.lines["ack"]
            while (line := child.stdout.readline()) != "dead\n":
                outside.take(line)
            assert outside.lines["ack"] >= n_acks
        child.stdin.close()
    return outside


def events(steps: tuple[Step, ...], event: Event) -> Counter[str]:
    return Counter(str(step.unit) for step in steps if step.event is event)


def check_message(message: Message, steps: tuple[Step, ...], outside: Outside) -> None:
    """What the ledger says of a message is what the world saw."""
    finals = [step.event for step in steps if step.event.value in {*FINAL_STATES}]
    assert len(finals) <= 1
    assert not finals or finals[0].value == message.state.value
    seen = outside.ended.get(message.id)
    assert seen in (None, message.state.value)
    on_air, refused = events(steps, Event.ON_AIR), events(steps, Event.UNIT_REFUSED)
    for unit in message.units:
        name = str(unit.number)
        # Written before the bytes: what went out is known, and never more than that once.
        assert on_air[name] - refused[name] == 1 or not unit.has_gone
        assert not outside.is_out[(message.id, name)] or unit.has_gone
    aired = {
        name for (message_id, name), n in outside.is_out.items() if message_id == message.id and n
    }
    assert aired <= {str(unit.number) for unit in message.units}


def test_killed_at_200_points_nothing_is_lost_or_sent_twice(tmp_path: Path):
    path = tmp_path / "ledger.db"
    outside = kill_at_random(path, "careful", N_KILLS)
    assert outside.n_twice == 0
    # It was busy, and it was caught with units in flight.
    assert outside.lines["ack"] > 10 * N_KILLS
    assert outside.lines["air"] > N_KILLS
    assert outside.lines["end"] > N_KILLS / 4
    assert outside.lines["marked"] > N_KILLS / 4
    with contextlib.closing(DirectStore(str(path))) as store:
        # The restart after the last kill.
        Ledger(store, entropy=os.urandom).recover(at_utc_ns=1_900_000_000 * 10**9)
        for key, message_id in outside.ids.items():
            message = store.message(message_id)
            assert message is not None, f"{key} was acknowledged and is lost"
            assert message.submission == crash_child.submission(key)
        by_message: Counter[str] = Counter(message_id for message_id, _unit in outside.is_out)
        for message_id in by_message | Counter(dict.fromkeys(outside.ended, 1)):
            message = store.message(message_id)
            assert message is not None
            check_message(message, store.steps(message_id), outside)
        marks = store.file._connection.execute(
            "SELECT at_utc_ns, count(*) FROM step WHERE cause = 'restart' GROUP BY at_utc_ns"
        ).fetchall()
    # Of one crash no more than the one in flight of each card.
    assert max(n for _at_utc_ns, n in marks) <= len(crash_child.CARDS)


def test_the_drill_finds_a_gateway_that_sends_before_it_writes(tmp_path: Path):
    outside = kill_at_random(tmp_path / "ledger.db", "careless", N_KILLS_CARELESS)
    assert outside.n_twice > 0


def test_the_dead_hold_no_lock(tmp_path: Path):
    path = tmp_path / "ledger.db"
    kill_at_random(path, "careful", 2)
    with contextlib.closing(DirectStore(str(path))), pytest.raises(StoreError, match="another"):
        DirectStore(str(path))
