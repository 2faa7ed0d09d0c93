"""The composition root: the one place where concrete classes meet.

Reading ``Gateway.run`` is reading the architecture: sinks are started before sources and stopped
after them, and everything that runs is a named task of one group.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import secrets
from collections.abc import Callable
from functools import partial

import structlog

from bdgw import __version__
from bdgw.api.app import build_api
from bdgw.api.server import ApiServer
from bdgw.archive import Archive
from bdgw.assembly import build_augmentation, check_augmentation
from bdgw.augmentation import Augmentation
from bdgw.config import Config
from bdgw.device_desk import DeviceDesk
from bdgw.errors import ConfigError
from bdgw.hostclock import HostClock
from bdgw.hub import Hub
from bdgw.intake import Intake
from bdgw.keeping import build_history
from bdgw.model import Alarm, ConnectionState, DeviceState, DeviceStatus, Via
from bdgw.ntrip.gate import AccountGate
from bdgw.plan import (
    api_tokens,
    broker_password,
    device_facts,
    device_specs,
    host_and_port,
    listener_specs,
    mqtt_settings,
)
from bdgw.publish import payload, topics
from bdgw.publish.embedded import EmbeddedBroker
from bdgw.publish.mqtt import MqttPublisher, Presence
from bdgw.publish.outbox import MemoryOutbox
from bdgw.publish.sink import PublishingSink
from bdgw.receiver import (
    CaptureSession,
    EpochSeen,
    FramesSeen,
    ReceiverEvent,
    ReceiverSession,
)
from bdgw.receivers import (
    Epoch,
    Good,
    ReceiverPool,
    Skipped,
    SystemClock,
    Verdict,
    raise_descriptor_limit,
)
from bdgw.repair import Repair
from bdgw.statedir import locked
from bdgw.status import GatewayStatus
from bdgw.timescale import posix_from_gpst
from bdgw.trusted_time import TrustedTime
from bdgw.wire.session import Session
from bdgw.wire.splitter import Skipped as SkippedBytes

__all__ = ["Gateway", "check"]

_HEALTH_PERIOD_S = 10.0
_DRAIN_S = 3.0
_CORRECTION_LIFETIME_S = 2.0
"""What a rover's port has not taken by then is overtaken by the next epoch."""
_LOCAL_IDLE_S = 0.3
_NETWORK_IDLE_S = 2.0
"""A DTU may cut a sentence in two packets a second apart; a serial line never pauses that long."""

_log = structlog.get_logger(__name__)


def check(config: Config) -> None:
    """Build everything that can be built without opening anything.

    Raises:
        ConfigError: values that are right alone do not fit together, or a secret is missing.
    """
    _pool(
        config,
        new_session=lambda _device: ReceiverSession(),
        emit=lambda _device, _event, _now: None,
        on_state=lambda _state: None,
        clock=SystemClock(),
        rng=random.Random(),  # noqa: S311 - never asked
    )
    _check_secrets_and_files(config)
    build_history(config, trusted_utc_ns=lambda: None)
    check_augmentation(config)


def _check_secrets_and_files(config: Config) -> None:
    broker_password(config.broker)
    api_tokens(config)
    if config.broker.url != "embedded":
        mqtt_settings(config, config.broker.url)


