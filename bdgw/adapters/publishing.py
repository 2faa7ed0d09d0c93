"""Adapters that publish: each fix becomes a message in another format, or is counted as refused.

Whoever was given at the start takes the messages, and knows the broker.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from bdgw.adapters import home_assistant
from bdgw.adapters.adapter import JSON, Message, Post
from bdgw.adapters.frame import Refusal
from bdgw.adapters.pace import Pace
from bdgw.adapters.spec import HomeAssistantSpec
from bdgw.hub import DomainEvent
from bdgw.model import DeviceFix

__all__ = ["Format", "HomeAssistantAdapter", "PublishingAdapter"]


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind of adapter writes a fix, and where that goes."""

    kind: str
    encode: Callable[[DeviceFix], bytes | Refusal]
    topic: Callable[[str], str]
    """The topic of a device."""
    content_type: str = JSON
    schema: str | None = None


class PublishingAdapter:
    """One format for some devices."""

    subscriptions: tuple[str, ...] = ()

    def __init__(
        self, name: str, devices: tuple[str, ...], form: Format, *, post: Post, period_s: float
    ) -> None:
        self.name = name
        self.kind = form.kind
        self.devices = devices
        self._known = frozenset(devices)
        self._form = form
        self._post = post
        self._pace = Pace(period_s)
        self._n_told = 0
        self._n_passed_over = 0
        self._refused: Counter[str] = Counter()

    def offer(self, event: DomainEvent) -> None:
        """Publish a fix of one of the devices, when its time has come."""
        if not isinstance(event, DeviceFix) or event.device not in self._known:
            return
        if not self._pace.is_due(event):
            self._n_passed_over += 1
            return
        payload = self._form.encode(event)
        if isinstance(payload, Refusal):
            self._refused[payload.value] += 1
            return
        self._pace.told(event)
        self._n_told += 1
        self._post(
            Message(
                topic=self._form.topic(event.device),
                payload=payload,
                key=f"{self.name}/{event.device}",
                content_type=self._form.content_type,
                schema=self._form.schema,
            )
        )

    async def run(self) -> None:
        """Do nothing: everything happens as the fixes come."""
        await asyncio.get_running_loop().create_future()

    def on_message(self, topic: str, payload: bytes) -> None:
        """Hear nothing."""

    def fields(self, now: float) -> dict[str, Any]:  # noqa: ARG002 - no ages here
        """Give the counters."""
        return {
            "fixes": self._n_told,
            "passed_over": self._n_passed_over,
            "refused": dict(self._refused),
        }


class HomeAssistantAdapter(PublishingAdapter):
    """Announces its devices at the start, and again whenever Home Assistant says it is new."""

    def __init__(self, spec: HomeAssistantSpec, *, post: Post, version: str) -> None:
        form = Format(
            kind="homeassistant",
            encode=home_assistant.encode_place,
            topic=lambda device: home_assistant.attributes_topic(spec, device),
        )
        super().__init__(spec.name, spec.devices, form, post=post, period_s=spec.period_s)
        self._spec = spec
        self._version = version
        self._n_announced = 0
        self.subscriptions = (home_assistant.birth_topic(spec),)

    async def run(self) -> None:
        """Announce, then do nothing."""
        self._announce()
        await super().run()

    def on_message(self, topic: str, payload: bytes) -> None:
        """Announce again when Home Assistant has started."""
        if topic in self.subscriptions and payload == home_assistant.BIRTH:
            self._announce()

    def fields(self, now: float) -> dict[str, Any]:
        """Give the counters."""
        return {**super().fields(now), "announced": self._n_announced}

    def _announce(self) -> None:
        for device in self.devices:
            self._n_announced += 1
            self._post(
                Message(
                    topic=home_assistant.config_topic(self._spec, device),
                    payload=home_assistant.encode_config(self._spec, device, version=self._version),
                    key=f"{self.name}/{device}/config",
                    is_state=True,
                )
            )
