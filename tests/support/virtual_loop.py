"""An event loop whose time is virtual: it leaps to the next timer when all sockets are quiet.

Real sockets on the loopback interface stay real: what was sent is readable at once there, so that
nothing readable means that nobody has anything to say before the next timer.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

# Work in threads (name resolution) takes real time, in which virtual time stands still.
THREAD_POLL_S = 0.001

T = TypeVar("T")


class _LeapingSelector(selectors.BaseSelector):
    """Selects without waiting; where others would wait, time leaps."""

    def __init__(self, leap: Callable[[float], None], is_working: Callable[[], bool]) -> None:
        self._inner = selectors.DefaultSelector()
        self._leap = leap
        self._is_working = is_working

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._inner.select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None or self._is_working():
            return self._inner.select(timeout if timeout is None else THREAD_POLL_S)
        self._leap(max(timeout, 0.0))
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._inner.get_map()

    def close(self) -> None:
        self._inner.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; its time begins at 1,000 s, as that of a machine that has run for a while."""

    def __init__(self) -> None:
        self._virtual_s = 1000.0
        self._n_working = 0
        super().__init__(_LeapingSelector(self._leap, lambda: self._n_working > 0))

    def time(self) -> float:
        return self._virtual_s

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Any, *args: Any
    ) -> asyncio.Future[Any]:
        self._n_working += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._worked)
        return future

    def _worked(self, future: asyncio.Future[Any]) -> None:
        self._n_working -= 1

    def _leap(self, span_s: float) -> None:
        self._virtual_s += span_s


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run something to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
