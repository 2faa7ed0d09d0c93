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

import structlog

from bdgw import __version__
from bdgw.api.server import ApiServer
from bdgw.archive import Archive
from bdgw.assembly import (
    build_adapters,
    build_api_server,
    build_augmentation,
    build_history,
    build_pool,
    build_publisher,
    check_augmentation,
)
from bdgw.augmentation import Augmentation
from bdgw.command_door import CommandDoor
from bdgw.config import Config
from bdgw.device_desk import DeviceDesk
from bdgw.errors import UnavailableError
from bdgw.health_teller import HealthTeller
from bdgw.hostclock import HostClock
from bdgw.hub import Hub
from bdgw.intake import Intake
from bdgw.latest import renew_latest
from bdgw.messaging import MessageExchange
from bdgw.model import Alarm, ConnectionState, DeviceState, DeviceStatus
from bdgw.ntrip.gate import AccountGate
from bdgw.plan import (
    adapter_specs,
    api_tokens,
    broker_password,
    device_facts,
    host_and_port,
    mqtt_settings,
    office_spec,
    outbox_bounds,
    outbox_pace,
    outbox_path,
    solver_specs,
)
from bdgw.publish.durable_outbox import DurableOutbox
from bdgw.publish.embedded import EmbeddedBroker
from bdgw.publish.mqtt import MqttPublisher
from bdgw.publish.sink import PublishingSink
from bdgw.receiver import (
    ReceiverSession,
)
from bdgw.receivers import (
    SystemClock,
    raise_descriptor_limit,
)
from bdgw.repair import Repair
from bdgw.repair_command import RepairCommands
from bdgw.routes import DeviceRoutes
from bdgw.shortmsg.ledger_store import StoreError
from bdgw.solving import Solving
from bdgw.statedir import locked
from bdgw.status import GatewayStatus
from bdgw.store.outbox_file import open_outbox
from bdgw.timescale import posix_from_gpst
from bdgw.trusted_time import TrustedTime

__all__ = ["Gateway", "check"]

_DRAIN_S = 3.0

_log = structlog.get_logger(__name__)


