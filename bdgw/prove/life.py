"""A gateway that is killed: the real outbox and the real publisher, under load, in a process.

Run as a program, it forks a life for every ``LifeSpec`` on stdin, so that one begins at once; what
a life says goes to stdout, a JSON line an event. The next line buries it, and ``dead`` follows:
before that its process id is nobody else's. What a life calls ``safe`` it stands for.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import random
import resource
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec

from bdgw.log import set_up_logging
from bdgw.model import Alarm, ConnectionState
from bdgw.prove import item
from bdgw.publish import payload, topics
from bdgw.publish.command import Command
from bdgw.publish.durable_outbox import DurableOutbox
from bdgw.publish.mqtt import MqttPublisher
from bdgw.publish.mqtt_settings import MqttSettings, Presence, Subscription
from bdgw.publish.outbox_pace import Bounds, LanePace
from bdgw.publish.sink import PublishingSink, outgoing_alarm, outgoing_fix
from bdgw.store.outbox_file import open_outbox

__all__ = ["LifeSpec", "main", "outbox_item"]

_TICK_S = 0.01
_TELL_S = 0.1
_BURST_S = 0.05
"""What a late turn of the loop may make up for."""
_WAITING_MAX = 500
"""With so many live entries waiting, and a broker that is there, the load holds back."""
_PR_SET_PDEATHSIG = 1


class LifeSpec(msgspec.Struct, kw_only=True, frozen=True):
    """All that a life must be told."""

    number: int
    gateway: str
    """The topics' gateway: everything is below ``bdgw/v1/<gateway>``."""
    file: str
    url: str
    client_id: str
    version: Literal["3.1.1", "5"] = "3.1.1"
    username: str | None = None
    password: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    is_listening: bool = False
    """Whether it subscribes to ``command/ping``."""
    per_s: float = 0.0
    n_items: int | None = None
    """It takes no more than so many."""
    n_devices: int = 50
    window: int = 100
    lag_s: float = LanePace().lag_s
    history_per_s: float = LanePace().history_per_s
    history_jitter_s: float = 5.0
    sync_lag_s: float = 0.0
    stall_timeout_s: float = 20.0
    backoff_floor_s: float = 0.5
    backoff_cap_s: float = 30.0
    loop_pause_s: float = 60.0
    file_bytes_max: int | None = None
    """No file may become larger, until SIGUSR1."""


def outbox_item(
    outbox: DurableOutbox, spec: LifeSpec, number: int, *, utc_ns: int, now_s: float
) -> int | None:
    """Put one item as the sink of a gateway does; the id of its entry."""
    if item.is_alarm(number):
        raised = item.alarm(spec.number, number, utc_ns=utc_ns)
        return outbox.put(outgoing_alarm(spec.gateway, raised), now_s=now_s)
    fix = item.fix(spec.number, number, n_devices=spec.n_devices, utc_ns=utc_ns)
    return outbox.put(outgoing_fix(spec.gateway, fix), now_s=now_s)


