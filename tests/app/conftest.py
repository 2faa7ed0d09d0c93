"""Fixtures of the publisher's tests, for the tests of the whole gateway, and shorter patience."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from bdgw import plan
from bdgw.assembly import ports
from bdgw.publish.mqtt_settings import MqttSettings
from bdgw.receivers import DeviceSpec
from tests.app.correction_rig import Watcher
from tests.publish.conftest import any_broker, certificates, mosquitto

__all__ = ["any_broker", "brisk", "certificates", "mosquitto", "watching"]


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that the configuration does not offer, cut from tens of seconds to one or less.

    The limits themselves are tested where they are judged, with a clock of the test's own.
    """
    monkeypatch.setattr(
        plan.device,
        "DeviceSpec",
        partial(
            DeviceSpec,
            garbage_s=0.6,
            stuck_s=0.6,
            proven_s=0.2,
            backoff_floor_s=0.05,
            backoff_cap_s=0.2,
        ),
    )
    monkeypatch.setattr(
        plan.broker,
        "MqttSettings",
        partial(MqttSettings, backoff_floor_s=0.05, backoff_cap_s=0.2),
    )
    monkeypatch.setattr(ports, "_NETWORK_IDLE_S", 0.3)


@pytest.fixture
def watching() -> Iterator[Any]:
    """MQTT clients that note what comes to them, closed at the end."""
    made: list[Watcher] = []

    def watch(port: int) -> Watcher:
        made.append(Watcher(port))
        return made[-1]

    yield watch
    for each in made:
        each.close()
