"""Drill ``restarts``: broker and gateway start again and again, in any order, at any moment.

What is looked at is what a single crash does not show: that no subscription is lost, that will and
birth tell the truth in the end, and that never two connections are made at once.
"""

from __future__ import annotations

import asyncio
import time

from bdgw.prove.ground import Ground, Stage, stage
from bdgw.prove.life import LifeSpec
from bdgw.prove.report import Outcome
from bdgw.prove.witness import retained
from bdgw.publish import topics

__all__ = ["run"]

N_RESTARTS, QUICK_RESTARTS = 500, 6
_PER_S = 200.0
_TIMEOUT_S = 60.0
_HEARD_S, _QUICK_HEARD_S = 30.0, 5.0
_SETTLE_SHARE = 0.2
"""After so many of them everything must be well again; the others come one on the other."""


async def run(ground: Ground) -> Outcome:
    """Restart, and judge."""
    n = ground.options.get("restarts", QUICK_RESTARTS if ground.is_quick else N_RESTARTS)
    async with stage(ground) as on:
        drill = _Restarts(on)
        await drill.begin()
        for number in range(n):
            await drill.one(number)
            if (number + 1) % 50 == 0:
                ground.say(f"restarts: {number + 1} of {n}\n")
        broken = await drill.end()
        await on.drain()
        if on.proxy is not None and on.proxy.n_overlaps:
            broken.append(f"{on.proxy.n_overlaps} connections beside an open one")
        return on.outcome(
            "restarts",
            n_crashes=n + drill.n_connects,
            broken=broken,
            restarts=n,
            recovery_s=round(max(drill.recoveries_s, default=0.0), 2),
            notes={"of": drill.kinds, "commands": len(drill.pings)},
        )


class _Restarts:
    def __init__(self, on: Stage) -> None:
        self._on = on
        self.kinds = {"gateway killed": 0, "gateway stopped": 0}
        if on.ground.own_broker is not None:
            self.kinds["broker"] = 0
        self.pings: set[str] = set()
        self.recoveries_s: list[float] = []
        self.n_connects = 0

    async def begin(self) -> None:
        """The first life, until its subscription is in force."""
        await self._on.lives.begin(self._spec())
        await self._well()
        # A command that is answered shows that commands arrive.
        self._ping("first")
        await self._heard()

    async def one(self, number: int) -> None:
        """Something ends and begins anew."""
        on, rng = self._on, self._on.ground.rng
        kind = rng.choice(list(self.kinds))
        self.kinds[kind] += 1
        if rng.random() < 0.5:
            self._ping(f"before {number}")
        if kind == "broker":
            assert on.ground.own_broker is not None  # noqa: S101 - else it is not chosen
            await on.ground.own_broker.end()
            await asyncio.sleep(rng.uniform(0.0, 0.3))
            await on.ground.own_broker.begin()
        else:
            await self._end(is_killed=kind == "gateway killed")
            if rng.random() < 0.5:
                self._ping(f"while away {number}")
            await asyncio.sleep(rng.uniform(0.0, 0.3))
            await on.lives.begin(self._spec())
        if rng.random() < _SETTLE_SHARE:
            began_s = time.monotonic()
            await self._well()
            self.recoveries_s.append(time.monotonic() - began_s)
        else:
            await asyncio.sleep(rng.uniform(0.0, 0.3))

    async def end(self) -> list[str]:
        """Everything well again, then each way to go; what is broken."""
        broken = []
        await self._well()
        await self._heard()
        if missing := self.pings - self._on.lives.commands:
            broken.append(f"{len(missing)} of {len(self.pings)} commands have not been heard")
        for is_killed in (True, False):
            if not await self._says("online"):
                broken.append("the gateway is there, and its retained state does not say so")
            await self._end(is_killed=is_killed)
            if not await self._says("offline"):
                way = "killed" if is_killed else "stopped"
                broken.append(f"the gateway was {way}, and its retained state does not say so")
            if is_killed:
                await self._on.lives.begin(self._spec())
                await self._well()
        return broken

    def _spec(self) -> LifeSpec:
        return self._on.spec(
            per_s=_PER_S,
            is_listening=True,
            history_per_s=5000.0,
            history_jitter_s=0.1,
            backoff_floor_s=0.05,
            backoff_cap_s=0.5,
            # Restarts one after the other would look like a second client with the same id.
            loop_pause_s=0.2,
        )

    async def _end(self, *, is_killed: bool) -> None:
        lives = self._on.lives
        await (lives.kill() if is_killed else lives.stop())
        if lives.life is not None:
            self.n_connects += lives.life.value("connects")

    async def _well(self) -> None:
        """Wait until the gateway is connected and what it takes is acknowledged."""
        life = self._on.lives.life
        assert life is not None  # noqa: S101 - begun by contract
        n_acked = life.value("acked")
        await self._on.lives.until(
            lambda: life.is_connected and life.value("acked") > n_acked,
            "all is well again",
            _TIMEOUT_S,
        )

    def _ping(self, text: str) -> None:
        self.pings.add(text)
        self._on.witness.ping(text)

    async def _heard(self) -> None:
        """Wait for commands, no longer than is decent."""
        patience_s = _QUICK_HEARD_S if self._on.ground.is_quick else _HEARD_S
        lives, end_s = self._on.lives, time.monotonic() + patience_s
        await lives.until(
            lambda: self.pings <= lives.commands or time.monotonic() > end_s, "commands"
        )

    async def _says(self, state: str) -> bool:
        """Whether the broker tells that to somebody who comes now, or in a moment."""
        ground = self._on.ground
        topic = topics.connection(ground.gateway)
        end_s = time.monotonic() + _TIMEOUT_S / 4
        while time.monotonic() < end_s:
            kept = await asyncio.to_thread(retained, ground.settings, topic)
            if f'"{state}"'.encode() in kept.get(topic, b""):
                return True
        return False
