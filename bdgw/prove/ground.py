"""Where drills take place: a folder on the user's disk, and the user's broker or our own."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bdgw.errors import UnavailableError
from bdgw.prove.broker import OwnBroker
from bdgw.prove.item import read
from bdgw.prove.life import LifeSpec
from bdgw.prove.lives import DEFAULT_PROGRAM, Life, Lives
from bdgw.prove.proxy import Proxy
from bdgw.prove.report import Outcome, percentile
from bdgw.prove.verdict import Verdict
from bdgw.prove.witness import Witness, retained
from bdgw.publish.durable_outbox import DurableOutbox
from bdgw.publish.mqtt_settings import MqttSettings
from bdgw.publish.outbox_pace import LanePace
from bdgw.publish.topics import fix

__all__ = ["Ground", "Stage", "folder_in", "stage"]

_QUIET_S, _QUICK_QUIET_S = 1.0, 0.4
_DRAIN_TIMEOUT_S = 1800.0
_PATIENCE_S, _QUICK_PATIENCE_S = 60.0, 10.0
"""With nothing delivered for so long it is not going to be."""
_NUMBERS = 1 << 30
_LATE_S, _LATE_LOOK_S = 60.0, 0.5
"""nats-server gives a subscriber again what it had not acknowledged when the server died, after
its ``ack_wait`` of 30 s."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What every drill is given; plain values."""

    folder: Path
    gateway: str
    settings: MqttSettings
    """How the broker is reached; its client id is the drills' own."""
    broker: str
    """What it is, for the report."""
    own_broker: OwnBroker | None
    """Where it is ours to stop."""
    is_quick: bool
    rng: random.Random
    say: Callable[[str], None]
    history_per_s: float = LanePace().history_per_s
    lag_s: float = LanePace().lag_s
    program: Sequence[str] = DEFAULT_PROGRAM
    outbox_class: type[DurableOutbox] = DurableOutbox
    """What is proved where no process of its own is needed."""
    options: dict[str, Any] = field(default_factory=dict)


