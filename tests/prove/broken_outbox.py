"""Outboxes that break a promise, and a gateway that has one of them: what the drills must find.

Run as a program: ``broken_outbox.py NAME``, in the place of ``bdgw.prove.life``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from bdgw.prove import life
from bdgw.publish.durable_outbox import DurableOutbox
from bdgw.publish.mqtt_settings import MqttSettings
from bdgw.publish.outbox import Entry, Lane
from bdgw.publish.outbox_disk import ChunkFile
from bdgw.publish.outbox_pace import LanePace


class Careless(DurableOutbox):
    """Says that an entry is safe before the disk has it."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.when_safe = self._at_once

    def _at_once(self, entry_id: int, done: Callable[[], None]) -> None:
        done()


class Forgetful(DurableOutbox):
    """Forgets an entry when it is sent, and not when it is acknowledged."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._really_take = self.take
        self.take = self._and_forget

    def _and_forget(self, limit: int) -> list[Entry]:
        taken = self._really_take(limit)
        for entry in taken:
            self.ack(entry.id)
        return taken


class _Unsettled:
    """A file that never hears what has been acknowledged."""

    def __init__(self, file: ChunkFile) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def apply(self, **given: Any) -> list[int]:
        return self._file.apply(**{**given, "settled": (), "deleted": ()})


class Repeating(DurableOutbox):
    """Does not mark on the disk what has been acknowledged."""

    def open(self, file: ChunkFile) -> None:
        super().open(_Unsettled(file))


class Stuck(DurableOutbox):
    """Sends nothing of the history."""

    def __init__(self, *, pace: LanePace, **arguments: Any) -> None:
        super().__init__(pace=msgspec.structs.replace(pace, history_per_s=1e-9), **arguments)


_NO_NEWER_S = 2.0


class Backward(DurableOutbox):
    """Sends the newest first."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._really_take = self.take
        self.take = self._backwards
        self._late: dict[str, tuple[Entry, float]] = {}

    def _backwards(self, limit: int) -> list[Entry]:
        """Hand out every second live fix of a device before the one that came before it."""
        now_s = time.monotonic()
        out: list[Entry] = []
        for entry in self._really_take(limit):
            key = entry.supersede_key
            if entry.lane is not Lane.LIVE or key is None:
                out.append(entry)
            elif key in self._late:
                out += (entry, self._late.pop(key)[0])
            else:
                self._late[key] = entry, now_s
        for key, (entry, since_s) in list(self._late.items()):
            if now_s - since_s > _NO_NEWER_S:
                del self._late[key]
                out.append(entry)
        return out


BROKEN: dict[str, type[DurableOutbox]] = {
    each.__name__.lower(): each for each in (Careless, Forgetful, Repeating, Stuck, Backward)
}


def without_subscriptions(spec: life.LifeSpec) -> MqttSettings:
    return replace(_settings(spec), subscriptions=())


if __name__ == "__main__":
    if sys.argv[1] == "deaf":
        _settings = life._settings
        life._settings = without_subscriptions
    life.main(BROKEN.get(sys.argv[1], DurableOutbox))
