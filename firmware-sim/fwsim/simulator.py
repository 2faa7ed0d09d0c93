"""Runs devices against the clock: the only place of the simulator where time passes.

Opens the ports, says so, waits for readers if asked to, then steps every device when it is due on
an absolute schedule, so that lateness never adds up.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fwsim.device import Device
from fwsim.ports import Port
from fwsim.scene import NS_PER_S

POLL_S = 0.02
BLOCKED_POLL_S = 0.001
FLUSH_TIMEOUT_S = 1.0
# A reader that has just opened a port may still be throwing away what it finds there.
SETTLE_S = 0.3

Say = Callable[[dict[str, object]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run begins, goes and ends."""

    start_utc_ns: int | None = None
    is_fast: bool = False
    wait_readers_s: float = 0.0
    wait_for_file: Path | None = None
    hold_s: float = 0.0
    stall_s: float = 30.0


@dataclass(frozen=True, slots=True)
class NamedPort:
    """A port and the name of its device."""

    name: str
    port: Port


class Stalled(Exception):  # noqa: N818 - what happened, not an error of the program
    """A lossless device found no reader for too long."""


class Clock:
    """Seconds since the start of the run, by the monotonic clock."""

    def __init__(self, start_mono_s: float) -> None:
        """Anchor zero."""
        self._start_mono_s = start_mono_s

    def now_s(self) -> float:
        """Return the elapsed seconds, negative before the start."""
        return time.monotonic() - self._start_mono_s


async def wait(stop: asyncio.Event, delay_s: float) -> None:
    """Sleep, or return early when stopped."""
    if delay_s <= 0.0:
        await asyncio.sleep(0)
        return
    try:
        async with asyncio.timeout(delay_s):
            await stop.wait()
    except TimeoutError:
        pass


