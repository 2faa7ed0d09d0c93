"""Simulated casters, rovers and bases in the test's own event loop, and a gateway that hurries.

Patience of tens of seconds is cut to one or less by replacing the defaults of specifications; the
limits themselves are tested where they are judged, with a clock of the test's own. Everything else
is the real gateway, on real sockets and pseudo-terminals.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bdgw import augmentation
from bdgw.assembly import ports
from bdgw.corrections import SourceSpec
from bdgw.corrections.choice import FailoverRules
from bdgw.ntrip.courtesy import CourtesyLimits
from bdgw.ntrip.gate import AccountGate
from bdgw.ntrip.spec import NtripClientSpec
from bdgw.publish.mqtt_settings import MqttSettings
from bdgw.receivers import DeviceSpec
from fwsim.build import build_device, build_device_port
from fwsim.caster import SimCaster
from fwsim.caster_frame import HEAD_BYTES, WEEK_MS, cut_frames, epoch_ms
from fwsim.caster_spec import CasterSpec, MountSpec
from fwsim.device import Device
from fwsim.gnss_time import gpst_of_utc_ns
from fwsim.simulator import NamedPort, RunOptions, Simulator
from fwsim.spec import parse_line
from tests.publish.brokers import Subscriber, free_port, until
from tests.receivers.rig import Terminal

PATIENCE_S = 20.0
TOPICS = "bdgw/v1/yp-01"
FLOOR_S = 0.3
"""What is left of the 10 s between two attempts at one caster."""
FICKLE = (
    "rate_hz=5,sentences=GGA+RMC,sky_every_s=3600,quality=corrected,dgnss_after_s=0,"
    "float_after_s=0.2,fixed_after_s=0.6,fixed_max_age_s=1.2,float_max_age_s=1.4,dgnss_max_age_s=1.6"
)
"""A rover whose fix comes and goes with its corrections within two seconds."""
SHANGHAI = "lat_deg=31.30,lon_deg=121.50"


def hasten(patch: pytest.MonkeyPatch, *, floor_s: float = FLOOR_S, **rules: float) -> None:
    """Replace waits of tens of seconds; ``rules`` are fields of ``FailoverRules``."""
    floors: dict[str, Any] = {"backoff_floor_s": 0.05, "backoff_cap_s": 0.2}
    failover = FailoverRules(**{"takeover_s": 0.6, "return_s": 1.0, "let_go_s": 4.0, **rules})
    courtesy = CourtesyLimits(floor_s=floor_s, refused_s=max(floor_s, 30.0), good_s=0.5)
    client = partial(NtripClientSpec, courtesy=courtesy, gga_silence_s=1.0)
    for target, value in {
        "bdgw.app.AccountGate": partial(AccountGate, floor_s),
        "bdgw.plan.broker.MqttSettings": partial(MqttSettings, **floors),
        "bdgw.plan.device.DeviceSpec": partial(DeviceSpec, proven_s=0.2, **floors),
        "bdgw.plan.correction.SourceSpec": partial(SourceSpec, failover=failover, alarm_s=1.2),
        "bdgw.corrections.inflow.NtripClientSpec": client,
        "bdgw.receivers.ntrip_stream.NtripClientSpec": client,
    }.items():
        patch.setattr(target, value)
    patch.setattr(augmentation, "_LOOK_S", 0.1)
    patch.setattr(ports, "_NETWORK_IDLE_S", 0.3)


def nobody(folder: Path) -> str:
    """The head of a configuration whose broker is not there."""
    return f"""
    [gateway]
    id = "yp-01"
    state_dir = "{folder}/state"
    [broker]
    url = "mqtt://127.0.0.1:{free_port()}"
    [api]
    listen = "127.0.0.1:0"
    anonymous = "read"
    """


def correction(name: str, url: str, *lines: str, frame: str | None = "CGCS2000") -> str:
    """A source of corrections, in CGCS2000 unless it says otherwise."""
    datum = [] if frame is None else [f'frame = "{frame}"']
    more = "\n".join([*datum, *lines])
    return f'[[correction]]\nname = "{name}"\nurl = "{url}"\n{more}\n'


def from_caster(name: str, caster: Sent, mount: str, *lines: str, **rest: Any) -> str:
    """A source that is a mount of a simulated caster, which is told no position."""
    gga = [] if any(line.startswith("gga") for line in lines) else ['gga = { when = "never" }']
    return correction(name, caster.url, f'mount = "{mount}"', *gga, *lines, **rest)


class Sent:
    """A simulated caster, and every frame that left it as it said so itself (``--truth``)."""

    def __init__(self, caster: SimCaster) -> None:
        self.caster = caster
        self.truth: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.events: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"ntrip://127.0.0.1:{self.caster.port}"

    @property
    def tls_url(self) -> str:
        return f"ntrips://localhost:{self.caster.tls_port}"

    def tell(self, record: dict[str, Any]) -> None:
        self.truth[str(record["mount"])].append(record)

    def hashes(self, mount: str) -> list[str]:
        return [record["sha256"] for record in self.truth[mount] if record["is_intact"]]

    def said(self, event: str, **wanted: Any) -> list[dict[str, Any]]:
        """What it reported of one kind."""
        return [
            each
            for each in self.events
            if each["event"] == event and all(each.get(k) == v for k, v in wanted.items())
        ]


@contextlib.asynccontextmanager
async def sim_caster(*mounts: MountSpec, **keys: Any) -> AsyncIterator[Sent]:
    """Run a simulated caster around a block."""
    made: list[Sent] = []
    caster = SimCaster(
        CasterSpec(mounts=mounts, **keys),
        truth=lambda record: made[0].tell(record),
        say=lambda event: made[0].events.append(event),
    )
    made.append(Sent(caster))
    async with caster:
        yield made[0]


def base_at(name: str, **keys: Any) -> MountSpec:
    """A mount with a computed base: five epochs a second, its position every second.

    Two systems only: the caster shares a processor with the gateway, and perhaps with others.
    """
    values: dict[str, Any] = {
        "rate_hz": 5.0,
        "systems": "GC",
        "position_every_s": 1,
        "lat_deg": 31.31,
        "lon_deg": 121.51,
        **keys,
    }
    return MountSpec(name=name, **values)


class Heard:
    """What came in at a port, piece by piece with the monotonic time of its reading."""

    def __init__(self) -> None:
        self.pieces: list[tuple[float, bytes]] = []

    def add(self, data: bytes) -> None:
        if data:
            self.pieces.append((time.monotonic(), data))

    @property
    def data(self) -> bytes:
        return b"".join(data for _, data in self.pieces)

    def frames(self) -> list[bytes]:
        """The frames, by the framer of the simulator."""
        return list(cut_frames(self.data))

    def hashes(self) -> list[str]:
        return [hashlib.sha256(frame).hexdigest() for frame in self.frames()]

    def aged(self) -> list[tuple[float, float]]:
        """(when it came, how old it was then) of every observation: seconds."""
        found = []
        for at_s, frame in self.timed():
            age_s = age_of(frame, at_s)
            if age_s is not None:
                found.append((at_s, age_s))
        return found

    def timed(self) -> list[tuple[float, bytes]]:
        """Whole frames and when their last byte came."""
        ends: list[tuple[int, float]] = []
        n_bytes = 0
        for at_s, data in self.pieces:
            n_bytes += len(data)
            ends.append((n_bytes, at_s))
        found, at, place = [], 0, 0
        whole = self.data
        for frame in cut_frames(whole):
            at = whole.index(frame, at) + len(frame)
            while ends[place][0] < at:
                place += 1
            found.append((ends[place][1], frame))
        return found


def age_of(frame: bytes, at_s: float) -> float | None:
    """How old an observation was at a monotonic time, by this host's clock; None for others."""
    tow_ms = epoch_ms(frame)
    if tow_ms is None:
        return None
    utc_ns = time.time_ns() - round((time.monotonic() - at_s) * 1e9)
    late_ms = (gpst_of_utc_ns(utc_ns) // 1_000_000 - tow_ms) % WEEK_MS
    return (late_ms - WEEK_MS if late_ms > WEEK_MS // 2 else late_ms) / 1000.0


def assert_whole(data: bytes) -> None:
    """Nothing but whole frames, the last one perhaps still on its way."""
    rest = data[sum(map(len, cut_frames(data))) :]
    framed = b"".join(cut_frames(data))
    assert data.startswith(framed), "something between the frames"
    assert len(rest) < HEAD_BYTES or rest[0] == 0xD3


def assert_passed_on(heard: Sequence[str], sent: Sequence[str]) -> None:
    """What was heard is what was sent, byte for byte and in order.

    It may begin anywhere, and before it the frames that describe the base may stand once more.
    """
    assert heard
    counts = Counter(sent)
    strange = [n for n, each in enumerate(heard) if each not in counts]
    assert not strange, f"never sent: {strange} of {len(heard)}"
    n_again = next(n for n in range(len(heard)) if _is_run(heard[n:], sent))
    places = [[n for n, other in enumerate(sent) if other == each][:4] for each in heard]
    assert n_again <= 7, f"lost or out of order before {n_again} of {len(heard)}: {places}"


def _is_run(part: Sequence[str], whole: Sequence[str]) -> bool:
    first = [n for n, each in enumerate(whole) if each == part[0]]
    return any(list(whole[n : n + len(part)]) == list(part) for n in first)


class Rover(Heard):
    """The far end of a pseudo-terminal in the test's hands: reads when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.terminal = Terminal()
        self.url = self.terminal.url
        self._is_reading = False

    def begin(self) -> None:
        """Take what comes, from now on."""
        if not self._is_reading:
            asyncio.get_running_loop().add_reader(self.terminal.master, self._read)
            self._is_reading = True

    def stop(self) -> None:
        """Take nothing any more."""
        if self._is_reading:
            asyncio.get_running_loop().remove_reader(self.terminal.master)
            self._is_reading = False

    def close(self) -> None:
        self.stop()
        self.terminal.close()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # nobody has it open: the gateway is between two tries
            self.add(os.read(self.terminal.master, 65536))


@contextlib.contextmanager
def _closed(rovers: Iterable[Rover]) -> Any:
    try:
        yield
    finally:
        for rover in rovers:
            rover.close()


@contextlib.asynccontextmanager
async def rovers(count: int = 1) -> AsyncIterator[list[Rover]]:
    """So many rovers that read."""
    made = [Rover() for _ in range(count)]
    with _closed(made):
        for rover in made:
            rover.begin()
        yield made


class Field:
    """Simulated devices that run: what they heard at their ports, and what they sent."""

    def __init__(self) -> None:
        self.heard: dict[str, Heard] = defaultdict(Heard)
        self.sent: dict[str, Heard] = defaultdict(Heard)
        self.truth: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.is_ready = False

    def say(self, event: dict[str, object]) -> None:
        self.is_ready = self.is_ready or event["event"] == "started"

    def wrote(self, record: dict[str, Any]) -> None:
        self.truth[str(record["name"])].append(record)


@contextlib.asynccontextmanager
async def field(*lines: str) -> AsyncIterator[Field]:
    """Run simulated devices around a block; ports exist when it begins."""
    seen = Field()
    specs = [parse_line(line) for line in lines]
    ports = [NamedPort(spec.name, build_device_port(spec)) for spec in specs]
    for named in ports:
        _listen_in(named, seen.heard[named.name], seen.sent[named.name])

    def make_devices(start_utc_ns: int) -> list[Device]:
        return [
            build_device(
                spec, named.port, start_utc_ns=start_utc_ns, seed="0", on_written=seen.wrote
            )
            for spec, named in zip(specs, ports, strict=True)
        ]

    stop = asyncio.Event()
    simulator = Simulator(ports, make_devices, RunOptions(), seen.say)
    task = asyncio.create_task(simulator.run(stop))
    try:
        await until(lambda: seen.is_ready or task.done(), "the simulated devices have begun")
        if task.done():
            task.result()
        yield seen
    finally:
        stop.set()
        await task


def _listen_in(named: NamedPort, heard: Heard, sent: Heard) -> None:
    tick: Callable[[float], bytes] = named.port.tick
    write: Callable[[bytes], int] = named.port.write

    def listening(now_s: float) -> bytes:
        data = tick(now_s)
        heard.add(data)
        return data

    def writing(data: bytes) -> int:
        n_bytes = write(data)
        sent.add(data[:n_bytes])
        return n_bytes

    named.port.tick = listening  # type: ignore[method-assign]
    named.port.write = writing  # type: ignore[method-assign]


class Peer(Heard):
    """A client of a caster made of a bare socket: version 1 unless the head says otherwise."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__()
        self.reader = reader
        self.writer = writer
        self.head = b""
        self.is_over = False
        self._task: asyncio.Task[None] | None = None

    async def ask(self, text: str) -> None:
        """Send a request, and read the head of the answer to its blank line or its end."""
        self.writer.write(text.encode())
        async with asyncio.timeout(PATIENCE_S):
            try:
                self.head = await self.reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError as error:
                self.head = error.partial
        self._task = asyncio.create_task(self._read())

    async def over(self) -> bytes:
        """Wait for the end; gives all that came."""
        await until(lambda: self.is_over, "the end of the connection")
        return self.data

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    async def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := await self.reader.read(65536):
                self.add(data)
        self.is_over = True


@contextlib.asynccontextmanager
async def dialled(port: int) -> AsyncIterator[Peer]:
    """A connection to a port of this host, which may not be open yet."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                peer = Peer(*await asyncio.open_connection("127.0.0.1", port))
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
    try:
        yield peer
    finally:
        await peer.close()


@contextlib.asynccontextmanager
async def raw_client(port: int, mount: str, *headers: str, version: int = 1) -> AsyncIterator[Peer]:
    """Ask for a mount as an NTRIP client."""
    async with dialled(port) as peer:
        lines = [f"GET /{mount} HTTP/1.{version - 1}", "User-Agent: NTRIP probe/1", *headers]
        if version == 2:
            lines += ["Host: caster.example.com", "Ntrip-Version: Ntrip/2.0"]
        await peer.ask("\r\n".join([*lines, "", ""]))
        yield peer


class Watcher:
    """An MQTT subscriber, and what it got as values."""

    def __init__(self, port: int) -> None:
        self._subscriber = Subscriber(port, f"{TOPICS}/#")
        assert self._subscriber.is_subscribed.wait(10)

    def messages(self) -> list[Any]:
        return list(self._subscriber.messages())

    def values(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(data) for data in self._subscriber.payloads(topic)]

    def alarms(self, kind: str) -> list[dict[str, Any]]:
        return self.values(f"{TOPICS}/alarm/event/{kind}")

    def last(self, topic: str) -> dict[str, Any]:
        return (self.values(topic) or [{}])[-1]

    def close(self) -> None:
        self._subscriber.close()
