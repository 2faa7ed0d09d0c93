"""Child processes of a bench: started on a core, spoken to in JSON lines, measured, stopped."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_STOP_S = 20.0
_LINE_S = 90.0
_TAIL_LINES = 5
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

_CORES = sorted(os.sched_getaffinity(0))
MEASURED = _CORES[-1]
"""The gateway's core, alone."""
OTHERS = _CORES[:-1] or _CORES
"""Where load generator, broker and subscriber run."""
IS_PINNED = len(_CORES) > 1


class RigError(RuntimeError):
    """A part of the rig did not do what it must."""


class Child:
    """A Python module as a child whose stdout is JSON lines."""

    def __init__(self, module: str, *arguments: str, cores: Sequence[int]) -> None:
        environment = dict(os.environ)
        paths = [str(ROOT), str(ROOT / "firmware-sim"), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        self.name = module
        self.spawned_s = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        os.sched_setaffinity(self._process.pid, cores)
        self._proc = Path("/proc", str(self._process.pid))
        self._errors: deque[str] = deque(maxlen=_TAIL_LINES)
        self._reading = threading.Thread(target=self._read_errors, daemon=True)
        self._reading.start()

    def wait_event(self, event: str) -> dict[str, Any]:
        """Read stdout up to that event."""
        assert self._process.stdout is not None
        timer = threading.Timer(_LINE_S, self._process.kill)
        timer.start()
        try:
            for line in self._process.stdout:
                said: dict[str, Any] = json.loads(line)
                if said.get("event") == event:
                    return said
        finally:
            timer.cancel()
        self._reading.join(1.0)
        raise RigError(f"{self.name} ended without {event!r}: {' '.join(self._errors)}")

    def cpu_s(self) -> float:
        """User and system time; source: proc(5), fields 14 and 15, counted behind the name."""
        fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    def rss_mb(self) -> float:
        return int((self._proc / "statm").read_text().split()[1]) * _PAGE_BYTES / 1e6

    def stop(self) -> None:
        """Ask, wait, and see that it ended well."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise RigError(f"{self.name} did not stop") from None
        if self._process.returncode not in (0, -signal.SIGTERM):
            raise RigError(
                f"{self.name}: status {self._process.returncode} {' '.join(self._errors)}"
            )

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        self._errors.extend(self._process.stderr)


@contextlib.contextmanager
def child(module: str, *arguments: str, cores: Sequence[int]) -> Iterator[Child]:
    """A child that is gone when the block ends, whatever happens."""
    started = Child(module, *arguments, cores=cores)
    try:
        yield started
    finally:
        started.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find_mosquitto() -> str | None:
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