class _Life:
    """One run of the gateway."""

    def __init__(self, spec: LifeSpec, outbox_class: type[DurableOutbox]) -> None:
        self._spec = spec
        self._safe: list[int] = []
        self._n_taken = 0
        self._n_refused = 0
        self._n_max = 1 << 40 if spec.n_items is None else spec.n_items
        self._outbox = outbox_class(
            monotonic_s=time.monotonic,
            bounds=Bounds(),
            pace=LanePace(lag_s=spec.lag_s, history_per_s=spec.history_per_s, window=spec.window),
            on_storage=lambda error: _say("storage", error=error),
        )
        sink = PublishingSink(
            spec.gateway, self._outbox, monotonic_s=time.monotonic, utc_ns=time.time_ns
        )
        self._publisher = MqttPublisher(
            _settings(spec),
            self._outbox,
            _presence(spec),
            emit=self._told,
            on_command=self._commanded,
            finish=sink.finish,
            rng=random.Random(),  # noqa: S311 - jitter
        )
        self._is_connected = False

    async def run(self) -> None:
        """Until SIGTERM, or until somebody kills it."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        if self._spec.file_bytes_max is not None:
            _limit_files(self._spec.file_bytes_max)
            loop.add_signal_handler(signal.SIGUSR1, _limit_files, resource.RLIM_INFINITY)
        file, damaged = open_outbox(self._spec.file)
        if damaged is not None:
            _say("damaged", where=damaged)
        self._outbox.open(file)
        _say("open")
        publishing = asyncio.create_task(self._publisher.run(), name="publisher")
        working = asyncio.create_task(self._work(), name="work")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        tasks = (publishing, working, stopping)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in (working, stopping):
            task.cancel()
        for task in tasks:
            if task.done() and not task.cancelled():
                task.result()
        await self._publisher.stop(drain_s=1.0)
        await publishing
        await self._outbox.close()
        self._flush()
        self._state()
        _say("end")

    async def _work(self) -> None:
        """Take what is due, and tell of it."""
        spec, owed, last_s, told_s = self._spec, 0.0, time.monotonic(), 0.0
        while True:
            now_s = time.monotonic()
            owed = min(owed + (now_s - last_s) * spec.per_s, spec.per_s * _BURST_S)
            last_s = now_s
            n = min(int(owed), self._room())
            for _ in range(n):
                self._take()
            owed -= n
            self._flush()
            if now_s - told_s >= _TELL_S:
                told_s = now_s
                self._state()
            await asyncio.sleep(_TICK_S)

    def _room(self) -> int:
        left = self._n_max - self._n_taken
        if not self._is_connected:
            return left
        shot = self._outbox.snapshot(now_s=time.monotonic())
        return max(0, min(left, _WAITING_MAX - (shot.depth - shot.history)))

    def _take(self) -> None:
        number = self._n_taken
        self._n_taken += 1
        entry_id = outbox_item(
            self._outbox, self._spec, number, utc_ns=time.time_ns(), now_s=time.monotonic()
        )
        if entry_id is None:
            self._n_refused += 1
            return
        self._outbox.when_safe(entry_id, partial(self._safe.append, number))

    def _flush(self) -> None:
        if self._safe:
            _say("safe", numbers=self._safe)
            self._safe.clear()

    def _state(self) -> None:
        shot = self._outbox.snapshot(now_s=time.monotonic())
        _say(
            "state",
            taken=self._n_taken,
            refused=self._n_refused,
            acked=shot.acked,
            depth=shot.depth,
            unsafe=shot.unsafe,
            dropped=sum(shot.dropped.values()),
            stored_bytes=shot.stored_bytes,
            written_bytes=_written_bytes(),
            connects=self._publisher.snapshot().connects,
        )

    def _told(self, event: ConnectionState | Alarm) -> None:
        if isinstance(event, Alarm):
            _say("alarm", kind=event.kind, text=event.text)
            return
        self._is_connected = event.is_connected
        _say("connection", is_connected=event.is_connected, reason=event.reason)

    def _commanded(self, command: Command) -> None:
        _say("command", payload=command.payload.decode("utf-8", "replace"))
        command.acknowledge()


def _settings(spec: LifeSpec) -> MqttSettings:
    def path(name: str | None) -> Path | None:
        return None if name is None else Path(name)

    heard = (Subscription(topic_filter=f"{topics.root(spec.gateway)}/command/ping"),)
    return MqttSettings(
        url=spec.url,
        client_id=spec.client_id,
        version=spec.version,
        username=spec.username,
        password=spec.password,
        ca_file=path(spec.ca_file),
        cert_file=path(spec.cert_file),
        key_file=path(spec.key_file),
        window=spec.window,
        history_jitter_s=spec.history_jitter_s,
        sync_lag_s=spec.sync_lag_s,
        stall_timeout_s=spec.stall_timeout_s,
        backoff_floor_s=spec.backoff_floor_s,
        backoff_cap_s=spec.backoff_cap_s,
        loop_pause_s=spec.loop_pause_s,
        subscriptions=heard if spec.is_listening else (),
    )


def _presence(spec: LifeSpec) -> Presence:
    state = partial(payload.connection_payload, spec.gateway, boot=f"{spec.number:08x}")
    return Presence(
        topic=topics.connection(spec.gateway),
        online=lambda: state(payload.ONLINE, posix_ns=time.time_ns()),
        lost=lambda: state(payload.OFFLINE, posix_ns=None),
        offline=lambda: state(payload.OFFLINE, posix_ns=time.time_ns()),
    )


def _say(event: str, **fields: object) -> None:
    # One write a line: what a killed process has begun to say is whole, or not there.
    data = msgspec.json.encode({"event": event, "at_s": time.monotonic(), **fields}) + b"\n"
    while data:
        data = data[os.write(1, data) :]


def _written_bytes() -> int | None:
    """What this process has caused to be written to a disk; source: proc(5), io."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/io").read_text(encoding="ascii").splitlines():
            if line.startswith("write_bytes:"):
                return int(line.split()[1])
    return None


def _limit_files(size_bytes: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))


def _die_with_parent() -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def main(outbox_class: type[DurableOutbox] = DurableOutbox) -> None:
    """Fork a life for every other line, and bury it at the next."""
    _die_with_parent()
    set_up_logging("json", "critical")
    while line := sys.stdin.buffer.readline():
        spec = msgspec.json.decode(line, type=LifeSpec)
        pid = os.fork()
        if pid == 0:
            _die_with_parent()
            status = 1
            try:
                _say("born", pid=os.getpid())
                asyncio.run(_Life(spec, outbox_class).run())
                status = 0
            finally:
                if status:
                    sys.excepthook(*sys.exc_info())
                    sys.stderr.flush()
                os._exit(status)
        sys.stdin.buffer.readline()
        _, how = os.waitpid(pid, 0)
        os.write(1, b"\n")  # ends a line in the middle of which it was killed
        _say("dead", status=os.waitstatus_to_exitcode(how))


if __name__ == "__main__":
    main()
