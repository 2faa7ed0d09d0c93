"""Drill ``disk-full``: the disk takes nothing any more, and then it does.

Twice: the first time room comes back under the running gateway, the second time it is killed with
the disk full. The broker is away, so that the disk is all there is.
"""

from __future__ import annotations

import asyncio
import signal
import time

from bdgw.prove.ground import Ground, Stage, stage
from bdgw.prove.lives import Life
from bdgw.prove.report import Outcome
from bdgw.prove.small_disk import SmallDisk, small_disk

__all__ = ["run"]

_PER_S = 2000.0
_NOWHERE = "mqtt://127.0.0.1:9"
_FULL_TIMEOUT_S = 120.0
_RECOVERY_S = 1.0
"""What is promised."""


async def run(ground: Ground) -> Outcome:
    """Fill it, and judge."""
    n_rounds = 1 if ground.is_quick else 5
    recoveries_s, broken = [], []
    may_mount = ground.options.get("may_mount", True)
    with small_disk(ground.folder, may_mount=may_mount) as disk:
        async with stage(ground) as on:
            for _ in range(n_rounds):
                recoveries_s.append(await _full_and_free(on, disk))
                await _full_and_killed(on, disk)
                disk.free()
                await on.drain(file=str(disk.folder / "outbox.db"))
            worst_s = max(recoveries_s)
            if worst_s > _RECOVERY_S:
                broken.append(f"{worst_s:.2f} s from space to recovery; {_RECOVERY_S:g} s promised")
            return on.outcome(
                "disk-full",
                n_crashes=n_rounds * 2,
                broken=broken,
                kills=n_rounds,
                recovery_s=round(worst_s, 2),
                notes={"disk": disk.kind, "rounds": n_rounds},
            )


async def _full(on: Stage, disk: SmallDisk) -> Life:
    """Live until the disk takes nothing, and a little longer."""
    disk.fill()
    spec = on.spec(
        per_s=_PER_S,
        url=_NOWHERE,
        file=str(disk.folder / "outbox.db"),
        file_bytes_max=disk.limit_bytes(),
    )
    life = await on.lives.begin(spec)
    await _is_full(on, life)
    return life


async def _is_full(on: Stage, life: Life) -> None:
    await on.lives.until(
        lambda: len(life.times_s("storage")) > len(life.times_s("storage", error=None)),
        "the disk is full",
        _FULL_TIMEOUT_S,
    )
    await asyncio.sleep(on.ground.rng.uniform(0.3, 0.8))


async def _full_and_free(on: Stage, disk: SmallDisk) -> float:
    """How long until everything is on the disk again after room has come back."""
    life = await _full(on, disk)
    freed_s = time.monotonic()
    disk.free()
    if not disk.is_mounted:
        on.lives.signal(signal.SIGUSR1)
    await on.lives.until(
        lambda: bool(life.times_s("storage", error=None)), "the outbox recovers", _FULL_TIMEOUT_S
    )
    n_accepted = on.verdict.n_accepted
    await on.lives.until(
        lambda: on.verdict.n_accepted > n_accepted, "new items are accepted", _FULL_TIMEOUT_S
    )
    await on.lives.stop()
    return max(0.0, life.times_s("storage", error=None)[0] - freed_s)


async def _full_and_killed(on: Stage, disk: SmallDisk) -> None:
    await _full(on, disk)
    await on.lives.kill()
