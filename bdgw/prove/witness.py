"""The subscriber outside: a plain MQTT client with a session of its own, which judges arrivals.

It shares no code with the publisher. Its session outlives the broker, so that what the broker has
acknowledged and kept for it must reach it.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections import deque
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from bdgw.errors import UnavailableError
from bdgw.prove import item
from bdgw.prove.verdict import Verdict
from bdgw.publish.mqtt_settings import MqttSettings
from bdgw.publish.topics import root

__all__ = ["Witness", "client_for", "retained", "start_of"]

_TIMEOUT_S = 10.0
_SESSION_S = 3600
_ANSWER_S = 1.0
_RETAINED_QUIET_S = 0.5
_LATENCIES_MAX = 200_000


class Witness:
    """Subscribed from ``__enter__`` to ``__exit__``; it leaves nothing on the broker behind."""

    def __init__(self, settings: MqttSettings, gateway: str, verdict: Verdict) -> None:
        self._settings = settings
        self._root = root(gateway)
        self._verdict = verdict
        self._is_ready = threading.Event()
        self._refusal: str | None = None
        self._retained: set[str] = set()
        self._client = self._build()
        self.latencies_ms: deque[float] = deque(maxlen=_LATENCIES_MAX)
        """Of live items, from their taking to here."""
        self.presence: list[str] = []
        """What was said of the gateway, in order."""
        self.last_arrival_s = time.monotonic()
        self.first_arrival_s: float | None = None
        """The first one since ``expect``."""

    def __enter__(self) -> Self:
        """Subscribe.

        Raises:
            UnavailableError: the broker is not there, or refuses.
        """
        try:
            # What a drill that was killed has left there is of no interest.
            self._forget_session()
            self._client.connect(
                self._settings.host,
                self._settings.port,
                30,
                **start_of(self._settings, session_s=_SESSION_S),
            )
        except (OSError, ValueError) as error:
            raise UnavailableError(f"the broker is not there: {error}") from None
        self._client.loop_start()
        if not self._is_ready.wait(_TIMEOUT_S) or self._refusal is not None:
            self._client.disconnect()
            self._client.loop_stop()
            raise UnavailableError(
                f"no subscription to {self._root}/# at {self._settings.url}: "
                f"{self._refusal or 'no answer'}"
            )
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            sent = [
                self._client.publish(topic, b"", qos=1, retain=True)
                for topic in sorted(self._retained)
            ]
            for each in sent:
                each.wait_for_publish(_ANSWER_S)
        self._client.disconnect()
        self._client.loop_stop()
        with contextlib.suppress(OSError, ValueError):
            self._forget_session()

    @property
    def n_arrived(self) -> int:
        """Messages that have come."""
        return self._verdict.n_arrived

    def expect(self) -> None:
        """Note when the next one comes."""
        self.first_arrival_s = None

    def ping(self, text: str) -> None:
        """Send the gateway a command."""
        self._client.publish(f"{self._root}/command/ping", text.encode(), qos=1)

    def is_quiet(self, for_s: float) -> bool:
        """Whether nothing has come for so long."""
        return time.monotonic() - self.last_arrival_s >= for_s

    # --- the client -------------------------------------------------------------------------------

    def _build(self) -> paho.Client:
        client = client_for(self._settings, f"{self._settings.client_id}-witness", is_clean=False)
        client.reconnect_delay_set(1, 1)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _forget_session(self) -> None:
        """Come once more with a clean session, so that the broker keeps nothing for it."""
        client = client_for(self._settings, f"{self._settings.client_id}-witness", is_clean=True)
        client.connect(self._settings.host, self._settings.port, 30, **start_of(self._settings))
        end_s = time.monotonic() + _ANSWER_S
        while not client.is_connected() and time.monotonic() < end_s:
            client.loop(0.05)
        client.disconnect()
        client.loop(0.05)

    def _on_connect(
        self,
        client: paho.Client,
        _data: object,
        _flags: object,
        code: ReasonCode,
        _properties: object,
    ) -> None:
        if code.is_failure:
            self._refusal = f"the broker refuses: {code}"
            self._is_ready.set()
            return
        client.subscribe([(f"{self._root}/{each}", 1) for each in ("dev/#", "alarm/#", "state/#")])

    def _on_subscribe(
        self,
        _client: paho.Client,
        _data: object,
        _id: int,
        codes: list[ReasonCode],
        _properties: object,
    ) -> None:
        refused = [str(code) for code in codes if code.is_failure]
        self._refusal = ", ".join(refused) or None
        self._is_ready.set()

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        topic = message.topic
        if not message.payload:
            return
        if topic.endswith("/state/conn"):
            self._retained.add(topic)
            self.presence.append("offline" if b'"offline"' in message.payload else "online")
            return
        is_live = topic.endswith("/fix") and not topic.endswith("/history/fix")
        if is_live:
            self._retained.add(topic)
        if message.retain or (found := item.read(bytes(message.payload))) is None:
            return
        device = topic.split("/")[-2] if is_live else None
        is_first = self._verdict.arrive(found, live_device=device, is_redelivered=bool(message.dup))
        self.last_arrival_s = time.monotonic()
        if self.first_arrival_s is None:
            self.first_arrival_s = self.last_arrival_s
        if is_live and is_first and found.t_rx is not None:
            taken_s = datetime.fromisoformat(found.t_rx).timestamp()
            self.latencies_ms.append((time.time() - taken_s) * 1e3)


def client_for(settings: MqttSettings, client_id: str, *, is_clean: bool) -> paho.Client:
    """Build a plain client of the same broker."""
    is_v5 = settings.version == "5"
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id,
        clean_session=None if is_v5 else is_clean,
        protocol=MQTTProtocolVersion.MQTTv5 if is_v5 else MQTTProtocolVersion.MQTTv311,
    )
    if settings.username is not None:
        client.username_pw_set(settings.username, settings.password)
    if settings.is_tls:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.cert_file is not None:
            context.load_cert_chain(settings.cert_file, settings.key_file)
        client.tls_set_context(context)
    return client


def start_of(settings: MqttSettings, *, session_s: int = 0) -> dict[str, Any]:
    """Say how a connection begins, where that is no property of the client (MQTT 5)."""
    if settings.version != "5":
        return {}
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho
    properties.SessionExpiryInterval = session_s
    return {"clean_start": session_s == 0, "properties": properties}


def retained(settings: MqttSettings, topic_filter: str) -> dict[str, bytes]:
    """Look, as somebody does who comes later, at what the broker has kept."""
    found: dict[str, bytes] = {}
    news_s = time.monotonic()

    def on_connect(client: paho.Client, *_more: object) -> None:
        client.subscribe(topic_filter, 1)

    def on_message(_client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        nonlocal news_s
        news_s = time.monotonic()
        if message.retain:
            found[message.topic] = bytes(message.payload)

    client = client_for(settings, f"{settings.client_id}-look", is_clean=True)
    client.on_connect = on_connect
    client.on_message = on_message
    client.connect(settings.host, settings.port, 30, **start_of(settings))
    begin_s = time.monotonic()
    while True:
        client.loop(0.05)
        now_s = time.monotonic()
        is_late = now_s - begin_s > (_ANSWER_S if found else _TIMEOUT_S)
        if is_late and now_s - news_s > _RETAINED_QUIET_S:
            break
    client.disconnect()
    client.loop(0.05)
    return found
