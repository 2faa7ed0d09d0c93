"""The whole service killed with SIGKILL at its work; ``python -m bench kills`` does it longer."""

from __future__ import annotations

from pathlib import Path

from bench.kill_drill import Drill
from bench.kill_verdict import Verdict

SEED = 20261129
N_KILLS, BUSY_S, EVENING_S = 12, 600.0, 900.0
CARELESS_TRIES = 5


def drilled(folder: Path, seed: int, mode: str) -> Verdict:
    return Drill(folder, seed, N_KILLS, busy_s=BUSY_S, evening_s=EVENING_S, mode=mode).run()


def test_nothing_acknowledged_is_lost_and_only_what_was_in_flight_is_in_doubt(tmp_path: Path):
    found = drilled(tmp_path, SEED, "careful")
    assert found.faults == []
    assert found.n_kills >= N_KILLS // 2
    assert found.n_accepted > 10
    assert found.n_on_air > 10


def test_the_drill_finds_a_gateway_that_sends_before_it_writes(tmp_path: Path):
    seeds = range(SEED, SEED + CARELESS_TRIES)
    assert any(drilled(tmp_path, seed, "careless").faults for seed in seeds)