class Simulator:
    """A set of ports, and devices made for a start instant that is known only later."""

    def __init__(
        self,
        ports: Sequence[NamedPort],
        make_devices: Callable[[int], Sequence[Device]],
        options: RunOptions,
        say: Say,
    ) -> None:
        """``make_devices`` gets the UTC start in nanoseconds since 1970."""
        self._ports = ports
        self._make_devices = make_devices
        self._options = options
        self._say = say
        self._devices: Sequence[Device] = ()
        self._hearers: dict[str, Device] = {}
        self._clock: Clock | None = None
        self._elapsed_s = 0.0
        self._late_max_s = 0.0
        self._stalled_since_s: dict[str, float] = {}

    async def run(self, stop: asyncio.Event) -> dict[str, object]:
        """Run to the end or until stopped; return the summary.

        Raises:
            OSError: a port cannot be opened.
            Stalled: a lossless device found no reader.
        """
        try:
            for named in self._ports:
                named.port.open()
            self._say_ready()
            await self._wait_for_file(stop)
            n_heard = await self._wait_for_readers(stop)
            clock, start_utc_ns = self._anchor()
            self._devices = self._make_devices(start_utc_ns)
            self._hearers = {device.name: device for device in self._devices}
            self._clock = clock
            self._say({"event": "started", "start_utc_ns": start_utc_ns, "readers": n_heard})
            await self._loop(clock, stop)
            await self._flush(clock, stop)
            self._elapsed_s = max(0.0, clock.now_s())
        finally:
            for named in self._ports:
                named.port.close()
        return self.summary()

    def summary(self) -> dict[str, object]:
        """Return the counters of all devices and their sums."""
        faults: Counter[str] = Counter()
        sums: Counter[str] = Counter()
        devices: list[dict[str, object]] = []
        for device in self._devices:
            counts = device.counts()
            faults.update(device.faults.applied)
            sums.update(counts)
            applied = dict(device.faults.applied)
            devices.append({"name": device.name, **counts, "faults": applied})
        return {
            "event": "summary",
            **sums,
            "faults": dict(faults),
            "elapsed_s": round(self._elapsed_s, 3),
            "late_max_s": round(self._late_max_s, 4),
            "devices": devices,
        }

    def _say_ready(self) -> None:
        devices = [{"name": named.name, "port": named.port.address} for named in self._ports]
        self._say({"event": "ready", "devices": devices})

    def _anchor(self) -> tuple[Clock, int]:
        """Fix what UTC instant the monotonic clock's zero stands for.

        A start of now is the next whole second, so that all rates begin together on it.
        """
        settle_s = SETTLE_S if self._options.wait_readers_s else 0.0
        mono_s = time.monotonic() + settle_s
        utc_ns = time.time_ns() + round(settle_s * NS_PER_S)
        if self._options.start_utc_ns is not None:
            return Clock(mono_s), self._options.start_utc_ns
        start_ns = -(-utc_ns // NS_PER_S) * NS_PER_S
        return Clock(mono_s + (start_ns - utc_ns) / NS_PER_S), start_ns

    async def _wait_for_file(self, stop: asyncio.Event) -> None:
        path = self._options.wait_for_file
        while path is not None and not stop.is_set() and not path.exists():
            self._tick(time.monotonic())
            await wait(stop, POLL_S)

    async def _wait_for_readers(self, stop: asyncio.Event) -> int:
        """Wait until every port is heard, or the time is over."""
        until_s = time.monotonic() + self._options.wait_readers_s
        while True:
            now_s = time.monotonic()
            self._tick(now_s)
            n_heard = sum(named.port.is_heard() for named in self._ports)
            if n_heard == len(self._ports) or now_s >= until_s or stop.is_set():
                return n_heard
            await wait(stop, POLL_S)

    def _tick(self, now_s: float) -> None:
        """Serve all ports; what came in before the start nobody hears."""
        for named in self._ports:
            data = named.port.tick(now_s)
            device = self._hearers.get(named.name)
            if data and device is not None and self._clock is not None:
                at_s = math.inf if self._options.is_fast else self._clock.now_s()
                device.hear(data, at_s)

    async def _loop(self, clock: Clock, stop: asyncio.Event) -> None:
        next_tick_s = 0.0
        while not stop.is_set():
            mono_s = time.monotonic()
            dues = {device: device.due_s() for device in self._devices}
            left = {device: due_s for device, due_s in dues.items() if due_s is not None}
            if not left:
                return
            for device, due_s in left.items():
                if self._options.is_fast:
                    device.step(math.inf, port_now_s=mono_s)
                elif due_s <= (now_s := clock.now_s()):
                    self._late_max_s = max(self._late_max_s, now_s - due_s)
                    device.step(now_s, port_now_s=mono_s)
                self._check_stall(device, mono_s)
            if mono_s >= next_tick_s:
                self._tick(mono_s)
                next_tick_s = mono_s + POLL_S
            await wait(stop, self._pause_s(clock))

    def _pause_s(self, clock: Clock) -> float:
        if any(device.is_blocked for device in self._devices):
            return BLOCKED_POLL_S
        if self._options.is_fast:
            return 0.0
        dues = [due_s for device in self._devices if (due_s := device.due_s()) is not None]
        return min(POLL_S, min(dues, default=0.0) - clock.now_s())

    def _check_stall(self, device: Device, mono_s: float) -> None:
        if not device.is_blocked:
            self._stalled_since_s.pop(device.name, None)
            return
        since_s = self._stalled_since_s.setdefault(device.name, mono_s)
        if mono_s - since_s > self._options.stall_s:
            msg = f"{device.name}: nobody read {device.port.address} for {self._options.stall_s} s"
            raise Stalled(msg)

    async def _flush(self, clock: Clock, stop: asyncio.Event) -> None:
        """Let readers fetch what a closing port would destroy, and hold the ports if asked to."""
        end_s = clock.now_s()
        n_quiet = 0
        while True:
            self._tick(time.monotonic())
            waited_s = clock.now_s() - end_s
            is_read = not any(named.port.unread_bytes() for named in self._ports)
            # Twice empty: the kernel refills a terminal's input a moment after it was read.
            n_quiet = n_quiet + 1 if is_read else 0
            is_flushed = n_quiet > 1 or waited_s >= FLUSH_TIMEOUT_S
            if is_flushed and (stop.is_set() or waited_s >= self._options.hold_s):
                return
            await asyncio.sleep(POLL_S)
