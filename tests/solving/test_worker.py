"""A process that ends, cannot be started, or talks nonsense; real processes."""

from __future__ import annotations

import asyncio
import random
import sys
import time

import pytest

from bdgw.solving.feed import Feed, Ready
from bdgw.solving.spec import SolveMode, SolverSpec
from bdgw.solving.worker import Worker
from tests.publish.brokers import until
from tests.solving.streams import T0_GPST_NS, station


def ready() -> Ready:
    feed = Feed(SolverSpec(device="r", mode=SolveMode.GATEWAY, has_base=False))
    for frame in station("rover", 8)[0]:
        feed.rover_frame(frame, near_gpst_ns=T0_GPST_NS, now=0.0)
    found = feed.take()
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("/nowhere/at/all",), "cannot be started: No such file or directory"),
        ((sys.executable, "-c", "pass"), "ended over an epoch"),
        ((sys.executable, "-c", "print('nonsense'); input()"), "bytes"),
    ],
)
async def test_it_is_tried_again_and_told_of_once(command: tuple[str, ...], why: str):
    lost: list[tuple[Ready | None, str, bool]] = []
    worker = Worker(
        "solver 0",
        next_job=ready,
        on_outcome=lambda _ready, _outcome: pytest.fail("it has solved nothing"),
        on_lost=lambda *told: lost.append(told),
        monotonic_s=time.monotonic,
        rng=random.Random(1),
        command=command,
    )
    task = asyncio.create_task(worker.run())
    try:
        await until(lambda: len(lost) >= 2 or task.done(), "two ends")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [was_well for _, _, was_well in lost][:2] == [True, False]
    assert worker.n_restarts >= 2
    assert worker.pid is None
    assert all(why in told or "exit status" in told for _, told, _ in lost)


async def test_one_that_ends_while_nothing_is_asked_is_noticed():
    lost: list[str] = []
    worker = Worker(
        "solver 0",
        next_job=lambda: None,
        on_outcome=lambda _ready, _outcome: None,
        on_lost=lambda _ready, why, _was_well: lost.append(why),
        monotonic_s=time.monotonic,
        rng=random.Random(1),
        command=(sys.executable, "-c", "raise SystemExit(3)"),
    )
    task = asyncio.create_task(worker.run())
    try:
        await until(lambda: lost or task.done(), "its end")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert lost[0] == "exit status 3"
