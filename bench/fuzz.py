"""``python -m bench.fuzz [--count N] [--seed S] [--target NAME]``: any bytes into each session.

Real frames, mutated and put together, some with their checksum made good again, and bytes of no
kind. No exception may escape, memory stays within a bound, and no input keeps a session busy
without end. What fails is printed in hex with what repeats it; the exit status is 1 then.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from bench.fuzz_seed import mutated
from bench.fuzz_target import TARGETS, Fed, Target

__all__ = ["Failure", "fuzz", "main"]

SESSION_INPUTS = 100
"""So many inputs go into one session, so that what is left of each meets the next."""
HELD_MAX_BYTES = 4 * 1024 * 1024
STUCK_S = 20
_DEADLINES_MAX = 200
_CHUNKS_MAX = 12


class _StuckError(Exception):
    """It has not come back."""


class Failure(Exception):  # noqa: N818 - what was found, as a value
    """An input that does what no input may do."""

    def __init__(self, target: str, seed: int, n: int, first: int, data: bytes, why: str) -> None:
        super().__init__(why)
        self.target, self.seed, self.n, self.first = target, seed, n, first
        self.data, self.why = data, why

    def __str__(self) -> str:
        return (
            f"{self.target}: {self.why}\n"
            f"input {self.n} in hex: {self.data.hex()}\n"
            f"again: python -m bench.fuzz --target {self.target} --seed {self.seed} "
            f"--start {self.first} --count {self.n - self.first + 1}"
        )


def fuzz(target: Target, *, seed: int, count: int, start: int = 0) -> int:
    """Feed so many inputs; returns the most bytes that a session held.

    Raises:
        Failure: one of them does what none may do.
    """
    seeds = target.seeds()
    most = 0
    fed: Fed | None = None
    now, first = 1000.0, start
    for n in range(start, start + count):
        if fed is None or n % SESSION_INPUTS == 0:
            fed = target.make(random.Random(f"{seed} {target.name} make {n}"))
            now, first = 1000.0, n
        rng = random.Random(f"{seed} {target.name} {n}")
        data = mutated(rng, seeds, target.repair)
        try:
            with _alarm(STUCK_S):
                now = _feed(fed, data, rng, now)
        except Exception as error:
            why = "".join(traceback.format_exception(error))
            raise Failure(target.name, seed, n, first, data, why) from error
        if (n + 1) % SESSION_INPUTS == 0 or n + 1 == start + count:
            held = held_bytes(fed)
            most = max(most, held)
            if held > HELD_MAX_BYTES:
                raise Failure(target.name, seed, n, first, data, f"{held} bytes are held")
            fed = None
    return most


def _feed(fed: Fed, data: bytes, rng: random.Random, now: float) -> float:
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(_CHUNKS_MAX)))
    for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        if begin < end:
            fed.feed(data[begin:end], now)
        now += rng.choice((0.0, 0.001, 0.3, 2.0))
    return _pass_time(fed, now, now + rng.choice((0.0, 0.0, 1.5, 30.0, 400.0)))


def _pass_time(fed: Fed, now: float, until_s: float) -> float:
    """Meet every deadline; one that stays where it is would keep its owner busy for ever."""
    n_same = 0
    for _ in range(_DEADLINES_MAX):
        due_s = fed.deadline()
        if due_s is None or due_s > until_s:
            break
        n_same = n_same + 1 if due_s <= now else 0
        if n_same > 5:
            raise AssertionError(f"the deadline {due_s} is met and stays, now {now}")
        now = max(now, due_s)
        fed.tick(now)
    return max(now, until_s)


@contextmanager
def _alarm(seconds: int) -> Iterator[None]:
    def stuck(_signal: int, _frame: FrameType | None) -> None:
        raise _StuckError(f"not back after {seconds} s")

    before = signal.signal(signal.SIGALRM, stuck)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def held_bytes(root: object) -> int:
    """The bytes of everything that a session holds, each thing once."""
    seen: set[int] = set()
    todo: list[object] = [root]
    total = 0
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(one, type) or callable(one):
            continue
        seen.add(id(one))
        total += sys.getsizeof(one)
        if isinstance(one, dict):
            todo += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple | set | frozenset | deque):
            todo += list(one)
        elif not isinstance(one, str | bytes | bytearray | int | float | bool | type(None)):
            todo += list(vars(one).values()) if hasattr(one, "__dict__") else []
            for kind in type(one).__mro__:
                names = kind.__dict__.get("__slots__", ()) or ()
                names = (names,) if isinstance(names, str) else names
                todo += [getattr(one, name, None) for name in names]
    return total


def main(arguments: Sequence[str] | None = None) -> int:
    """All targets, or one."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="inputs for each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0, help="number of the first input")
    parser.add_argument("--target", choices=[one.name for one in TARGETS])
    asked = parser.parse_args(arguments)
    for target in TARGETS:
        if asked.target not in (None, target.name):
            continue
        began_s = time.monotonic()
        try:
            most = fuzz(target, seed=asked.seed, count=asked.count, start=asked.start)
        except Failure as failure:
            print(failure, file=sys.stderr)
            return 1
        took_s = time.monotonic() - began_s
        print(
            json.dumps(
                {
                    "target": target.name,
                    "inputs": asked.count,
                    "most_held_bytes": most,
                    "seconds": round(took_s, 1),
                }
            ),
            flush=True,
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
