"""Drill ``broker``: the broker is taken away under load, and comes back."""

from __future__ import annotations

import asyncio
import time

from bdgw.prove.ground import Ground, Stage, stage
from bdgw.prove.lives import Life
from bdgw.prove.report import Outcome

__all__ = ["run"]

N_RESTARTS, QUICK_RESTARTS = 20, 2
_PER_S, _QUICK_PER_S = 1000.0, 500.0
_BACK_TIMEOUT_S = 90.0


async def run(ground: Ground) -> Outcome:
    """Take it away, and judge."""
    if ground.own_broker is None:
        return Outcome(drill="broker", ok=True, skipped=f"{ground.broker} is not ours to stop")
    n_restarts = ground.options.get("restarts", QUICK_RESTARTS if ground.is_quick else N_RESTARTS)
    recoveries_s: list[float] = []
    async with stage(ground) as on:
        per_s = _QUICK_PER_S if ground.is_quick else _PER_S
        # Restarts one after the other would look like a second client with the same id.
        spec = on.spec(per_s=per_s, history_jitter_s=0.5, backoff_cap_s=2.0, loop_pause_s=1.0)
        life = await on.lives.begin(spec)
        for _ in range(n_restarts):
            await _is_acking(on, life)
            await asyncio.sleep(ground.rng.uniform(0.2, 0.6))
            await ground.own_broker.end()
            await asyncio.sleep(ground.rng.uniform(0.2, 1.0 if ground.is_quick else 4.0))
            await ground.own_broker.begin()
            back_s = time.monotonic()
            on.witness.expect()
            await on.lives.until(
                lambda: on.witness.first_arrival_s is not None,
                "items arrive again",
                _BACK_TIMEOUT_S,
            )
            recoveries_s.append((on.witness.first_arrival_s or back_s) - back_s)
        await on.lives.stop()
        await on.drain()
        return on.outcome(
            "broker",
            # One more for the clean stop, which waits for acknowledgements only for so long.
            n_crashes=life.value("connects") + 1,
            broken=[],
            restarts=n_restarts,
            recovery_s=round(max(recoveries_s), 2),
        )


async def _is_acking(on: Stage, life: Life) -> None:
    n_acked = life.value("acked")
    await on.lives.until(
        lambda: life.value("acked") > n_acked, "the broker takes items", _BACK_TIMEOUT_S
    )