class Gateway:
    """One gateway from a checked configuration."""

    def __init__(self, config: Config, *, rng: random.Random | None = None) -> None:
        """Prepare; nothing is opened yet.

        Raises:
            ConfigError: see ``check``.
        """
        _check_secrets_and_files(config)
        self._config = config
        self._rng = rng or random.Random()  # noqa: S311 - jitter, no secret
        self._boot = secrets.token_hex(4)
        self._clock = SystemClock()
        self._host_clock = HostClock()
        self._time = TrustedTime(self._host_clock)
        self._hub = Hub()
        self._outbox = MemoryOutbox()
        self._sink = PublishingSink(
            config.gateway.id,
            self._outbox,
            monotonic_s=self._clock.monotonic_s,
            utc_ns=self._clock.utc_ns,
        )
        self._hub.subscribe(self._sink)
        self._history = build_history(config, trusted_utc_ns=self._trusted_utc_ns)
        self._repair: Repair | None = None
        if self._history is not None:
            self._hub.subscribe(self._history)
            self._repair = Repair(self._history, send=self._sink.send_again)
        self._health_due = asyncio.Event()
        self._gate = AccountGate()
        self._augmentation = self._build_augmentation()
        self.intake = Intake(
            [device_facts(device) for device in config.device],
            self._hub,
            boot=self._boot,
            utc_ns=self._clock.utc_ns,
            monotonic_s=self._clock.monotonic_s,
            correction_of=self._augmentation.corrections.provenance,
            time_judge=self._time,
        )
        self._pool = _pool(
            config,
            new_session=self._new_session,
            emit=self._take,
            on_state=self._on_state,
            clock=self._clock,
            rng=self._rng,
            gate=self._gate,
        )
        self.broker_url: str | None = None
        self.api_url: str | None = None
        self.status: GatewayStatus | None = None

    async def run(self, stop: asyncio.Event, *, on_ready: Callable[[], None] | None = None) -> None:
        """Serve until ``stop`` is set; ``on_ready`` is called when everything has been started.

        Raises:
            UnavailableError: the embedded broker or the API's address cannot be had.
        """
        raise_descriptor_limit()
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(locked(self._config.gateway.state_dir))
            if self._history is not None:
                self._history.start()
                stack.push_async_callback(self._history.close)
            broker = await self._enter_broker(stack)
            publisher = self._build_publisher(broker)
            self.status = self._build_status(publisher, broker)
            api = self._build_api(self.status)
            async with asyncio.TaskGroup() as group:
                publishing = group.create_task(publisher.run(), name="mqtt publisher")
                if api is not None:
                    group.create_task(api.run(), name="api")
                health = group.create_task(self._tell_health(self.status), name="health")
                augmenting = group.create_task(self._augmentation.run(), name="augmentation")
                repairing = group.create_task(self._run_repair(), name="repair")
                receiving = group.create_task(self._pool.run(), name="receivers")
                _log.info(
                    "gateway_started",
                    gateway=self._config.gateway.id,
                    boot=self._boot,
                    version=__version__,
                    broker=self.broker_url,
                    api=self.api_url,
                    devices=len(self._config.device),
                    corrections=len(self._config.correction),
                    caster=self._config.caster.listen if self._config.caster else None,
                )
                if on_ready is not None:
                    on_ready()
                # What has been built so far stays: a full collection need not walk it again,
                # which would hold up fixes for some 20 ms.
                gc.collect()
                gc.freeze()
                await stop.wait()
                sources = (receiving, augmenting, health, repairing)
                for task in sources:
                    task.cancel()
                await asyncio.wait(sources)
                await publisher.stop(_DRAIN_S)
                await publishing
                if api is not None:
                    api.stop()
        _log.info("gateway_stopped", gateway=self._config.gateway.id)

    def is_drained(self) -> bool:
        """Whether every device has ended and the broker has all that they said."""
        has_ended = all(item.status is DeviceStatus.ENDED for item in self._pool.snapshots())
        held = self._outbox.snapshot(now_s=self._clock.monotonic_s()).depth
        return has_ended and held == 0

    def delivered(self) -> int:
        """Messages that the broker has acknowledged."""
        return self._outbox.snapshot(now_s=self._clock.monotonic_s()).acked

    async def _enter_broker(self, stack: contextlib.AsyncExitStack) -> EmbeddedBroker | None:
        config = self._config.broker
        if config.url != "embedded":
            self.broker_url = config.url
            return None
        host, port = host_and_port(config.listen or "127.0.0.1:0")
        broker = EmbeddedBroker(
            self._config.gateway.state_dir,
            host,
            port,
            user=config.username,
            password=broker_password(config),
            rng=self._rng,
        )
        await stack.enter_async_context(broker)
        self.broker_url = broker.url
        return broker

    def _build_augmentation(self) -> Augmentation:
        return build_augmentation(
            self._config,
            write=self._write_correction,
            emit=self._hub.publish,
            clock=self._clock,
            host_gpst_ns=self._disciplined_gpst_ns,
            rng=self._rng,
            gate=self._gate,
        )

    def _disciplined_gpst_ns(self, now: float) -> int | None:
        # Corrections hear receivers as a witness of their own, and judge steps themselves.
        return self._host_clock.gpst_ns(now) if self._host_clock.is_synchronised() else None

    def _write_correction(self, device: str, data: bytes) -> bool:
        return self._pool.write(device, data, lifetime_s=_CORRECTION_LIFETIME_S)

    def _take(self, device: str, event: ReceiverEvent, now: float) -> None:
        # A recording speaks of another time and place.
        if self.intake.records[device].facts.via is not Via.FILE:
            self._augmentation.take(device, event, now)
        self.intake.take(device, event, now)

    def _build_archive(self) -> Archive | None:
        if self._history is None:
            return None
        return Archive(
            self._history,
            gateway=self._config.gateway.id,
            boot=self._boot,
            next_seq=lambda device: self.intake.records[device].seq,
        )

    async def _run_repair(self) -> None:
        if self._repair is not None:
            await self._repair.run()

    def _trusted_utc_ns(self) -> int | None:
        gpst_ns = self._time.trusted_gpst_ns(self._clock.monotonic_s())
        return None if gpst_ns is None else posix_from_gpst(gpst_ns)

    def _build_publisher(self, broker: EmbeddedBroker | None) -> MqttPublisher:
        gateway, boot = self._config.gateway.id, self._boot
        state = partial(payload.connection_payload, gateway, boot=boot)
        presence = Presence(
            topic=topics.connection(gateway),
            online=lambda: state(payload.ONLINE, posix_ns=self._clock.utc_ns()),
            lost=lambda: state(payload.OFFLINE, posix_ns=None),
            offline=lambda: state(payload.OFFLINE, posix_ns=self._clock.utc_ns()),
        )
        url = broker.url if broker is not None else self._config.broker.url
        return MqttPublisher(
            mqtt_settings(self._config, url),
            self._outbox,
            presence,
            emit=self._on_publisher,
            finish=self._sink.finish,
            rng=self._rng,
        )

    def _build_status(
        self, publisher: MqttPublisher, broker: EmbeddedBroker | None
    ) -> GatewayStatus:
        return GatewayStatus(
            gateway=self._config.gateway.id,
            boot=self._boot,
            intake=self.intake,
            pool=self._pool,
            outbox=self._outbox,
            publisher=publisher,
            broker=broker,
            corrections=self._augmentation.corrections,
            caster=self._augmentation.caster,
            host_clock=self._host_clock,
            time_state=self._time.state,
            history=None if self._history is None else self._history.state,
            utc_ns=self._clock.utc_ns,
            monotonic_s=self._clock.monotonic_s,
        )

    def _build_api(self, status: GatewayStatus) -> ApiServer | None:
        config = self._config.api
        if config is None:
            return None
        app = build_api(
            status,
            DeviceDesk(status, self._build_archive(), self._repair),
            tokens=api_tokens(self._config),
            anonymous=config.anonymous,
            version=__version__,
        )
        host, port = host_and_port(config.listen)
        server = ApiServer(app, host=host, port=port)
        shown = f"[{server.host}]" if ":" in server.host else server.host
        self.api_url = f"http://{shown}:{server.port}"
        return server

    def _new_session(self, device: str) -> Session[ReceiverEvent]:
        record = self.intake.records[device]
        if record.facts.via is Via.FILE:
            return CaptureSession(
                host_gpst_ns=self._time.gpst_ns,
                max_future_ns=self._time.max_future_ns,
                stats=record.stats,
            )
        return ReceiverSession(
            idle_s=_NETWORK_IDLE_S if record.facts.via is Via.IP else _LOCAL_IDLE_S,
            host_gpst_ns=self._time.gpst_ns,
            max_future_ns=self._time.max_future_ns,
            stats=record.stats,
        )

    def _on_publisher(self, event: ConnectionState | Alarm) -> None:
        self._hub.publish(event)
        self._health_due.set()

    def _on_state(self, state: DeviceState) -> None:
        self._hub.publish(state)
        self._health_due.set()

    async def _tell_health(self, status: GatewayStatus) -> None:
        """Publish the health summary at every change of a device and at a steady pace.

        While the broker is away one of them waits, whose age tells of the outage; what counts is
        the one that follows when the broker is back.
        """
        is_one_waiting = False
        while True:
            self._health_due.clear()
            is_connected = status.is_connected()
            if is_connected or not is_one_waiting:
                self._sink.health(status.health())
                is_one_waiting = not is_connected
            await asyncio.sleep(1.0)  # several changes at once make one message
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_HEALTH_PERIOD_S):
                    await self._health_due.wait()


def _pool(
    config: Config,
    *,
    new_session: Callable[[str], Session[ReceiverEvent]],
    emit: Callable[[str, ReceiverEvent, float], None],
    on_state: Callable[[DeviceState], None],
    clock: SystemClock,
    rng: random.Random,
    gate: AccountGate | None = None,
) -> ReceiverPool[ReceiverEvent]:
    """Build the pool, which finds out whether the devices can be told apart."""
    try:
        return ReceiverPool(
            device_specs(config),
            listener_specs(config),
            new_session=new_session,
            classify=_classify,
            emit=emit,
            on_state=on_state,
            clock=clock,
            rng=rng,
            gate=gate,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _classify(event: ReceiverEvent) -> Verdict:
    if isinstance(event, EpochSeen):
        t_ns = event.fix.t_gpst_ns if event.fix.t_gpst_ns is not None else event.fix.tod_utc_ns
        return None if t_ns is None else Epoch(t_ns / 1e9)
    if isinstance(event, FramesSeen):
        return Good(event.count)
    if isinstance(event, SkippedBytes):
        return Skipped(len(event.data))
    return None
