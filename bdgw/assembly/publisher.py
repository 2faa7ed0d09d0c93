"""Builds the MQTT publisher: who it is at the broker, what it says of itself, what it hears."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

from bdgw.config import Config
from bdgw.model import Alarm, ConnectionState
from bdgw.plan import mqtt_settings
from bdgw.publish import payload, topics
from bdgw.publish.command import Command
from bdgw.publish.mqtt import MqttPublisher, Presence
from bdgw.publish.outbox import Entry, Outbox
from bdgw.receivers import Clock

__all__ = ["build_publisher"]


def build_publisher(
    config: Config,
    outbox: Outbox,
    *,
    url: str,
    boot: str,
    heard: tuple[str, ...],
    emit: Callable[[ConnectionState | Alarm], None],
    on_command: Callable[[Command], None],
    finish: Callable[[Entry], bytes],
    clock: Clock,
    rng: random.Random,
) -> MqttPublisher:
    """Build it; ``url`` is the broker's address in force, ``heard`` are topic filters.

    Raises:
        ConfigError: a file that is named does not exist, or a secret is missing.
    """
    gateway = config.gateway.id
    state = partial(payload.connection_payload, gateway, boot=boot)
    presence = Presence(
        topic=topics.connection(gateway),
        online=lambda: state(payload.ONLINE, posix_ns=clock.utc_ns()),
        lost=lambda: state(payload.OFFLINE, posix_ns=None),
        offline=lambda: state(payload.OFFLINE, posix_ns=clock.utc_ns()),
    )
    return MqttPublisher(
        mqtt_settings(config, url, heard=heard),
        outbox,
        presence,
        emit=emit,
        on_command=on_command,
        finish=finish,
        rng=rng,
    )
