"""The MQTT publisher: keeps one connection and drains the outbox through it.

An entry leaves the outbox only at a successful PUBACK. What the broker refuses for good is put
aside and alarmed; what it refuses only this time is sent again after a pause; neither holds up
the rest.
"Connected" is said when the birth message has been acknowledged, not when a socket is open.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping

import msgspec
import structlog

from bdgw.model import Alarm, ConnectionState
from bdgw.publish.answer_queue import Answer, AnswerQueue
from bdgw.publish.command import Command
from bdgw.publish.deliveries import Deliveries
from bdgw.publish.mqtt_connection import Connack, MqttConnection
from bdgw.publish.mqtt_settings import MqttSettings, Presence, Subscription
from bdgw.publish.outbox import JSON, Entry, Lane, Outbox
from bdgw.publish.reason import Loss, LossKind, is_success, reason_name
from bdgw.publish.reconnect import ReconnectPolicy

__all__ = ["MqttPublisher", "MqttSettings", "MqttSnapshot", "Presence", "Subscription"]

_GOODBYE_TIMEOUT_S = 2.0
_ALARM_PERIOD_S = 60.0
"""One alarm a reason and minute: a refused topic of a busy device must not flood."""
_PACKET_OVERHEAD_BYTES = 256
"""Room for the fixed header and the properties beside topic and payload."""

_log = structlog.get_logger(__name__)


class MqttSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The publisher at one instant, for the status report."""

    is_connected: bool
    reason: str
    """Why it is (not) connected, in plain words."""
    since_utc_ns: int
    """Since when it is (not) connected."""
    attempts: int
    connects: int
    losses: Mapping[str, int]
    """Lost connections and failed attempts by kind."""
    acked: int
    rejected: Mapping[str, int]
    retried: int
    in_flight: int
    waiting_retry: int
    window: int
    last_ack_age_s: float | None
    oldest_unacked_age_s: float | None


