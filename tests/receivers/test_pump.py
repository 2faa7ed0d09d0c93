"""The pump: order of work, and one timer that is early enough and never too early."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from bdgw.receivers import Pump
from tests.receivers.rig import until

LONG_S = 1000.0


class ManualClock:
    def __init__(self) -> None:
        self.now = 50.0

    def monotonic_s(self) -> float:
        return self.now

    def utc_ns(self) -> int:
        return 0


class EchoSession:
    """Answers every byte string, and flushes what it has when its deadline passes."""

    def __init__(self) -> None:
        self.due_s: float | None = None
        self.ticks: list[float] = []
        self._events: list[str] = []
        self._out = b""

    def receive(self, data: bytes, *, now: float) -> None:
        self._events.append(f"received {len(data)}")
        self._out += data

    def tick(self, *, now: float) -> None:
        assert self.due_s is not None
        assert now >= self.due_s, "ticked before the deadline"
        self.ticks.append(now)
        self._events.append("flushed")
        self.due_s = None

    def events(self) -> Iterator[str]:
        events, self._events = self._events, []
        return iter(events)

    def data_to_send(self) -> bytes:
        out, self._out = self._out, b""
        return out

    def deadline(self) -> float | None:
        return self.due_s


class Bench:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.session = EchoSession()
        self.log: list[object] = []
        self.errors: list[Exception] = []
        self.pump = Pump(
            self.session,
            lambda event, now: self.log.append((event, now)),
            self.clock,
            write=self.write,
            on_timer_error=self.errors.append,
        )

    def write(self, data: bytes) -> bool:
        self.log.append(data)
        return True


async def test_events_come_before_answers_and_carry_the_time_of_the_read() -> None:
    bench = Bench()
    bench.pump.feed(b"abc")
    assert bench.log == [("received 3", 50.0), b"abc"]


async def test_the_deadline_is_kept_after_it_was_moved_later() -> None:
    bench = Bench()
    bench.session.due_s = 50.01
    bench.pump.feed(b"x")
    bench.session.due_s = 50.03
    bench.pump.feed(b"y")

    def has_ticked() -> bool:
        bench.clock.now += 0.001
        return bool(bench.session.ticks)

    await until(has_ticked)
    assert bench.session.ticks[0] >= 50.03
    assert bench.log[-1] == ("flushed", bench.session.ticks[0])
    bench.pump.close()


async def test_an_earlier_deadline_replaces_a_later_one() -> None:
    bench = Bench()
    bench.session.due_s = 50.0 + LONG_S
    bench.pump.feed(b"x")
    bench.session.due_s = 50.005
    bench.pump.flush()
    bench.clock.now = 50.01
    await until(lambda: bool(bench.session.ticks))
    bench.pump.close()


async def test_finish_tells_the_session_and_stops_the_timer() -> None:
    bench = Bench()
    bench.session.due_s = 50.001
    bench.pump.feed(b"x")
    bench.pump.finish()
    assert bench.log[-1] == ("received 0", 50.0)
    bench.clock.now = 60.0
    await asyncio.sleep(0.01)
    assert bench.session.ticks == []


async def test_an_error_in_a_timer_reaches_the_owner() -> None:
    bench = Bench()
    bench.session.due_s = 50.0
    bench.pump.feed(b"x")
    bench.session.due_s = None

    def fail() -> float | None:
        raise RuntimeError("a bug in the session")

    bench.session.deadline = fail  # type: ignore[method-assign] # the fault under test
    await until(lambda: bool(bench.errors))
    assert str(bench.errors[0]) == "a bug in the session"
