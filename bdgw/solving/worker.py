"""One worker process as the gateway sees it: started, fed one job at a time, started again.

While a job is out the next ones wait where they can still be overtaken by newer ones, so nothing
queues in the pipe.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable

import msgspec
import structlog

from bdgw.backoff import Backoff
from bdgw.solving.feed import Ready
from bdgw.solving.job import LENGTH, Outcome, decode_outcome, encode_job

__all__ = ["Worker"]

_ANSWER_S = 30.0
"""An epoch takes milliseconds; a process that is so late is stuck."""
_ANSWER_MAX_BYTES = 65_536
_GOODBYE_S = 2.0
_HEALTHY_S = 30.0
_FLOOR_S, _CAP_S = 0.2, 15.0

_log = structlog.get_logger(__name__)


class Worker:
    """``next_job`` gives what to solve, or None; ``on_outcome`` takes what became of it.

    ``on_lost`` is told that the process has ended by itself: the job that was out, why, and
    whether it had run well before.
    """

    def __init__(
        self,
        name: str,
        *,
        next_job: Callable[[], Ready | None],
        on_outcome: Callable[[Ready, Outcome], None],
        on_lost: Callable[[Ready | None, str, bool], None],
        monotonic_s: Callable[[], float],
        rng: random.Random,
        command: tuple[str, ...] = (sys.executable, "-m", "bdgw.solving.worker_main"),
    ) -> None:
        self.name = name
        self.state = "starting"
        self.n_restarts = 0
        self.pid: int | None = None
        self._next_job = next_job
        self._on_outcome = on_outcome
        self._on_lost = on_lost
        self._monotonic_s = monotonic_s
        self._backoff = Backoff(_FLOOR_S, _CAP_S, rng)
        self._command = command
        self._wake = asyncio.Event()
        self._out: Ready | None = None

    def wake(self) -> None:
        """There may be a job."""
        self._wake.set()

    async def run(self) -> None:
        """Keep a process until cancelled; it has ended on return."""
        while True:
            began_s = self._monotonic_s()
            why = await self._live()
            if self._monotonic_s() - began_s >= _HEALTHY_S:
                self._backoff.reset()
            self.n_restarts += 1
            self.state = f"ended ({why}), is started again"
            self._on_lost(self._out, why, self._backoff.attempts == 0)
            self._out = None
            delay_s = self._backoff.next_delay_s()
            _log.warning("solver_ended", worker=self.name, reason=why, retry_s=round(delay_s, 2))
            await asyncio.sleep(delay_s)

    async def _live(self) -> str:
        """Serve with one process; gives why it ended."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, stdin=PIPE, stdout=PIPE, start_new_session=True
            )
        except OSError as error:
            return f"cannot be started: {error.strerror}"
        self.pid, self.state = process.pid, "runs"
        try:
            return await self._serve(process)
        finally:
            self.pid = None
            await _end(process)

    async def _serve(self, process: Process) -> str:
        ending = asyncio.create_task(process.wait(), name=f"{self.name} ends")
        try:
            while True:
                ready = self._next_job()
                if ready is None:
                    if not await self._woken(ending):
                        return f"exit status {ending.result()}"
                    continue
                self._out = ready
                outcome = await _asked(process, ready)
                if isinstance(outcome, str):
                    return outcome
                self._out = None
                self._on_outcome(ready, outcome)
        finally:
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)

    async def _woken(self, ending: asyncio.Task[int]) -> bool:
        """Wait until there may be a job; False where the process has ended."""
        waking = asyncio.create_task(self._wake.wait())
        try:
            await asyncio.wait((waking, ending), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waking.cancel()
        self._wake.clear()
        return not ending.done()


async def _asked(process: Process, ready: Ready) -> Outcome | str:
    """Have a job solved; a text says why the process is no good any more."""
    assert process.stdin is not None  # noqa: S101 - both are pipes, see where it is started
    assert process.stdout is not None  # noqa: S101 - as above
    data = encode_job(ready.job)
    try:
        async with asyncio.timeout(_ANSWER_S):
            process.stdin.write(LENGTH.pack(len(data)) + data)
            await process.stdin.drain()
            (n_bytes,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
            if n_bytes > _ANSWER_MAX_BYTES:
                return f"an answer of {n_bytes} bytes"
            return decode_outcome(await process.stdout.readexactly(n_bytes))
    except TimeoutError:
        return f"no answer for {_ANSWER_S:.0f} s"
    except (OSError, asyncio.IncompleteReadError, msgspec.DecodeError):
        return "ended over an epoch"


async def _end(process: Process) -> None:
    """Let it end by itself, which it does when its stdin ends; else kill it."""
    if process.stdin is not None:
        process.stdin.close()
        with contextlib.suppress(OSError):
            await process.stdin.wait_closed()
    try:
        async with asyncio.timeout(_GOODBYE_S):
            await process.wait()
    except (TimeoutError, asyncio.CancelledError):
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
