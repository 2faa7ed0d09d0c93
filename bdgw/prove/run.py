"""Which drills there are, and the ground that they take place on."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from bdgw.prove import black_hole, disk_full, kill, outage, power_cut, restarts, twin
from bdgw.prove.broker import Embedded, Mosquitto, OwnBroker
from bdgw.prove.ground import Ground, folder_in
from bdgw.prove.report import Outcome
from bdgw.publish.embedded import EmbeddedBroker
from bdgw.publish.mqtt_settings import MqttSettings
from bdgw.publish.nats_config import SYNC_LAG_S
from bdgw.publish.outbox_pace import LanePace

__all__ = ["DRILLS", "Plan", "ground_for", "run_drills"]

Drill = Callable[[Ground], Awaitable[Outcome]]

DRILLS: dict[str, Drill] = {
    "kill": kill.run,
    "broker": outage.run,
    "black-hole": black_hole.run,
    "restarts": restarts.run,
    "twin": twin.run,
    "disk-full": disk_full.run,
    "power-cut": power_cut.run,
}
_GATEWAY = "prove"
_RESTART_CAP_S = 1.0
"""The embedded broker is killed so often that it would be started later and later."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be proved, and where."""

    state_dir: Path
    gateway: str
    settings: MqttSettings | None
    """The configured broker; None: the embedded one."""
    is_quick: bool
    is_mosquitto: bool = False
    """A Mosquitto of our own takes the place of the broker."""
    history_per_s: float = LanePace().history_per_s
    lag_s: float = LanePace().lag_s
    options: dict[str, Any] = field(default_factory=dict)


async def run_drills(
    plan: Plan,
    names: Iterable[str],
    *,
    tell: Callable[[Outcome], None],
    say: Callable[[str], None],
    stop: asyncio.Event | None = None,
    rng: random.Random | None = None,
) -> bool | None:
    """Run drills one after the other; whether every promise was kept.

    ``stop`` ends it in the middle of whatever it does; then nothing is said (None).

    Raises:
        UnavailableError: the disk or the broker is not there.
    """
    rng = rng or random.Random()  # noqa: S311 - drills, no secret
    is_ok = True
    with folder_in(plan.state_dir) as folder:
        for name in names:
            say(f"{name} …\n")
            own = folder / name
            own.mkdir()
            drill = asyncio.create_task(_drill(plan, name, own, rng, say), name=name)
            stopping = asyncio.create_task((stop or asyncio.Event()).wait(), name="stop")
            try:
                await asyncio.wait((drill, stopping), return_when=asyncio.FIRST_COMPLETED)
                if not drill.done():
                    return None
                outcome = drill.result()
            finally:
                for task in (drill, stopping):
                    task.cancel()
                await asyncio.wait((drill, stopping))
            tell(outcome)
            is_ok &= outcome.ok
    return is_ok


async def _drill(
    plan: Plan, name: str, folder: Path, rng: random.Random, say: Callable[[str], None]
) -> Outcome:
    async with ground_for(plan, folder, rng, say) as ground:
        return await DRILLS[name](ground)


@contextlib.asynccontextmanager
async def ground_for(
    plan: Plan, folder: Path, rng: random.Random, say: Callable[[str], None]
) -> AsyncIterator[Ground]:
    """Have the broker there, and say where everything is.

    Raises:
        UnavailableError: there is none.
    """
    gateway = f"{plan.gateway}/{_GATEWAY}"
    client_id = f"bdgw-{plan.gateway}-prove"
    async with contextlib.AsyncExitStack() as stack:
        own: OwnBroker | None = None
        if plan.is_mosquitto:
            own = await stack.enter_async_context(Mosquitto(folder))
        elif plan.settings is None:
            embedded = EmbeddedBroker(folder, restart_cap_s=_RESTART_CAP_S, rng=rng)
            own = Embedded(await stack.enter_async_context(embedded))
        if own is not None:
            version: Literal["3.1.1", "5"] = "5" if plan.is_mosquitto else "3.1.1"
            sync_lag_s = 0.0 if plan.is_mosquitto else SYNC_LAG_S
            settings = MqttSettings(
                url=own.url, client_id=client_id, version=version, sync_lag_s=sync_lag_s
            )
        else:
            assert plan.settings is not None  # noqa: S101 - else there is one of our own
            settings = replace(plan.settings, client_id=client_id, subscriptions=())
        yield Ground(
            folder=folder,
            gateway=gateway,
            settings=settings,
            broker=settings.url if own is None else own.name,
            own_broker=own,
            is_quick=plan.is_quick,
            rng=rng,
            say=say,
            history_per_s=plan.history_per_s,
            lag_s=plan.lag_s,
            options=plan.options,
        )
