"""Drill ``black-hole``: bytes stop, nobody closes anything, and the socket stays open."""

from __future__ import annotations

import asyncio
import time

from bdgw.prove.ground import Ground, Stage, stage
from bdgw.prove.lives import Life
from bdgw.prove.report import Outcome

__all__ = ["run"]

N_HOLES, QUICK_HOLES = 5, 1
_QUICK_STALL_S = 2.0
_PER_S = 300.0
_GRACE_S = 2.0
"""Beside the time-out that is set: a look a second, and a busy machine."""
_BACK_TIMEOUT_S = 90.0


async def run(ground: Ground) -> Outcome:
    """Swallow bytes, and judge."""
    if ground.settings.is_tls:
        reason = "a wire of ours in front of the broker cannot show its certificate"
        return Outcome(drill="black-hole", ok=True, skipped=reason)
    stall_s = _QUICK_STALL_S if ground.is_quick else ground.settings.stall_timeout_s
    n_holes = QUICK_HOLES if ground.is_quick else N_HOLES
    notices_s, recoveries_s, broken = [], [], []
    async with stage(ground) as on:
        life = await on.lives.begin(
            on.spec(
                per_s=_PER_S,
                stall_timeout_s=stall_s,
                history_jitter_s=0.5,
                backoff_cap_s=5.0,
                loop_pause_s=5.0,
            )
        )
        for number in range(n_holes):
            await on.lives.until(
                lambda: life.is_connected and on.witness.n_arrived > 0,
                "items arrive",
                _BACK_TIMEOUT_S,
            )
            await asyncio.sleep(ground.rng.uniform(0.3, 1.0))
            notices_s.append(await _fall(on, life))
            recoveries_s.append(await _rise(on, life, is_forgotten=number % 2 == 0))
        await on.lives.stop()
        await on.drain()
        if max(notices_s) > stall_s + _GRACE_S:
            broken.append(f"it took {max(notices_s):.1f} s to notice; {stall_s:g} s are promised")
        return on.outcome(
            "black-hole",
            n_crashes=life.value("connects") + 1,
            broken=broken,
            notice_s=round(max(notices_s), 2),
            recovery_s=round(max(recoveries_s), 2),
            notes={"holes": n_holes, "stall_timeout_s": stall_s},
        )


async def _fall(on: Stage, life: Life) -> float:
    """Into the hole: how long until that is noticed."""
    assert on.proxy is not None  # noqa: S101 - without TLS there is one
    on.proxy.dark()
    fallen_s = time.monotonic()
    await on.lives.until(
        lambda: not life.is_connected, "a dead connection is noticed", _BACK_TIMEOUT_S
    )
    return time.monotonic() - fallen_s


async def _rise(on: Stage, life: Life, *, is_forgotten: bool) -> float:
    """Out of it, after a while: how long until items arrive again.

    What was held up passes then, as in a network that is mended; unless the connection is
    forgotten, as a router does that has begun anew.
    """
    assert on.proxy is not None  # noqa: S101 - without TLS there is one
    await asyncio.sleep(on.ground.rng.uniform(0.5, 3.0))
    if is_forgotten:
        await on.proxy.cut()
    on.proxy.light()
    risen_s = time.monotonic()
    n_connects = life.value("connects")
    await on.lives.until(
        lambda: life.is_connected and life.value("connects") > n_connects,
        "the gateway connects again",
        _BACK_TIMEOUT_S,
    )
    return time.monotonic() - risen_s
