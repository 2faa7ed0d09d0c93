"""The sink between the hub and the outbox: which event becomes which message in which lane."""

from __future__ import annotations

from collections.abc import Callable

from bdgw.hub import DomainEvent, MessageChanged, MessageReceived, SkySeen
from bdgw.model import Alarm, DeviceFix
from bdgw.publish import message_payload, payload, topics
from bdgw.publish.outbox import FIX_SCHEMA, Entry, Lane, Outbox, Outgoing

__all__ = ["PublishingSink", "outgoing_alarm", "outgoing_fix"]

_FIX_EXPIRY_S = 3600
"""A live fix that no subscriber has fetched by then is history (MQTT 5 message expiry)."""


def outgoing_fix(gateway: str, fix: DeviceFix) -> Outgoing:
    """Give the message of a live fix."""
    return Outgoing(
        topic=topics.fix(gateway, fix.device),
        payload=payload.device_fix_payload(gateway, fix),
        lane=Lane.LIVE,
        retain=True,
        supersede_key=fix.device,
        expiry_s=_FIX_EXPIRY_S,
        schema=FIX_SCHEMA,
        late_topic=topics.history_fix(gateway, fix.device),
    )


def outgoing_alarm(gateway: str, alarm: Alarm) -> Outgoing:
    """Give the message of an alarm."""
    return Outgoing(
        topic=topics.alarm(gateway, alarm.kind),
        payload=payload.alarm_payload(gateway, alarm),
        lane=Lane.ALARM,
        schema="bdgw/alarm/1",
    )


class PublishingSink:
    """Takes domain events and puts messages into the outbox; never blocks."""

    def __init__(
        self,
        gateway: str,
        outbox: Outbox,
        *,
        monotonic_s: Callable[[], float],
        utc_ns: Callable[[], int],
    ) -> None:
        self._gateway = gateway
        self._outbox = outbox
        self._monotonic_s = monotonic_s
        self._utc_ns = utc_ns

    def offer(self, event: DomainEvent) -> None:
        """Queue what is published of an event; other events are not for subscribers."""
        if isinstance(event, DeviceFix):
            self._outbox.put(outgoing_fix(self._gateway, event), now_s=self._monotonic_s())
        elif isinstance(event, SkySeen):
            self._outbox.put(
                Outgoing(
                    topic=topics.sky(self._gateway, event.device),
                    payload=payload.sky_payload(self._gateway, event.device, event.sky),
                    lane=Lane.LIVE,
                    qos=0,
                    schema="bdgw/sky/1",
                ),
                now_s=self._monotonic_s(),
            )
        elif isinstance(event, MessageReceived):
            self._message("received", message_payload.received_payload(self._gateway, event))
        elif isinstance(event, MessageChanged):
            self._message("status", message_payload.status_payload(self._gateway, event))
        elif isinstance(event, Alarm):
            self._outbox.put(outgoing_alarm(self._gateway, event), now_s=self._monotonic_s())

    def _message(self, kind: str, body: bytes) -> None:
        self._outbox.put(
            Outgoing(
                topic=topics.message_event(self._gateway, kind),
                payload=body,
                lane=Lane.MESSAGE,
                schema=f"bdgw/shortmsg_{kind}/1",
            ),
            now_s=self._monotonic_s(),
        )

    def send_again(self, item: DeviceFix) -> bool:
        """Queue a fix of the history once more; False when there was no room for it."""
        record = payload.device_fix_payload(self._gateway, item)
        entry_id = self._outbox.put(
            Outgoing(
                topic=topics.history_fix(self._gateway, item.device),
                payload=record,
                lane=Lane.HISTORY,
                schema=FIX_SCHEMA,
            ),
            now_s=self._monotonic_s(),
        )
        return entry_id is not None

    def finish(self, entry: Entry) -> bytes:
        """Give the payload at the moment of sending: a fix gets its ``t_pub`` then.

        In the history lane it says so.
        """
        if entry.schema == FIX_SCHEMA:
            data = entry.payload
            if entry.lane is Lane.HISTORY:
                data = payload.stamp_historical(data)
            return payload.stamp_published(data, self._utc_ns())
        return entry.payload

    def health(self, value: dict[str, object]) -> None:
        """Queue the health summary; a newer one replaces one that still waits."""
        self._outbox.put(
            Outgoing(
                topic=topics.health(self._gateway),
                payload=payload.encode(value),
                lane=Lane.STATE,
                retain=True,
                supersede_key="health",
                schema="bdgw/health/1",
            ),
            now_s=self._monotonic_s(),
        )
