"""An exchange in virtual time: the real ledger on a disk that can fail, and simulated terminals.

The terminals and their satellites are the simulator's own; bytes go between them and the exchange
every tenth of a second, and whenever the exchange flushes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

from bdgw.hub import MessageChanged, MessageReceived
from bdgw.messaging import MessageExchange, OfficeSpec
from bdgw.messaging.desk import MessageDesk
from bdgw.model import Alarm
from bdgw.publish.command import Command
from bdgw.publish.message_payload import received_payload, status_payload
from bdgw.publish.outbox import Lane, Outgoing
from bdgw.publish.outbox_book import OutboxBook
from bdgw.shortmsg.authority import Permission
from bdgw.shortmsg.courier_rules import CourierRules
from bdgw.shortmsg.key import KeyRing, SealKey
from bdgw.shortmsg.outgoing import Peer
from bdgw.shortmsg.service import ServiceSpec
from bdgw.shortmsg.terminal import TerminalSpec
from bdgw.shortmsg.vocabulary import Family
from fwsim import rdss_card
from fwsim.rdss_network import SimNetwork
from fwsim.rdss_spec import TerminalSpec as SimSpec
from tests.store.disk import Disk, disk
from tests.support.virtual_loop import run_virtual

SHIP, SHORE, HANDSET = 175607, 210001, 300001
UTC0_NS = 1_790_000_000 * 10**9
_STEP_S = 0.1
_EVENTS = {"received": received_payload, "status": status_payload}


class LoopClock:
    """The virtual loop's time, and a calendar that a test may move."""

    def __init__(self, *, behind_s: float = 0.0) -> None:
        self.behind_s = behind_s
        """How long ago the first run began, for a second run that is later."""

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()

    def utc_ns(self) -> int:
        return UTC0_NS + round((self.monotonic_s() + self.behind_s) * 1e9)


class Station:
    """A gateway's room of short messages with one terminal, ``t1``, and what it told."""

    def __init__(
        self,
        folder: Path,
        sky: Sky,
        *,
        name: str = "ship",
        address: int = SHIP,
        peers: tuple[Peer, ...] = (),
        ring: KeyRing | None = None,
        permissions: tuple[Permission, ...] = (),
        is_clock_trusted: bool = True,
    ) -> None:
        self.name = name
        self.sky = sky
        self.outbox = OutboxBook()
        self.told: list[MessageChanged | MessageReceived | Alarm] = []
        self.replies: list[tuple[str, dict[str, Any], bytes | None]] = []
        self.is_connected = True
        self.is_plugged = True
        self.to_terminal = b""
        """All that went to the terminal."""
        self.has_flushed: Callable[[], None] = lambda: None
        self._task: asyncio.Task[None] | None = None
        self.exchange = MessageExchange(
            OfficeSpec(
                service=ServiceSpec(
                    terminals={"t1": Family.BD2},
                    peers=peers,
                    permissions=permissions,
                    rules=CourierRules(receipt_batch_s=5.0),
                ),
                terminals={"t1": TerminalSpec(family=Family.BD2)},
                rings={} if ring is None else {"fleet": ring},
                host=f"host-{name}" if ring is not None else "",
            ),
            gateway=name,
            state_dir=folder,
            clock=sky.clock,
            is_clock_trusted=lambda: is_clock_trusted,
            entropy=random.Random(f"{name}{sky.clock.behind_s}").randbytes,
            flush=lambda _terminal: self.pump(),
            emit=self._publish,
            holder=self.outbox,
            reply=self._reply,
        )
        self.terminal = sky.terminal(name, address)
        sky.stations.append(self)

    # What it is joined to

    def _publish(self, event: MessageChanged | MessageReceived | Alarm) -> None:
        self.told.append(event)
        kind = "status" if isinstance(event, MessageChanged) else "received"
        payload = b"alarm" if isinstance(event, Alarm) else _EVENTS[kind](self.name, event)  # type: ignore[operator]
        self.outbox.put(Outgoing(topic=kind, payload=payload, lane=Lane.MESSAGE), now_s=0.0)

    def _reply(self, topic: str, payload: bytes, *, correlation: bytes | None, schema: str) -> bool:
        if self.is_connected:
            self.replies.append((topic, json.loads(payload), correlation))
        return self.is_connected

    def pump(self) -> None:
        """Let bytes and events go both ways, once."""
        if not self.is_plugged:
            return
        now = self.sky.clock.monotonic_s()
        port = self.port
        port.tick(now=now)
        said = self.terminal.data_to_send()
        if said:
            port.receive(said, now=now)
        self._deliver(now)
        data = port.data_to_send()
        self.to_terminal += data
        if data:
            self.has_flushed()
            self.terminal.receive(data, self.sky.now_s())

    def _deliver(self, now: float) -> None:
        for event in self.port.events():
            self.exchange.take("t1", event, now)

    def plug(self) -> None:
        """A new connection, as the supervisor makes it."""
        self.port = self.exchange.new_session("t1")
        self.is_plugged = True

    def unplug(self) -> None:
        """The connection ends."""
        now = self.sky.clock.monotonic_s()
        self.is_plugged = False
        self.port.receive(b"", now=now)
        self._deliver(now)

    # Its life

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Station]:
        async with self.exchange.opened():
            self.plug()
            self._task = asyncio.create_task(self.exchange.run())
            try:
                yield self
            finally:
                self._task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._task

    def end(self) -> asyncio.Task[None]:
        """The task; it ends only by a mistake."""
        assert self._task is not None
        return self._task

    # What is asked of it

    @property
    def desk(self) -> MessageDesk:
        return self.exchange.desk

    async def send(self, **fields: Any) -> tuple[str, dict[str, Any]]:
        answer = await self.desk.send(json.dumps(fields).encode(), origin="test")
        return answer.verdict.value, answer.value

    async def until(self, condition: Callable[[], Any], what: str, limit_s: float = 1000.0) -> None:
        end_s = self.sky.clock.monotonic_s() + limit_s
        while not condition():
            assert self._task is None or not self._task.done(), self._task
            assert self.sky.clock.monotonic_s() < end_s, f"it has not become so: {what}"
            await asyncio.sleep(_STEP_S)

    async def ready(self) -> None:
        await self.until(lambda: self.exchange.terminals()[0].status.value == "ready", "ready")

    def states(self, message_id: str) -> list[str]:
        told = [
            event.message.state.value
            for event in self.told
            if isinstance(event, MessageChanged) and event.message.id == message_id
        ]
        return list(dict.fromkeys(told))

    def received(self) -> list[MessageReceived]:
        return [event for event in self.told if isinstance(event, MessageReceived)]

    def broker_takes_all(self) -> None:
        """Every publish is acknowledged."""
        for entry in self.outbox.take(1000):
            self.outbox.ack(entry.id)