class MqttPublisher:
    """Runs until ``stop``; everything it says goes through ``emit`` at once.

    ``finish`` writes the payload as it is sent, at each sending: a time of publishing is known
    only then. ``monotonic_s``, ``utc_ns`` and ``rng`` are parameters so that tests can own time
    and chance.
    """

    def __init__(
        self,
        settings: MqttSettings,
        outbox: Outbox,
        presence: Presence,
        *,
        emit: Callable[[ConnectionState | Alarm], None],
        on_command: Callable[[Command], None] | None = None,
        finish: Callable[[Entry], bytes] | None = None,
        rng: random.Random | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
        utc_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._settings = settings
        self._outbox = outbox
        self._presence = presence
        self._emit = emit
        self._on_command = on_command
        self._finish = finish
        self._monotonic_s = monotonic_s
        self._utc_ns = utc_ns
        self._rng = rng or random.Random()  # noqa: S311 - jitter, no secret
        self._policy = ReconnectPolicy(
            floor_s=settings.backoff_floor_s,
            cap_s=settings.backoff_cap_s,
            loop_pause_s=settings.loop_pause_s,
            rng=self._rng,
        )
        self._work = asyncio.Event()
        self._stop = asyncio.Event()
        self._drain_until_s = 0.0
        self._done = asyncio.Event()
        self._done.set()
        # One connection's affairs; emptied when it ends.
        self._presence_id: int | None = None
        self._answers = AnswerQueue()
        self._connection: MqttConnection | None = None
        self._is_waiting_for_room = False
        self._window = 0
        self._max_packet_bytes: int | None = None
        self._progress_s = 0.0
        # The whole life.
        self._deliveries = Deliveries(settings, outbox)
        self._alarmed_s: dict[str, float] = {}
        self._is_connected = False
        self._reason = "not yet connected"
        self._since_utc_ns = utc_ns()
        self._losses: Counter[str] = Counter()
        self._attempts = 0
        self._connects = 0
        self._rejected: Counter[str] = Counter()

    async def run(self) -> None:
        """Publish until ``stop``. Cancelled, it ends at once and the broker publishes the will."""
        self._done.clear()
        self._outbox.set_wakeup(self._work.set)
        try:
            while not self._stop.is_set():
                started_s = self._monotonic_s()
                connects = self._connects
                loss = await self._one_connection()
                lived_s = self._monotonic_s() - started_s if self._connects > connects else None
                if not self._stop.is_set():
                    await self._pause_after(loss, lived_s)
            self._deliveries.close()
        finally:
            self._outbox.set_wakeup(None)
            self._done.set()

    async def stop(self, drain_s: float = 2.0) -> None:
        """Send what is queued for at most ``drain_s``, say offline, disconnect, return."""
        self._drain_until_s = self._monotonic_s() + drain_s
        self._stop.set()
        self._work.set()
        await self._done.wait()

    def snapshot(self) -> MqttSnapshot:
        """Counters and state now."""
        now_s, deliveries = self._monotonic_s(), self._deliveries
        last_ack_s = deliveries.last_ack_s
        return MqttSnapshot(
            is_connected=self._is_connected,
            reason=self._reason,
            since_utc_ns=self._since_utc_ns,
            attempts=self._attempts,
            connects=self._connects,
            losses=dict(self._losses),
            acked=deliveries.n_acked,
            rejected=dict(self._rejected),
            retried=deliveries.n_retried,
            in_flight=deliveries.n_in_flight,
            waiting_retry=deliveries.n_waiting_retry,
            window=self._window,
            last_ack_age_s=None if last_ack_s is None else now_s - last_ack_s,
            oldest_unacked_age_s=self._outbox.snapshot(now_s=now_s).oldest_unacked_age_s,
        )

    # One connection

    async def _one_connection(self) -> Loss:
        self._attempts += 1
        connection = MqttConnection(self._settings, self._presence, self)
        try:
            answer = await self._open(connection)
            if isinstance(answer, Loss):
                return answer
            return await self._serve(connection, answer)
        finally:
            connection.abort(Loss(kind=LossKind.STOPPED, text="stopped"))
            self._give_back()

    async def _open(self, connection: MqttConnection) -> Connack | Loss:
        opening = asyncio.create_task(connection.open(), name="mqtt-open")
        stopping = asyncio.create_task(self._stop.wait(), name="mqtt-open-stop")
        try:
            await asyncio.wait((opening, stopping), return_when=asyncio.FIRST_COMPLETED)
            if opening.done():
                return opening.result()
            return Loss(kind=LossKind.STOPPED, text="stopped")
        finally:
            for task in (opening, stopping):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _serve(self, connection: MqttConnection, granted: Connack) -> Loss:
        self._connects += 1
        self._window = max(1, min(self._settings.window, granted.receive_maximum))
        self._max_packet_bytes = granted.max_packet_bytes
        self._progress_s = self._monotonic_s()
        # Many gateways may have lost their broker at the same moment.
        self._outbox.hold_history(self._rng.uniform(0.0, self._settings.history_jitter_s))
        # Whoever sees that it is online may command at once.
        connection.subscribe()
        self._say(connection, self._presence.online())
        self._connection = connection
        while connection.loss is None:
            now_s = self._monotonic_s()
            if self._is_stalled(now_s):
                waited_s = now_s - self._progress_s
                text = f"nothing acknowledged for {waited_s:.0f} s"
                return Loss(kind=LossKind.STALLED, text=text)
            self._deliveries.advance(now_s)
            self._fill(connection)
            if self._stop.is_set() and self._is_drained(now_s):
                return await self._goodbye(connection)
            await self._wait_work(now_s)
        return connection.loss

    def _say(self, connection: MqttConnection, payload: bytes) -> None:
        self._presence_id = connection.publish(
            self._presence.topic, payload, qos=1, retain=True, content_type=JSON
        )

    async def _goodbye(self, connection: MqttConnection) -> Loss:
        self._say(connection, self._presence.offline())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_TIMEOUT_S):
                while self._presence_id is not None and connection.loss is None:
                    self._work.clear()
                    await self._work.wait()
        await connection.close()
        loss = Loss(kind=LossKind.STOPPED, text="stopped")
        self._note_state(is_connected=False, reason=loss.text)
        return loss

    async def _wait_work(self, now_s: float) -> None:
        """Sleep until something happened or the next deadline."""
        loop = asyncio.get_running_loop()
        deadlines = [now_s + self._settings.stall_timeout_s]
        if (due_s := self._deliveries.next_due_s) is not None:
            deadlines.append(due_s)
        if self._is_owed():
            deadlines.append(self._progress_s + self._settings.stall_timeout_s)
        if self._stop.is_set():
            deadlines.append(self._drain_until_s)
        timer = loop.call_later(max(0.0, min(deadlines) - now_s), self._work.set)
        try:
            await self._work.wait()
        finally:
            timer.cancel()
            self._work.clear()

    def _fill(self, connection: MqttConnection) -> None:
        self._is_waiting_for_room = False
        self._send_answers(connection)
        while connection.loss is None:
            room = self._window - self._owed()
            if room <= 0:
                # Only then need a PUBACK wake the loop: at low rates this halves its work.
                self._is_waiting_for_room = True
                return
            entries = self._outbox.take(room)
            if not entries:
                return
            if not self._is_owed():
                self._progress_s = self._monotonic_s()
            for index, entry in enumerate(entries):
                if not self._send(connection, entry):
                    self._outbox.release(each.id for each in entries[index:])
                    return

    def _send(self, connection: MqttConnection, entry: Entry) -> bool:
        """Hand one entry to the connection; False when that has ended."""
        limit_bytes = self._max_packet_bytes
        if limit_bytes is not None and entry.size_bytes + _PACKET_OVERHEAD_BYTES > limit_bytes:
            self._put_aside(entry, "packet_too_large")
            return True
        try:
            message_id = connection.publish(
                entry.topic,
                entry.payload if self._finish is None else self._finish(entry),
                qos=entry.qos,
                retain=entry.retain,
                content_type=entry.content_type,
                schema=entry.schema,
                expiry_s=entry.expiry_s,
            )
        except ValueError:
            self._put_aside(entry, "topic_name_invalid")
            return True
        if message_id is None:
            return False
        if entry.qos == 0:
            self._outbox.ack(entry.id)
        else:
            self._deliveries.sent(message_id, entry)
        return True

    def _owed(self) -> int:
        """PUBACKs that the broker owes."""
        return self._deliveries.n_in_flight + self._answers.n_owed + (self._presence_id is not None)

    def _is_owed(self) -> bool:
        return self._owed() > 0

    def _is_stalled(self, now_s: float) -> bool:
        return self._is_owed() and now_s - self._progress_s >= self._settings.stall_timeout_s

    def _is_drained(self, now_s: float) -> bool:
        is_busy = self._is_owed() or self._answers.has_waiting or self._deliveries.n_waiting_retry
        return now_s >= self._drain_until_s or not is_busy

    def _give_back(self) -> None:
        """The connection has ended."""
        self._presence_id = None
        self._connection = None
        self._answers.clear()
        self._window = 0
        self._deliveries.give_back()

    # What the connection tells

    def on_puback(self, message_id: int, code: int) -> None:
        """Settle one publish by its own PUBACK."""
        now_s = self._monotonic_s()
        self._progress_s = now_s
        if self._is_waiting_for_room or self._stop.is_set():
            self._work.set()
        if message_id == self._presence_id:
            self._presence_id = None
            self._note_birth(code)
            return
        self._answers.acknowledged(message_id)
        due_s = self._deliveries.next_due_s
        refused = self._deliveries.acknowledged(message_id, code, now_s)
        if refused is not None:
            self._put_aside(refused, reason_name(code))
        if self._deliveries.next_due_s != due_s:
            self._work.set()

    def on_lost(self) -> None:
        """Wake the loop; the connection knows why it ended."""
        self._work.set()

    def on_command(self, command: Command) -> None:
        """Pass on a message of a subscription."""
        if self._on_command is not None:
            self._on_command(command)

    def on_subscribed(self, refused: tuple[str, ...]) -> None:
        """Say which subscriptions the broker refuses: such commands will never come."""
        for topic_filter in refused:
            text = f"the broker refuses the subscription to {topic_filter}"
            _log.error("subscription_refused", topic_filter=topic_filter)
            self._emit(
                Alarm(
                    kind="subscription_refused",
                    device=None,
                    text=text,
                    t_utc_ns=self._utc_ns(),
                )
            )

    def reply(
        self,
        topic: str,
        payload: bytes,
        *,
        correlation: bytes | None = None,
        schema: str | None = None,
    ) -> bool:
        """Answer a command on the connection of now; False where there is none, or no room.

        Answers go before all that the outbox holds, and within the window like the rest: a broker
        may end a connection that exceeds its receive maximum.
        """
        connection = self._connection
        if connection is None or connection.loss is not None:
            return False
        answer = Answer(topic=topic, payload=payload, correlation=correlation, schema=schema)
        if not self._answers.put(answer):
            _log.warning("mqtt_answer_dropped", topic=topic)
            return False
        self._send_answers(connection)
        return True

    def _send_answers(self, connection: MqttConnection) -> None:
        """As many as the window has room for; the others go with the PUBACKs to come."""
        while self._window > self._owed():
            answer = self._answers.take()
            if answer is None:
                return
            try:
                message_id = connection.publish(
                    answer.topic,
                    answer.payload,
                    qos=1,
                    retain=False,
                    content_type=JSON,
                    schema=answer.schema,
                    correlation=answer.correlation,
                )
            except ValueError:
                # Whoever asked named a topic that nobody can publish to.
                _log.warning("mqtt_answer_dropped", topic=answer.topic)
                continue
            if message_id is None:
                return
            if not self._is_owed():
                self._progress_s = self._monotonic_s()
            self._answers.sent(message_id)
        self._is_waiting_for_room |= self._answers.has_waiting

    # Refused entries

    def _put_aside(self, entry: Entry, reason: str) -> None:
        self._deliveries.refuse(entry, reason)
        self._rejected[reason] += 1
        if not self._may_alarm(f"rejected {reason}"):
            return
        _log.error("publish_rejected", reason=reason, topic=entry.topic)
        # An alarm about a refused alarm would be refused as well.
        if entry.lane is not Lane.ALARM:
            self._alarm(
                "mqtt_rejected",
                f"the broker refuses messages ({reason}), for example on {entry.topic}",
                {"reason": reason, "topic": entry.topic, "count": self._rejected[reason]},
            )

    # State, alarms, pauses

    def _note_birth(self, code: int) -> None:
        if not is_success(code):
            self._rejected[reason_name(code)] += 1
            _log.error("mqtt_birth_rejected", reason=reason_name(code), topic=self._presence.topic)
        if not self._stop.is_set():
            where = f"{self._settings.host}:{self._settings.port}"
            self._note_state(is_connected=True, reason=f"connected to {where}")

    def _note_state(self, *, is_connected: bool, reason: str) -> None:
        if is_connected == self._is_connected and reason == self._reason:
            return
        if is_connected != self._is_connected:
            self._since_utc_ns = self._utc_ns()
        self._is_connected, self._reason = is_connected, reason
        event = "mqtt_connected" if is_connected else "mqtt_disconnected"
        log = _log.info if is_connected or self._stop.is_set() else _log.warning
        log(event, reason=reason, attempts=self._attempts)
        self._emit(ConnectionState(is_connected=is_connected, reason=reason))

    async def _pause_after(self, loss: Loss, lived_s: float | None) -> None:
        self._losses[loss.kind] += 1
        self._note_state(is_connected=False, reason=loss.text)
        pause = self._policy.after(loss.kind, lived_s)
        if pause.alarm is not None and self._may_alarm(pause.alarm):
            client_id = self._settings.client_id
            text = f"does another client use the client id {client_id!r}? {loss.text}"
            self._alarm(pause.alarm, text, {"pause_s": round(pause.delay_s, 1)})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause.delay_s):
                await self._stop.wait()

    def _may_alarm(self, key: str) -> bool:
        now_s = self._monotonic_s()
        last_s = self._alarmed_s.get(key)
        if last_s is not None and now_s - last_s < _ALARM_PERIOD_S:
            return False
        self._alarmed_s[key] = now_s
        return True

    def _alarm(self, kind: str, text: str, fields: Mapping[str, str | int | float]) -> None:
        self._emit(Alarm(kind=kind, device=None, text=text, t_utc_ns=self._utc_ns(), fields=fields))
