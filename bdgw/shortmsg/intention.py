"""Writes that the disk may still refuse, and what is undone then. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bdgw.shortmsg.pending import Pending

__all__ = ["Intentions"]


class Intentions:
    """What was begun ahead of the disk: ``settle`` before anything is built upon it."""

    def __init__(self) -> None:
        self._open: list[tuple[Pending[Any], Callable[[], None], Callable[[], None]]] = []

    def watch(
        self,
        pending: Pending[Any],
        undo: Callable[[], None],
        done: Callable[[], None] = lambda: None,
    ) -> None:
        """Have ``undo`` called if it never becomes durable, and ``done`` once it is."""
        if pending.is_durable:
            done()
        else:
            self._open.append((pending, undo, done))

    def settle(self) -> None:
        """Undo what the disk has refused since the last time, finish what it has taken."""
        if not self._open:
            return
        ended, self._open = self._open, []
        for pending, undo, done in ended:
            if pending.error is not None:
                undo()
            elif pending.is_durable:
                done()
            else:
                self._open.append((pending, undo, done))
