"""The lives of a gateway as their witness sees them: begun, listened to, killed, buried."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import msgspec

from bdgw.errors import BdgwError
from bdgw.prove.life import LifeSpec
from bdgw.prove.verdict import Verdict

__all__ = ["DrillError", "Life", "Lives"]

_LINE_BYTES_MAX = 1 << 22
_BIRTH_TIMEOUT_S = 30.0
_TAIL_BYTES = 2000
DEFAULT_PROGRAM = ("-m", "bdgw.prove.life")


class DrillError(BdgwError):
    """A part of the drill did not do what it must: nothing is proved, and nothing disproved."""


class Life:
    """One life, from its birth to its burial."""

    def __init__(self, spec: LifeSpec) -> None:
        self.spec = spec
        self.pid = 0
        self.state: dict[str, Any] = {}
        """What it said of itself last."""
        self.events: list[dict[str, Any]] = []
        """All but ``safe`` and ``state``."""
        self.is_connected = False
        self.status: int | None = None
        self.born_s = 0.0

    def value(self, name: str) -> int:
        """A number of its last state; 0 before the first."""
        return int(self.state.get(name) or 0)

    def times_s(self, event: str, **fields: Any) -> list[float]:  # noqa: ANN401 - any field
        """When it said that."""
        return [
            each["at_s"]
            for each in self.events
            if each["event"] == event and fields.items() <= each.items()
        ]


class Lives:
    """The process behind, open from ``__aenter__`` to ``__aexit__``; one life at a time."""

    def __init__(
        self,
        verdict: Verdict,
        *,
        program: Sequence[str] = DEFAULT_PROGRAM,
    ) -> None:
        self._verdict = verdict
        self._program = program
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self.life: Life | None = None
        self.n_lives = 0
        self.commands: set[str] = set()
        """What the gateway was told, over all lives."""
        self.written_bytes = 0
        self.lived_s = 0.0

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._program,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._errors,
            limit=_LINE_BYTES_MAX,
            # Ctrl-C is for the drill, which ends its children itself.
            start_new_session=True,
        )
        self._reading = asyncio.create_task(self._read(), name="lives")
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        process = self._process
        assert process is not None  # noqa: S101 - entered by contract
        if self.life is not None and self.life.pid and self.life.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.life.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait((self._reading,))
        process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001 - python/cpython#88050
        self._errors.close()

    async def begin(self, spec: LifeSpec) -> Life:
        """Begin a life, and wait until its outbox is open."""
        life = await self.begin_blindly(spec)
        await self.until(lambda: bool(life.times_s("open")), "a life begins", _BIRTH_TIMEOUT_S)
        return life

    async def begin_blindly(self, spec: LifeSpec) -> Life:
        """Begin a life, and wait for nothing but its process id."""
        life = self.life = Life(spec)
        self.n_lives += 1
        self._verdict.expect(spec.number)
        await self._write(msgspec.json.encode(spec) + b"\n")
        await self.until(lambda: life.pid != 0, "a life begins", _BIRTH_TIMEOUT_S)
        return life

    async def kill(self) -> None:
        """Kill the life of now with SIGKILL, and bury it."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Ask the life of now to end, and bury it."""
        await self._end(signal.SIGTERM)

    def signal(self, number: int) -> None:
        """Send a signal to the life of now."""
        assert self.life is not None  # noqa: S101 - there is one by contract
        os.kill(self.life.pid, number)

    async def until(
        self, condition: Callable[[], object], what: str, timeout_s: float | None = None
    ) -> None:
        """Wait for what the life says, or for what is looked at every few milliseconds.

        Raises:
            DrillError: it has not come about in time, or the life ended by itself.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not condition():
                    self._check(what)
                    self._news.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._news.wait(), 0.02)
                return
        raise DrillError(f"not within {timeout_s:g} s: {what}{self._tail()}")

    def _check(self, what: str) -> None:
        if self._reading is not None and self._reading.done():
            raise DrillError(f"the gateway's process has ended, waiting for: {what}{self._tail()}")

    async def _end(self, number: int) -> None:
        life = self.life
        assert life is not None  # noqa: S101 - there is one by contract
        with contextlib.suppress(ProcessLookupError):
            os.kill(life.pid, number)
        await self._write(b"bury\n")
        await self.until(lambda: life.status is not None, "a life ends", _BIRTH_TIMEOUT_S)
        self.written_bytes += life.value("written_bytes")
        self.lived_s += life.state.get("at_s", life.born_s) - life.born_s
        if life.status not in (0, -number):
            raise DrillError(f"a life ended by itself, status {life.status}{self._tail()}")

    async def _write(self, data: bytes) -> None:
        assert self._process is not None  # noqa: S101 - entered by contract
        assert self._process.stdin is not None  # noqa: S101 - a pipe
        self._process.stdin.write(data)
        await self._process.stdin.drain()

    async def _read(self) -> None:
        assert self._process is not None  # noqa: S101 - entered by contract
        assert self._process.stdout is not None  # noqa: S101 - a pipe
        while line := await self._process.stdout.readline():
            # A life may have been killed in the middle of a line.
            with contextlib.suppress(msgspec.DecodeError):
                self._heard(msgspec.json.decode(line))
            self._news.set()

    def _heard(self, said: dict[str, Any]) -> None:
        life = self.life
        if life is None:
            return
        match said["event"]:
            case "safe":
                self._verdict.accept(life.spec.number, said["numbers"])
                return
            case "state":
                life.state = said
                return
            case "born":
                life.pid, life.born_s = said["pid"], said["at_s"]
            case "connection":
                life.is_connected = said["is_connected"]
            case "command":
                self.commands.add(said["payload"])
            case "dead":
                life.status = said["status"]
        life.events.append(said)

    def _tail(self) -> str:
        if self._errors.closed:
            return ""
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - _TAIL_BYTES))
        text = self._errors.read().decode("utf-8", "replace").strip()
        return f"\n{text}" if text else ""
