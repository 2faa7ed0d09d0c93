"""All devices of the gateway in one task group.

Builds a supervisor for each device, a listener for each shared address, and the one reader for all
serial ports.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Generic, TypeVar, assert_never

from bdgw.backoff import Backoff
from bdgw.model import DeviceState
from bdgw.ntrip.gate import AccountGate
from bdgw.receivers.capture import CaptureTransport
from bdgw.receivers.clock import Clock
from bdgw.receivers.datagram import UdpListener
from bdgw.receivers.endpoint import (
    Endpoint,
    FileEndpoint,
    NtripEndpoint,
    SerialEndpoint,
    TcpEndpoint,
    TcpListenEndpoint,
    UdpListenEndpoint,
    format_endpoint,
)
from bdgw.receivers.health import HealthLimits
from bdgw.receivers.listener import TcpListener
from bdgw.receivers.ntrip_stream import NtripStream, NtripTransport
from bdgw.receivers.port_reader import PortReader
from bdgw.receivers.serial_port import SerialTransport
from bdgw.receivers.snapshot import ListenerSnapshot, ReceiverSnapshot
from bdgw.receivers.spec import DeviceSpec, ListenerSpec, MatchRule
from bdgw.receivers.supervisor import Supervisor
from bdgw.receivers.tcp import TcpTransport
from bdgw.receivers.transport import Done, Transport
from bdgw.receivers.verdict import Classify, Good, Verdict
from bdgw.wire.session import Session

__all__ = ["ReceiverPool"]

EventT = TypeVar("EventT")

_TICK_S = 0.25
"""How often time is allowed to judge; limits are seconds and more."""
_OPENING_THREADS = 8
_LOCAL_BACKOFF_S = (0.25, 5.0)
"""Trying a port of this host again disturbs nobody, and a replugged cable should be found soon."""
_NETWORK_BACKOFF_S = (1.0, 60.0)


class ReceiverPool(Generic[EventT]):
    """Every device, from configuration to events."""

    def __init__(
        self,
        devices: Iterable[DeviceSpec],
        listeners: Iterable[ListenerSpec] = (),
        *,
        new_session: Callable[[str], Session[EventT]],
        classify: Classify[EventT],
        emit: Callable[[str, EventT, float], None],
        on_state: Callable[[DeviceState], None],
        clock: Clock,
        rng: random.Random,
        gate: AccountGate | None = None,
        window_s: float | None = None,
    ) -> None:
        """Check that the devices can be told apart; nothing is opened yet.

        ``new_session`` gets a device id and makes the session of one connection. ``emit`` gets
        device id, event and monotonic seconds. ``gate`` keeps the etiquette towards casters for
        the whole gateway. ``window_s`` fixes the reading window of serial
        ports, which otherwise follows their number.

        Raises:
            ValueError: two devices have one id, port or match rule; names both.
        """
        self._devices = _by_id(devices)
        self._new_session = new_session
        self._classify = classify
        self._emit = emit
        self._on_state = on_state
        self._clock = clock
        self._rng = rng
        self._window_s = window_s
        self._reader: PortReader | None = None
        self._executor: Executor | None = None
        self._supervisors: dict[str, Supervisor[EventT]] = {}
        self._tcp_listeners: dict[TcpListenEndpoint, TcpListener] = {}
        self._udp_listeners: dict[UdpListenEndpoint, UdpListener] = {}
        self._gate = gate or AccountGate()
        self._streams: dict[str, NtripStream] = {}
        self._build_listeners({spec.endpoint: spec for spec in listeners})
        for spec in self._devices.values():
            self._supervisors[spec.id] = self._supervisor(spec)

    async def run(self) -> None:
        """Serve all devices until cancelled; everything is closed on return."""
        self._reader = PortReader(window_s=self._window_s)
        with self._opened_executor() as self._executor:
            try:
                async with asyncio.TaskGroup() as group:
                    for address, tcp in self._tcp_listeners.items():
                        group.create_task(tcp.run(), name=f"listen {format_endpoint(address)}")
                    for bound, udp in self._udp_listeners.items():
                        group.create_task(udp.run(), name=f"listen {format_endpoint(bound)}")
                    for device, stream in self._streams.items():
                        group.create_task(stream.run(), name=f"caster of {device}")
                    for device, supervisor in self._supervisors.items():
                        group.create_task(supervisor.run(), name=f"device {device}")
                    group.create_task(self._tick(), name="device watchdog")
            finally:
                self._reader.close()

    def write(
        self,
        device: str,
        data: bytes,
        *,
        lifetime_s: float | None = None,
        done: Done | None = None,
    ) -> bool:
        """Send ``data`` to a device; False (and counted) when it cannot be taken now.

        What is not sent within ``lifetime_s`` is worth nothing any more and is left out. What was
        taken is told to ``done``: whether the system has it, or it was left out.

        Raises:
            KeyError: no such device.
        """
        return self._supervisors[device].write(data, lifetime_s=lifetime_s, done=done)

    def flush(self, device: str) -> None:
        """Send and deliver what the session of a device has ready; nothing while it has no link.

        Raises:
            KeyError: no such device.
        """
        self._supervisors[device].flush()

    def snapshots(self) -> tuple[ReceiverSnapshot, ...]:
        """Every device as it is now, in order of configuration."""
        now = self._clock.monotonic_s()
        return tuple(supervisor.snapshot(now) for supervisor in self._supervisors.values())

    def listener_snapshots(self) -> tuple[ListenerSnapshot, ...]:
        """Every listening address as it is now."""
        now = self._clock.monotonic_s()
        return tuple(listener.snapshot(now) for listener in self._listeners())

    @contextlib.contextmanager
    def _opened_executor(self) -> Iterator[Executor]:
        executor = ThreadPoolExecutor(_OPENING_THREADS, thread_name_prefix="bdgw-port")
        try:
            yield executor
        finally:
            # A driver that hangs in open() must not hold up the end of the gateway as well.
            executor.shutdown(wait=False, cancel_futures=True)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            now = self._clock.monotonic_s()
            for listener in self._listeners():
                listener.tick(now)
            for supervisor in self._supervisors.values():
                supervisor.tick(now)

    def _listeners(self) -> Iterator[TcpListener | UdpListener]:
        yield from self._tcp_listeners.values()
        yield from self._udp_listeners.values()

    def _build_listeners(self, specs: dict[Endpoint, ListenerSpec]) -> None:
        rules: dict[TcpListenEndpoint | UdpListenEndpoint, dict[str, MatchRule | None]] = {}
        for device in self._devices.values():
            if isinstance(device.endpoint, TcpListenEndpoint | UdpListenEndpoint):
                rules.setdefault(device.endpoint, {})[device.id] = device.match
        if unused := specs.keys() - rules.keys():
            names = ", ".join(sorted(format_endpoint(endpoint) for endpoint in unused))
            raise ValueError(f"no device uses the listener {names}")
        for endpoint, by_device in rules.items():
            spec = specs.get(endpoint) or ListenerSpec(endpoint=endpoint)
            if isinstance(endpoint, TcpListenEndpoint):
                self._tcp_listeners[endpoint] = TcpListener(
                    spec, by_device, clock=self._clock, rng=self._rng
                )
            else:
                self._udp_listeners[endpoint] = UdpListener(
                    spec, by_device, clock=self._clock, rng=self._rng
                )

    def _supervisor(self, spec: DeviceSpec) -> Supervisor[EventT]:
        endpoint = spec.endpoint
        classify = self._classify
        if isinstance(endpoint, NtripEndpoint):
            self._streams[spec.id] = stream = NtripStream(
                endpoint,
                spec.account,
                clock=self._clock,
                rng=self._rng,
                gate=self._gate,
                ssl_context=spec.ssl_context,
            )
            classify = _telling(stream, classify)
        is_local = isinstance(endpoint, SerialEndpoint | FileEndpoint)
        floor_s, cap_s = _LOCAL_BACKOFF_S if is_local else _NETWORK_BACKOFF_S
        floor_s = floor_s if spec.backoff_floor_s is None else spec.backoff_floor_s
        cap_s = max(floor_s, cap_s) if spec.backoff_cap_s is None else spec.backoff_cap_s
        return Supervisor(
            spec,
            limits=_limits(spec),
            backoff=Backoff(floor_s, cap_s, self._rng),
            is_dialled=not isinstance(
                endpoint, TcpListenEndpoint | UdpListenEndpoint | NtripEndpoint
            ),
            new_transport=lambda: self._transport(spec),
            new_session=self._new_session,
            classify=classify,
            emit=self._emit,
            on_state=self._on_state,
            clock=self._clock,
        )

    def _transport(self, spec: DeviceSpec) -> Transport:
        reader, executor = self._reader, self._executor
        if reader is None or executor is None:
            raise RuntimeError("transports are made while the pool runs")
        match spec.endpoint:
            case SerialEndpoint() as serial_port:
                return SerialTransport(
                    serial_port,
                    reader=reader,
                    executor=executor,
                    clock=self._clock,
                    write_limit_bytes=spec.write_limit_bytes,
                )
            case TcpEndpoint() as peer:
                return TcpTransport(
                    peer,
                    clock=self._clock,
                    timeout_s=spec.connect_timeout_s,
                    write_limit_bytes=spec.write_limit_bytes,
                )
            case FileEndpoint() as file:
                return CaptureTransport(
                    file,
                    executor=executor,
                    clock=self._clock,
                    last_epoch_s=lambda: self._supervisors[spec.id].last_epoch_s,
                )
            case NtripEndpoint():
                return NtripTransport(self._streams[spec.id])
            case TcpListenEndpoint() as address:
                return self._tcp_listeners[address].transport(
                    spec.id, write_limit_bytes=spec.write_limit_bytes
                )
            case UdpListenEndpoint() as address:
                return self._udp_listeners[address].transport(spec.id)
        assert_never(spec.endpoint)


def _by_id(specs: Iterable[DeviceSpec]) -> dict[str, DeviceSpec]:
    devices: dict[str, DeviceSpec] = {}
    owners: dict[Endpoint, str] = {}
    for spec in specs:
        if spec.id in devices:
            raise ValueError(f"two devices have the id {spec.id!r}")
        devices[spec.id] = spec
        if isinstance(spec.endpoint, TcpListenEndpoint | UdpListenEndpoint):
            continue
        key = spec.endpoint
        if isinstance(key, SerialEndpoint):
            key = SerialEndpoint(path=key.path)
        if key in owners and not isinstance(key, FileEndpoint):
            raise ValueError(
                f"devices {owners[key]!r} and {spec.id!r} both use {format_endpoint(key)}"
            )
        owners[key] = spec.id
    return devices


def _telling(stream: NtripStream, classify: Classify[EventT]) -> Classify[EventT]:
    """Let the client of a stream know of the frames that were found in it."""

    def tell(event: EventT) -> Verdict:
        verdict = classify(event)
        if isinstance(verdict, Good):
            stream.frames_seen(verdict.n_frames)
        return verdict

    return tell


def _limits(spec: DeviceSpec) -> HealthLimits:
    match spec.endpoint:
        case SerialEndpoint(baud=baud):
            hint = "wrong protocol" if baud is None else f"wrong baud rate ({baud} is set)"
        case _:
            hint = "wrong protocol, or a port that belongs to something else"
    return HealthLimits(
        silence_s=None if isinstance(spec.endpoint, FileEndpoint) else spec.silence_s,
        garbage_s=spec.garbage_s,
        stuck_s=spec.stuck_s,
        proven_s=spec.proven_s,
        # A caster's client watches its stream itself; opening it again sooner would be a nuisance.
        is_reopened_when_silent=not isinstance(
            spec.endpoint, UdpListenEndpoint | FileEndpoint | NtripEndpoint
        ),
        garbage_hint=f"{hint}?",
    )
