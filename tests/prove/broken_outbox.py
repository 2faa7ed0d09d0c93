"""Outboxes that break a promise, and a gateway that has one of them: what the drills must find.

Run as a program: ``broken_outbox.py NAME``, in the place of ``bdgw.prove.life``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from bdgw.prove import life
from bdgw.publish.durable_outbox import DurableOutbox
from bdgw.publish.outbox import Entry


class Careless(DurableOutbox):
    """Says that an entry is safe before the disk has it."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.when_safe = self._at_once  # type: ignore[method-assign]

    def _at_once(self, entry_id: int, done: Callable[[], None]) -> None:
        done()


class Forgetful(DurableOutbox):
    """Forgets an entry when it is sent, and not when it is acknowledged."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._really_take = self.take
        self.take = self._and_forget  # type: ignore[method-assign]

    def _and_forget(self, limit: int) -> list[Entry]:
        taken = self._really_take(limit)
        for entry in taken:
            self.ack(entry.id)
        return taken


class Repeating(DurableOutbox):
    """Never marks on the disk what has been acknowledged."""

    def ack(self, entry_id: int) -> None:
        pass


class Backward(DurableOutbox):
    """Sends the newest first."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._really_take = self.take
        self.take = self._backwards  # type: ignore[method-assign]

    def _backwards(self, limit: int) -> list[Entry]:
        return self._really_take(limit)[::-1]


BROKEN: dict[str, type[DurableOutbox]] = {
    each.__name__.lower(): each for each in (Careless, Forgetful, Repeating, Backward)
}

if __name__ == "__main__":
    life.main(BROKEN[sys.argv[1]])
