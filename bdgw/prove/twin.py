"""Drill ``twin``: a second client with the gateway's client id, each throwing the other out.

The gateway must notice, raise an alarm, and keep away for a long while so that one of the two can
work; and come back by itself, with nothing lost, when the other one has gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time

from bdgw.prove.ground import Ground, Stage, stage
from bdgw.prove.report import Outcome
from bdgw.prove.witness import client_for, start_of

__all__ = ["run"]

_PER_S = 100.0
_PAUSE_S, _QUICK_PAUSE_S = 20.0, 1.5
_TIMEOUT_S = 60.0
_ALARMS = ("mqtt_taken_over", "mqtt_connection_unstable")
_CONNECTS_MAX = 8


async def run(ground: Ground) -> Outcome:
    """Fight, and judge."""
    if ground.settings.is_tls:
        reason = "a wire of ours in front of the broker cannot show its certificate"
        return Outcome(drill="twin", ok=True, skipped=reason)
    pause_s = _QUICK_PAUSE_S if ground.is_quick else _PAUSE_S
    broken: list[str] = []
    async with stage(ground) as on:
        assert on.proxy is not None  # noqa: S101 - without TLS there is one
        life = await on.lives.begin(
            on.spec(
                per_s=_PER_S,
                history_jitter_s=0.1,
                backoff_floor_s=0.1,
                backoff_cap_s=0.5,
                loop_pause_s=pause_s,
            )
        )
        await on.lives.until(lambda: life.value("acked") > 0, "items arrive", _TIMEOUT_S)
        began_s, is_gone = time.monotonic(), threading.Event()
        fighting = asyncio.create_task(asyncio.to_thread(_fight, on, is_gone), name="twin")
        try:
            await on.lives.until(
                lambda: any(each["event"] == "alarm" for each in life.events),
                "an alarm is raised",
                _TIMEOUT_S,
            )
        finally:
            is_gone.set()
            await fighting
        alarm = next(each for each in life.events if each["event"] == "alarm")
        n_connects = sum(at_s <= alarm["at_s"] for at_s in on.proxy.connect_times_s)
        if alarm["kind"] not in _ALARMS:
            broken.append(f"the alarm is {alarm['kind']}")
        if n_connects > _CONNECTS_MAX:
            broken.append(f"{n_connects} connects before it stopped")
        await on.lives.until(lambda: life.is_connected, "the gateway comes back", 3 * _TIMEOUT_S)
        later_s = [at_s for at_s in on.proxy.connect_times_s if at_s > alarm["at_s"]]
        if min(later_s) - alarm["at_s"] < pause_s:
            broken.append(f"it came back after {min(later_s) - alarm['at_s']:.1f} s already")
        await on.lives.stop()
        await on.drain()
        return on.outcome(
            "twin",
            n_crashes=life.value("connects") + 1,
            broken=broken,
            notice_s=round(alarm["at_s"] - began_s, 2),
            recovery_s=round(min(later_s) - alarm["at_s"], 2),
            notes={"alarm": alarm["kind"], "connects": n_connects, "pause_s": pause_s},
        )


def _fight(on: Stage, is_gone: threading.Event) -> None:
    """Connect with the gateway's id, as often as thrown out."""
    settings = on.ground.settings
    client = client_for(settings, settings.client_id, is_clean=True)
    while not is_gone.wait(0.1):
        with contextlib.suppress(OSError):
            client.connect(settings.host, settings.port, 30, **start_of(settings))
            while not is_gone.is_set() and client.loop(0.05) == 0:
                pass
    client.disconnect()