class Sky:
    """The satellites, and the time."""

    def __init__(self, broken: Disk, clock: LoopClock) -> None:
        self.disk = broken
        self.clock = clock
        self.network = SimNetwork()
        self.stations: list[Station] = []
        self._begun_s = clock.monotonic_s()

    def now_s(self) -> float:
        return self.clock.monotonic_s() - self._begun_s

    def terminal(self, name: str, address: int) -> Any:
        known = self.network.terminals.get(name)
        if known is not None:
            return known
        card = rdss_card.Card(address=address, interval_s=60, level=3)
        return self.network.add(
            SimSpec(name=name, family=rdss_card.Family.BD2, card=card, feedback_s=(2.0, 3.0))
        )

    def on_air(self, sender: int = SHIP) -> int:
        """How many transmissions of a card there really were."""
        return sum(1 for message in self.network.truth if message.sender == sender)

    async def run(self) -> None:
        while True:
            self.network.advance(self.now_s())
            for station in self.stations:
                if station.exchange._office is not None:
                    station.pump()
            await asyncio.sleep(_STEP_S)


def in_virtual_time(
    main: Callable[[Sky], Coroutine[Any, Any, None]], *, behind_s: float = 0.0
) -> None:
    """Run a test under a sky, on a disk that can be made to fail."""

    async def run() -> None:
        sky = Sky(broken, LoopClock(behind_s=behind_s))
        ticking = asyncio.create_task(sky.run())
        try:
            async with asyncio.timeout(50_000.0):
                await main(sky)
        finally:
            ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ticking

    with disk() as broken:
        broken.is_recording = False
        run_virtual(run())


def command(
    verb: str,
    payload: Any,
    *,
    gateway: str = "ship",
    is_retained: bool = False,
    response_topic: str | None = None,
    correlation: bytes | None = None,
) -> tuple[Command, list[bool]]:
    """A command, and a list that tells whether it was acknowledged."""
    acknowledged: list[bool] = []
    made = Command(
        topic=f"bdgw/v1/{gateway}/shortmsg/command/{verb}",
        payload=payload if isinstance(payload, bytes) else json.dumps(payload).encode(),
        is_retained=is_retained,
        response_topic=response_topic,
        correlation=correlation,
        acknowledge=lambda: acknowledged.append(True),
    )
    return made, acknowledged


def ring(seed: int = 1) -> KeyRing:
    return KeyRing([SealKey(7, random.Random(seed).randbytes(16))], sending=7)