class Stage:
    """One drill's witness, judge, wire and gateway."""

    def __init__(
        self, ground: Ground, verdict: Verdict, witness: Witness, proxy: Proxy | None, lives: Lives
    ) -> None:
        self.ground = ground
        self.verdict = verdict
        self.witness = witness
        self.proxy = proxy
        self.lives = lives
        self._began_s = time.monotonic()
        self.n_waiting = 0
        """Entries that did not go out although the broker was there."""
        self.n_stale = 0
        """Devices whose retained latest is not the newest fix."""
        self._number = ground.rng.randrange(1, _NUMBERS)

    @property
    def url(self) -> str:
        """Where the gateway finds the broker: through the wire, where there is one."""
        return self.ground.settings.url if self.proxy is None else self.proxy.url

    def spec(self, **changes: Any) -> LifeSpec:  # noqa: ANN401 - fields of a LifeSpec
        """Describe the next life."""
        self._number += 1
        ground, settings = self.ground, self.ground.settings
        fields: dict[str, Any] = {
            "number": self._number,
            "gateway": ground.gateway,
            "file": str(ground.folder / "outbox.db"),
            "url": self.url,
            "client_id": settings.client_id,
            "version": settings.version,
            "username": settings.username,
            "password": settings.password,
            "ca_file": _text(settings.ca_file),
            "cert_file": _text(settings.cert_file),
            "key_file": _text(settings.key_file),
            "window": settings.window,
            "sync_lag_s": settings.sync_lag_s,
            "lag_s": ground.lag_s,
            "history_per_s": ground.history_per_s,
        }
        return LifeSpec(**{**fields, **changes})

    async def drain(self, *, per_s: float = 200.0, **changes: Any) -> None:  # noqa: ANN401 - as above
        """Live once more, with the broker there, until everything has been delivered; stop well."""
        fast = {"history_per_s": 20_000.0, "history_jitter_s": 0.1, **changes}
        life = await self.lives.begin(self.spec(per_s=per_s, n_items=int(per_s / 2), **fast))
        n_items = int(per_s / 2)
        await self._is_empty(life, n_items)
        await self.quiet()
        await self.lives.stop()
        await self.quiet()
        await self.late()
        await self._look_at_latest()

    async def _is_empty(self, life: Life, n_items: int) -> None:
        """Wait for as long as it goes on."""
        patience_s = _QUICK_PATIENCE_S if self.ground.is_quick else _PATIENCE_S
        best, since_s = 1 << 60, time.monotonic()

        def is_over() -> bool:
            nonlocal best, since_s
            depth = int(life.state.get("depth", best))
            if depth < best or life.value("taken") < n_items:
                best, since_s = min(depth, best), time.monotonic()
            is_empty = depth == 0 and life.value("taken") == n_items
            return is_empty or time.monotonic() - since_s > patience_s

        await self.lives.until(is_over, "everything is delivered", _DRAIN_TIMEOUT_S)
        self.n_waiting = life.value("depth")

    async def _look_at_latest(self) -> None:
        """What the broker keeps of each device must be what came last, and of the last life."""
        topic = fix(self.ground.gateway, "+")
        kept = await asyncio.to_thread(retained, self.ground.settings, topic)
        for device, (life, number) in self.verdict.latest.items():
            found = read(kept.get(fix(self.ground.gateway, device), b""))
            is_newest = life == self._number
            if not is_newest or found is None or (found.life, found.number) != (life, number):
                self.n_stale += 1

    async def late(self) -> None:
        """Where something is missing, wait for what a broker sends again when it thinks of it."""
        late_s = self.ground.options.get("late_s", _LATE_S)
        end_s = time.monotonic() + late_s
        while self.verdict.n_lost() and time.monotonic() < end_s:  # noqa: ASYNC110 - of a thread
            await asyncio.sleep(_LATE_LOOK_S)

    async def quiet(self) -> None:
        """Wait until nothing arrives any more."""
        for_s = _QUICK_QUIET_S if self.ground.is_quick else _QUIET_S
        await self.lives.until(
            lambda: self.witness.is_quiet(for_s), "arrivals end", _DRAIN_TIMEOUT_S
        )

    def outcome(self, drill: str, *, n_crashes: int, broken: list[str], **more: Any) -> Outcome:  # noqa: ANN401 - fields of an Outcome
        """Judge what every drill is judged by."""
        verdict, window = self.verdict, self.ground.settings.window
        lost, allowed = verdict.n_lost(), n_crashes * window
        if lost:
            some = ", ".join(map(_place, list(verdict.lost())[:3]))
            broken.append(f"{lost} accepted items have not arrived (life:number {some} …)")
        if verdict.n_duplicates > allowed:
            broken.append(f"{verdict.n_duplicates} duplicates, {allowed} are allowed")
        if verdict.n_out_of_order:
            some = ", ".join(f"{_place(a)} behind {_place(b)}" for a, b in verdict.disorder)
            broken.append(f"{verdict.n_out_of_order} live items came behind a newer one ({some} …)")
        if self.n_waiting:
            broken.append(f"{self.n_waiting} entries still wait although the broker is there")
        if self.n_stale:
            broken.append(f"the retained latest of {self.n_stale} devices is not the newest fix")
        if not verdict.n_accepted:
            broken.append("nothing was accepted: the drill has proved nothing")
        latencies = list(self.witness.latencies_ms)
        lives = self.lives
        fields: dict[str, Any] = {}
        if lives.written_bytes and lives.lived_s > 0 and verdict.n_accepted:
            per_s = lives.written_bytes / lives.lived_s
            fields["written_bytes_per_day"] = round(per_s * 86_400)
            fields["written_bytes_per_item"] = round(lives.written_bytes / verdict.n_accepted, 1)
        if lives.lived_s > 0:
            fields["items_per_s"] = round(verdict.n_accepted / lives.lived_s, 1)
        return Outcome(
            drill=drill,
            ok=not broken,
            broken=broken,
            took_s=round(time.monotonic() - self._began_s, 1),
            broker=self.ground.broker,
            accepted=verdict.n_accepted,
            lost=lost,
            duplicates=verdict.n_duplicates,
            duplicates_allowed=allowed,
            redelivered_by_broker=verdict.n_redelivered,
            out_of_order=verdict.n_out_of_order,
            latency_p50_ms=percentile(latencies, 50),
            latency_p99_ms=percentile(latencies, 99),
            latency_worst_ms=percentile(latencies, 100),
            **{**fields, **more},
        )


@contextlib.asynccontextmanager
async def stage(ground: Ground) -> AsyncIterator[Stage]:
    """Set up a drill; whatever happens, nothing of it is left afterwards.

    Raises:
        UnavailableError: the broker is not there.
    """
    verdict = Verdict()
    async with contextlib.AsyncExitStack() as stack:
        witness = stack.enter_context(Witness(ground.settings, ground.gateway, verdict))
        proxy = None
        # Certificates name the broker, and not this machine.
        if not ground.settings.is_tls:
            wire = Proxy(ground.settings.host, ground.settings.port)
            proxy = await stack.enter_async_context(wire)
        lives = await stack.enter_async_context(Lives(verdict, program=ground.program))
        yield Stage(ground, verdict, witness, proxy, lives)


@contextlib.contextmanager
def folder_in(state_dir: Path) -> Iterator[Path]:
    """Make a folder of our own on the user's disk, and remove it.

    Raises:
        UnavailableError: it cannot be made.
    """
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="prove-", dir=state_dir))
    except OSError as error:
        raise UnavailableError(f"state_dir {state_dir}: {error.strerror}") from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _place(place: tuple[int, int]) -> str:
    return f"{place[0]:x}:{place[1]}"


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
