"""Drill ``kill``: a gateway under load killed with SIGKILL at random points, again and again.

Some lives see the broker, some lose it on the way, some never have it: what was accepted stands
sometimes at the broker, sometimes on the disk only, and now and then the history is being sent.
"""

from __future__ import annotations

import asyncio
from typing import Any

from bdgw.prove.ground import Ground, Stage, stage
from bdgw.prove.report import Outcome

__all__ = ["run"]

N_KILLS, N_ITEMS = 200, 10_000
QUICK_KILLS, QUICK_ITEMS = 6, 400
_PER_S, _QUICK_PER_S = 5_000.0, 1_500.0
_BACKLOG_MAX = 30_000
_NOWHERE = "mqtt://127.0.0.1:9"
"""The port of ``discard``, which nobody serves."""
_LIFE_TIMEOUT_S = 120.0
_CATCH_UP_PER_S = 100.0
_CATCH_UP_TIMEOUT_S = 600.0


async def run(ground: Ground) -> Outcome:
    """Kill, and judge."""
    n_kills = ground.options.get("kills", QUICK_KILLS if ground.is_quick else N_KILLS)
    n_items = ground.options.get("items", QUICK_ITEMS if ground.is_quick else N_ITEMS)
    async with stage(ground) as on:
        drill = _Kills(on, n_items)
        for number in range(n_kills):
            await drill.one(number)
            if (number + 1) % 20 == 0:
                ground.say(f"kill: {number + 1} of {n_kills}\n")
        await on.drain()
        return on.outcome(
            "kill",
            n_crashes=n_kills + drill.n_more,
            broken=[],
            kills=n_kills + drill.n_more,
            recovery_s=round(max(drill.recoveries_s, default=0.0), 2),
            notes={"items_per_kill": n_items, "lives": drill.kinds},
        )


class _Kills:
    def __init__(self, on: Stage, n_items: int) -> None:
        self._on = on
        self._rng = on.ground.rng
        self._n_items = n_items
        self._backlog = 0
        self.n_more = 0
        """Kills in the first moments of a life and at the end of a backlog, in addition."""
        self.kinds = {"with broker": 0, "broker lost": 0, "no broker": 0, "catching up": 0}
        self.recoveries_s: list[float] = []

    async def one(self, number: int) -> None:
        on, rng = self._on, self._rng
        if self._backlog > _BACKLOG_MAX:
            await self._catch_up()
        if rng.random() < 0.1:
            self.n_more += 1
            await on.lives.begin_blindly(self._spec())
            await asyncio.sleep(rng.uniform(0.0, 0.2))
            await on.lives.kill()
        kind = self._kind(number)
        self.kinds[kind] += 1
        spec = self._spec(url=_NOWHERE if kind == "no broker" else on.url)
        on.witness.expect()
        n_before = on.verdict.n_accepted
        life = await on.lives.begin(spec)
        target = int(self._n_items * rng.uniform(1.0, 1.1))
        if kind == "broker lost":
            await self._accepted(n_before + int(target * rng.random()))
            await self._lose_broker()
        await self._accepted(n_before + target)
        # Anywhere in the work on what comes next: in memory, in a commit, in the fsync, in a send.
        await asyncio.sleep(rng.uniform(0.0, 0.06))
        await on.lives.kill()
        self._backlog = life.value("depth")
        if on.proxy is not None:
            on.proxy.is_refusing = False
        if kind == "with broker" and on.witness.first_arrival_s is not None:
            self.recoveries_s.append(on.witness.first_arrival_s - life.born_s)

    async def _catch_up(self) -> None:
        """One life with little to do but the backlog, so that the next one may be of any kind."""
        self.kinds["catching up"] += 1
        self.n_more += 1
        life = await self._on.lives.begin(self._spec(per_s=_CATCH_UP_PER_S))
        await self._on.lives.until(
            lambda: int(life.state.get("depth", self._backlog)) < _BACKLOG_MAX // 10,
            "the backlog goes",
            _CATCH_UP_TIMEOUT_S,
        )
        await self._on.lives.kill()
        self._backlog = life.value("depth")

    def _kind(self, number: int) -> str:
        kinds = ["with broker", "no broker"]
        if self._on.proxy is not None:
            kinds.append("broker lost")
        kinds.append("with broker")
        # Each at least once, also where there are few.
        return kinds[number] if number < len(kinds) else self._rng.choice(kinds)

    def _spec(self, **changes: Any) -> Any:  # noqa: ANN401 - a LifeSpec
        fields = {
            "per_s": _QUICK_PER_S if self._on.ground.is_quick else _PER_S,
            # Otherwise a life of seconds would send no history at all.
            "history_per_s": max(self._on.ground.history_per_s, 5_000.0),
            "history_jitter_s": 0.1,
        }
        return self._on.spec(**{**fields, **changes})

    async def _accepted(self, n: int) -> None:
        verdict = self._on.verdict
        await self._on.lives.until(
            lambda: verdict.n_accepted >= n, "items are accepted", _LIFE_TIMEOUT_S
        )

    async def _lose_broker(self) -> None:
        if self._on.proxy is not None:
            self._on.proxy.is_refusing = True
            await self._on.proxy.cut()
