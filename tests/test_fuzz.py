"""A short run of ``make fuzz``, and proof that it finds what it looks for."""

from __future__ import annotations

import random
from typing import Any

import pytest

from bench import fuzz_target
from bench.fuzz import Failure, fuzz, held_bytes
from bench.fuzz_target import TARGETS, Fed, Target

COUNT = 60


@pytest.mark.parametrize("target", TARGETS, ids=lambda one: one.name)
def test_any_bytes_at_all_leave_a_session_alive_and_small(target: Target):
    assert fuzz(target, seed=20261129, count=COUNT) > 0


class Broken:
    """A session with a fault of choice."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.kept = b""

    def receive(self, data: bytes, *, now: float) -> None:
        if self.fault == "raises" and b"\x24" in data:
            raise IndexError(now)
        if self.fault == "grows":
            self.kept += bytes(100_000)

    def tick(self, *, now: float) -> None:
        del now

    def deadline(self) -> float | None:
        return 1000.0 if self.fault == "loops" else None

    def events(self) -> list[Any]:
        return []


@pytest.mark.parametrize(
    ("fault", "said"), [("raises", "IndexError"), ("grows", "are held"), ("loops", "stays")]
)
def test_what_no_input_may_do_is_found_with_what_repeats_it(fault: str, said: str):
    broken = Target(
        name="broken",
        make=lambda _rng: Fed(Broken(fault)),
        seeds=lambda: (b"$BDTXR,1,0389705,1,,hello*00\r\n",),
    )
    with pytest.raises(Failure, match=said) as found:
        fuzz(broken, seed=1, count=200)
    assert found.value.data.hex() in str(found.value)
    again = found.value
    with pytest.raises(Failure, match=said):
        fuzz(broken, seed=1, start=again.first, count=again.n - again.first + 1)


def test_everything_that_a_session_holds_is_counted():
    assert held_bytes({"a": [bytes(5000), (bytes(7000),)]}) > 12_000
    session = fuzz_target.TARGETS[0].make(random.Random(1))
    before = held_bytes(session)
    session.session._line._out = bytearray(100_000)
    assert held_bytes(session) > before + 99_000
