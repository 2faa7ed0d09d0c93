"""Keeps one device going: opens, feeds, judges, closes, waits, and opens again, for ever.

A transport and a session live for one connection. What the link delivers is judged by ``Health``;
only data that proves the connection good resets the backoff.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

from bdgw.backoff import Backoff
from bdgw.errors import LinkError
from bdgw.model import DeviceState, DeviceStatus
from bdgw.noise import NoiseGate
from bdgw.receivers.clock import Clock
from bdgw.receivers.endpoint import format_endpoint
from bdgw.receivers.health import Health, HealthLimits
from bdgw.receivers.pump import Pump
from bdgw.receivers.snapshot import ReceiverSnapshot
from bdgw.receivers.spec import DeviceSpec
from bdgw.receivers.transport import Done, Lost, LostCause, Transport, WriteState
from bdgw.receivers.verdict import Classify, Epoch, Good, Skipped
from bdgw.wire.session import Session

__all__ = ["Supervisor"]

EventT = TypeVar("EventT")

_GOOD_STATUSES = (
    DeviceStatus.CONNECTING,
    DeviceStatus.WAITING,
    DeviceStatus.STREAMING,
    DeviceStatus.ENDED,
)


class Supervisor(Generic[EventT]):
    """One device over all its connections."""

    def __init__(
        self,
        spec: DeviceSpec,
        *,
        limits: HealthLimits,
        backoff: Backoff,
        is_dialled: bool,
        new_transport: Callable[[], Transport],
        new_session: Callable[[str], Session[EventT]],
        classify: Classify[EventT],
        emit: Callable[[str, EventT, float], None],
        on_state: Callable[[DeviceState], None],
        clock: Clock,
    ) -> None:
        """Prepare.

        ``is_dialled`` is False where the device comes to us and there is nothing to hold back
        from trying.
        """
        self._spec = spec
        self._endpoint_text = format_endpoint(spec.endpoint)
        self._backoff = backoff
        self._is_dialled = is_dialled
        self._new_transport = new_transport
        self._new_session = new_session
        self._classify = classify
        self._emit = emit
        self._on_state = on_state
        self._clock = clock
        self._health = Health(limits, clock.monotonic_s())
        self._status = self._health.status
        self._since_utc_ns = clock.utc_ns()
        self._noise: NoiseGate[DeviceStatus] = NoiseGate()
        self._log = structlog.get_logger().bind(device=spec.id)
        self._transport: Transport | None = None
        self._pump: Pump[EventT] | None = None
        self._over: asyncio.Future[Lost] | None = None
        self._is_open = False
        self._is_proven = False
        self._last_data_at_s: float | None = None
        self._last_frame_at_s: float | None = None
        self._bytes_in = 0
        self._bytes_out = 0
        self._n_frames = 0
        self._skipped_bytes = 0
        self._n_connections = 0
        self._n_lost: Counter[str] = Counter()
        self._n_earlier_drops = self._n_earlier_perished = 0
        self.last_epoch_s: float | None = None
        """The receiver's own time in the epoch decoded last."""

    async def run(self) -> None:
        """Serve the device until cancelled, or until its file ends."""
        try:
            while True:
                lost = await self._live_once()
                self._n_lost[lost.cause] += 1
                if lost.cause is LostCause.ENDED:
                    self._changed(self._health.ended(self._clock.monotonic_s(), lost.reason))
                    return
                await self._wait_after(lost)
        finally:
            self._summarise(float("inf"))

    def tick(self, now: float) -> None:
        """Let time judge; called a few times a second by the owner."""
        self._changed(self._health.tick(now))
        if self._health.is_proven and not self._is_proven:
            self._is_proven = True
            self._backoff.reset()
        if self._health.wants_reopen:
            self.on_lost(Lost(LostCause.SILENT, self._health.reason))
        self._summarise(now)

    def write(
        self, data: bytes, *, lifetime_s: float | None = None, done: Done | None = None
    ) -> bool:
        """Send ``data`` to the device; False (and counted) when it cannot be taken now.

        What is not sent within ``lifetime_s`` is worth nothing any more and is left out.
        ``done`` is told what became of what was taken.
        """
        if self._transport is None or not self._is_open:
            self._n_earlier_drops += 1
            return False

        def ended(is_written: bool) -> None:
            if is_written:
                self._bytes_out += len(data)
            if done is not None:
                done(is_written)

        return self._transport.write(data, lifetime_s=lifetime_s, done=ended)

    def flush(self) -> None:
        """The session was told something: deliver what it has to say and to send."""
        if self._pump is None or not self._is_open:
            return
        try:
            self._pump.flush()
        except Exception as error:  # noqa: BLE001 - handed to ``run``, which knows what to do
            self._fail(error)

    def on_data(self, data: bytes) -> None:
        """Bytes from the transport."""
        pump = self._pump
        if pump is None:
            return
        now = self._clock.monotonic_s()
        try:
            if not self._is_open:
                self._mark_open(now)
            self._bytes_in += len(data)
            self._last_data_at_s = now
            self._health.bytes_seen(len(data), now)
            pump.feed(data)
        except Exception as error:  # noqa: BLE001 - handed to ``run``, which knows what to do
            self._fail(error)

    def on_lost(self, lost: Lost) -> None:
        """The transport is over, or is to be given up."""
        if self._over is not None and not self._over.done():
            self._over.set_result(lost)

    def on_waiting(self, lost: Lost | None, text: str) -> None:
        """The device has to come to us and has not yet."""
        now = self._clock.monotonic_s()
        if lost is None:
            self._changed(self._health.waiting_for_peer(now, text))
        else:
            self._changed(self._health.listener_down(now, lost.reason))

    def on_note(self, text: str | None) -> None:
        """A remark of the listener."""
        self._changed(self._health.noted(text))

    def snapshot(self, now: float) -> ReceiverSnapshot:
        """The device at ``now``."""
        health, transport = self._health, self._transport
        writing = WriteState() if transport is None else transport.write_state(now)
        return ReceiverSnapshot(
            device=self._spec.id,
            endpoint=self._endpoint_text,
            status=health.status,
            reason=health.reason,
            since_utc_ns=self._since_utc_ns,
            status_age_s=max(0.0, now - health.since_s),
            peer="" if transport is None else transport.peer,
            bytes_in=self._bytes_in,
            bytes_out=self._bytes_out,
            n_frames=self._n_frames,
            skipped_bytes=self._skipped_bytes,
            n_connections=self._n_connections,
            n_lost=dict(self._n_lost),
            n_attempts=self._backoff.attempts,
            next_attempt_in_s=_until(health.next_attempt_at_s, now),
            last_data_age_s=_age(self._last_data_at_s, now),
            last_frame_age_s=_age(self._last_frame_at_s, now),
            write_drops=self._n_earlier_drops + writing.n_drops,
            write_perished=self._n_earlier_perished + writing.n_perished,
            write_pending_bytes=writing.pending_bytes,
            write_stalled_s=writing.stalled_s,
        )

    async def _wait_after(self, lost: Lost) -> None:
        now = self._clock.monotonic_s()
        if lost.cause is LostCause.LISTENER_DOWN:
            self._changed(self._health.listener_down(now, lost.reason))
        elif self._is_dialled:
            delay_s = self._backoff.next_delay_s()
            self._changed(self._health.lost(now, lost.reason, next_attempt_in_s=delay_s))
            await asyncio.sleep(delay_s)
        elif lost.cause is not LostCause.TAKEN_OVER:  # else the successor is there already
            self._changed(self._health.lost(now, lost.reason, next_attempt_in_s=None))

    async def _live_once(self) -> Lost:
        """Open the link and stay until it is over; everything is closed on return."""
        self._over = asyncio.get_running_loop().create_future()
        self._is_open = self._is_proven = False
        self.last_epoch_s = None
        transport = self._new_transport()
        pump = Pump(
            self._new_session(self._spec.id),
            self._on_event,
            self._clock,
            write=self.write,
            on_timer_error=self._fail,
        )
        self._transport, self._pump = transport, pump
        text = f"opening {self._endpoint_text}"
        self._changed(self._health.connecting(self._clock.monotonic_s(), text))
        try:
            await transport.open(self)
            if not self._is_open:
                self._mark_open(self._clock.monotonic_s())
            pump.flush()  # a session may speak first, or wait for something from the start
            return await self._over
        except (OSError, LinkError) as error:
            cause = LostCause.ERROR if self._is_open else LostCause.OPEN_FAILED
            return Lost(cause, _describe(error))
        finally:
            self._pump = None
            # What the session still holds (the last epoch) is good; it only lacked a successor.
            pump.finish()
            self._is_open = False
            await transport.close()
            writing = transport.write_state(0.0)
            self._n_earlier_drops += writing.n_drops
            self._n_earlier_perished += writing.n_perished
            self._transport = None

    def _mark_open(self, now: float) -> None:
        self._is_open = True
        self._n_connections += 1
        self._changed(self._health.opened(now))

    def _on_event(self, event: EventT, now: float) -> None:
        verdict = self._classify(event)
        if verdict is not None:
            self._judge(verdict, now)
        self._emit(self._spec.id, event, now)

    def _judge(self, verdict: Good | Epoch | Skipped, now: float) -> None:
        match verdict:
            case Good(n_frames=n_frames):
                self._n_frames += n_frames
                self._last_frame_at_s = now
                self._changed(self._health.frame_decoded(n_frames, now))
            case Epoch(t_s=t_s, n_frames=n_frames):
                self._n_frames += n_frames
                self._last_frame_at_s = now
                self.last_epoch_s = t_s
                has_changed = self._health.frame_decoded(max(1, n_frames), now)
                self._changed(self._health.epoch(t_s, now) or has_changed)
            case Skipped(n_bytes=n_bytes):
                self._skipped_bytes += n_bytes

    def _fail(self, error: Exception) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_exception(error)

    def _changed(self, has_changed: bool) -> None:
        if not has_changed:
            return
        health, previous = self._health, self._status
        t_utc_ns = self._clock.utc_ns()
        if health.status is not previous:
            self._since_utc_ns = t_utc_ns
        self._status = health.status
        if self._noise.admit(health.status, self._clock.monotonic_s()):
            write = self._log.info if health.status in _GOOD_STATUSES else self._log.warning
            write("device_state", status=health.status, reason=health.reason, previous=previous)
        self._on_state(
            DeviceState(
                device=self._spec.id, status=health.status, reason=health.reason, t_utc_ns=t_utc_ns
            )
        )

    def _summarise(self, now: float) -> None:
        for status, count in self._noise.summaries(now):
            self._log.warning("device_state_again", status=status, count=count)


def _describe(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def _age(at_s: float | None, now: float) -> float | None:
    return None if at_s is None else max(0.0, now - at_s)


def _until(at_s: float | None, now: float) -> float | None:
    return None if at_s is None else max(0.0, at_s - now)