def check(config: Config) -> None:
    """Build everything that can be built without opening anything.

    Raises:
        ConfigError: values that are right alone do not fit together, or a secret is missing.
    """
    build_pool(
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
    office_spec(config)
    adapter_specs(config)


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
        check_augmentation(config)
        self._config = config
        self._rng = rng or random.Random()  # noqa: S311 - jitter, no secret
        self._boot = secrets.token_hex(4)
        self._clock = SystemClock()
        self._host_clock = HostClock()
        self._time = TrustedTime(self._host_clock)
        self._hub = Hub()
        self._outbox = DurableOutbox(
            monotonic_s=self._clock.monotonic_s,
            bounds=outbox_bounds(config),
            pace=outbox_pace(config),
            on_storage=self._on_storage,
        )
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
        self.adapters = build_adapters(
            config,
            self._outbox,
            history=self._history,
            boot=self._boot,
            clock=self._clock,
            rng=self._rng,
        )
        self._hub.subscribe(self.adapters)
        self._door = CommandDoor(config.gateway.id, self.adapters)
        self._routes = DeviceRoutes(clock=self._clock, time=self._time)
        self._health = HealthTeller(self._sink.health)
        self._gate = AccountGate()
        self._augmentation = self._build_augmentation()
        self.intake = Intake(
            [device_facts(device) for device in config.device if device.role != "terminal"],
            self._hub,
            boot=self._boot,
            utc_ns=self._clock.utc_ns,
            monotonic_s=self._clock.monotonic_s,
            correction_of=self._augmentation.corrections.provenance,
            time_judge=self._time,
        )
        self.solving = Solving(
            solver_specs(config),
            emit=self._routes.position,
            alarm=self._hub.publish,
            clock=self._clock,
            near_gpst_ns=self._time.gpst_ns,
            rng=self._rng,
        )
        self._pool = build_pool(
            config,
            new_session=self._routes.new_session,
            emit=self._routes.take,
            on_state=self._on_state,
            clock=self._clock,
            rng=self._rng,
            gate=self._gate,
        )
        self._messages = self._build_messages()
        self._door.join(self._messages, self._build_repairs())
        self._routes.join(
            pool=self._pool,
            intake=self.intake,
            augmentation=self._augmentation,
            solving=self.solving,
            messages=self._messages,
        )
        self._has_connected = asyncio.Event()
        self._is_outbox_new = False
        """What had waited is not known any more."""
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
            await self._enter_outbox(stack)
            if self._history is not None:
                self._history.start()
                stack.push_async_callback(self._history.close)
            if self._messages is not None:
                await stack.enter_async_context(self._messages.opened())
            broker = await self._enter_broker(stack)
            publisher = self._build_publisher(broker)
            self._door.open(publisher)
            self.status = self._build_status(publisher, broker)
            api = self._build_api(self.status)
            async with asyncio.TaskGroup() as group:
                publishing = group.create_task(publisher.run(), name="mqtt publisher")
                if api is not None:
                    group.create_task(api.run(), name="api")
                adapting = group.create_task(self.adapters.run(), name="adapters")
                health = group.create_task(self._health.run(self.status), name="health")
                sources = [
                    group.create_task(self._augmentation.run(), name="augmentation"),
                    group.create_task(self._run_repair(), name="repair"),
                    group.create_task(self._renew_latest(), name="latest"),
                    group.create_task(self.solving.run(), name="solving"),
                ]
                if self._messages is not None:
                    sources.append(group.create_task(self._messages.run(), name="messages"))
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
                if self._messages is not None:
                    await self._messages.settle()
                sources += (receiving, adapting, health)
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

    async def _enter_outbox(self, stack: contextlib.AsyncExitStack) -> None:
        path = outbox_path(self._config)
        try:
            file, damaged = await asyncio.to_thread(open_outbox, str(path))
        except StoreError as error:
            raise UnavailableError(str(error)) from None
        self._outbox.open(file)
        stack.push_async_callback(self._outbox.close)
        if damaged is not None:
            self._is_outbox_new = True
            text = f"the outbox was damaged, and is now {damaged}; what waited in it is not sent"
            self._alarm("outbox_damaged", text)

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

    def _build_messages(self) -> MessageExchange | None:
        spec = office_spec(self._config)
        if spec is None:
            return None
        return MessageExchange(
            spec,
            gateway=self._config.gateway.id,
            state_dir=self._config.gateway.state_dir,
            clock=self._clock,
            is_clock_trusted=self._host_clock.is_synchronised,
            entropy=secrets.token_bytes,
            flush=lambda terminal: self._pool.flush(terminal),
            emit=self._hub.publish,
            holder=self._outbox,
            reply=self._door.reply,
            on_state=self._health.changed,
        )

    def _build_repairs(self) -> RepairCommands | None:
        if self._repair is None:
            return None
        return RepairCommands(
            self._config.gateway.id,
            self._repair,
            is_device=lambda device: device in self.intake.records,
            reply=self._door.reply,
        )

    def _build_augmentation(self) -> Augmentation:
        return build_augmentation(
            self._config,
            write=self._routes.write_correction,
            emit=self._hub.publish,
            clock=self._clock,
            host_gpst_ns=self._disciplined_gpst_ns,
            rng=self._rng,
            gate=self._gate,
        )

    def _disciplined_gpst_ns(self, now: float) -> int | None:
        # Corrections hear receivers as a witness of their own, and judge steps themselves.
        return self._host_clock.gpst_ns(now) if self._host_clock.is_synchronised() else None

    def _build_archive(self) -> Archive | None:
        if self._history is None:
            return None
        return Archive(
            self._history,
            gateway=self._config.gateway.id,
            boot=self._boot,
            next_seq=lambda device: self.intake.records[device].seq,
            losses=self._outbox.losses,
        )

    async def _renew_latest(self) -> None:
        waiting = self._outbox.snapshot(now_s=self._clock.monotonic_s()).restored
        if self._history is not None and (waiting or self._is_outbox_new):
            await renew_latest(
                self.intake.records,
                is_connected=self._has_connected,
                newest=self._history.newest,
                has_spoken=lambda device: self.intake.records[device].seq > 0,
                send=self._sink.offer,
            )

    async def _run_repair(self) -> None:
        if self._repair is not None:
            await self._repair.run()

    def _trusted_utc_ns(self) -> int | None:
        gpst_ns = self._time.trusted_gpst_ns(self._clock.monotonic_s())
        return None if gpst_ns is None else posix_from_gpst(gpst_ns)

    def _build_publisher(self, broker: EmbeddedBroker | None) -> MqttPublisher:
        return build_publisher(
            self._config,
            self._outbox,
            url=broker.url if broker is not None else self._config.broker.url,
            boot=self._boot,
            heard=self._door.filters(),
            emit=self._on_publisher,
            on_command=self._door.on_command,
            finish=self._sink.finish,
            clock=self._clock,
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
            solving=self.solving,
            caster=self._augmentation.caster,
            messages=self._messages,
            adapters=self.adapters,
            host_clock=self._host_clock,
            time_state=self._time.state,
            history=None if self._history is None else self._history.state,
            utc_ns=self._clock.utc_ns,
            monotonic_s=self._clock.monotonic_s,
        )

    def _build_api(self, status: GatewayStatus) -> ApiServer | None:
        server = build_api_server(
            self._config,
            status,
            DeviceDesk(status, self._build_archive(), self._repair),
            None if self._messages is None else self._messages.desk,
        )
        if server is not None:
            shown = f"[{server.host}]" if ":" in server.host else server.host
            self.api_url = f"http://{shown}:{server.port}"
        return server

    def _on_storage(self, error: str | None) -> None:
        if error is None:
            self._alarm("outbox_storage_recovered", "the outbox is on the disk again")
        else:
            text = f"the outbox cannot be written, and keeps what it can in memory: {error}"
            self._alarm("outbox_storage_failed", text)
        self._health.changed()

    def _alarm(self, kind: str, text: str) -> None:
        self._hub.publish(Alarm(kind=kind, device=None, text=text, t_utc_ns=self._clock.utc_ns()))

    def _on_publisher(self, event: ConnectionState | Alarm) -> None:
        if isinstance(event, ConnectionState) and event.is_connected:
            self._has_connected.set()
        self._hub.publish(event)
        self._health.changed()

    def _on_state(self, state: DeviceState) -> None:
        self._hub.publish(state)
        self._health.changed()
