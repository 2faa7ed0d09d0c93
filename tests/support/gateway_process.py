"""The gateway and the simulator as processes of their own, and what they say.

Nothing here looks inside ``bdgw``: a gateway is started with a configuration file, is asked over
HTTP, and tells its addresses in its log, as for any operator.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

PATIENCE_S = 30.0
"""How long a condition may take on a busy machine before the test fails."""
_POLL_S = 0.02
ROOT = Path(__file__).resolve().parents[2]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child: finds both packages whether or not they are installed."""
    path = os.pathsep.join((str(ROOT), str(ROOT / "firmware-sim")))
    return {**os.environ, "PYTHONPATH": path, **(extra or {})}


def wait_until(condition: Callable[[], Any], what: str, timeout_s: float = PATIENCE_S) -> Any:
    """Wait until ``condition`` gives something true, and give that."""
    end_s = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < end_s, f"timed out: {what}"
        time.sleep(_POLL_S)
    return found


def fetch(url: str, token: str | None = None, method: str = "GET") -> tuple[int, Any, str]:
    """Ask an HTTP server; give status, value (where it is JSON) and content type."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            status, data, kind = answer.status, answer.read(), answer.headers["content-type"]
    except urllib.error.HTTPError as error:
        with error:
            status, data, kind = error.code, error.read(), error.headers["content-type"]
    return status, json.loads(data) if "json" in (kind or "") else data, kind


class GatewayProcess:
    """``bdgw run``; its log is read all the time and kept."""

    def __init__(self, config: Path, extra: Mapping[str, str] | None = None) -> None:
        self.log: list[dict[str, Any]] = []
        self.raw = ""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bdgw", "run", "-c", str(config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment(extra),
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.raw += line
            with contextlib.suppress(ValueError):
                self.log.append(json.loads(line))

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in list(self.log) if line.get("event") == name]

    def started(self) -> dict[str, Any]:
        """Wait for the line that says where everything is."""

        def look() -> dict[str, Any] | None:
            assert self._process.poll() is None, f"the gateway ended: {self.raw}"
            return next(iter(self.events("gateway_started")), None)

        line: dict[str, Any] = wait_until(look, "the gateway has started")
        return line

    @property
    def api_url(self) -> str:
        return str(self.started()["api"])

    @property
    def broker_port(self) -> int:
        return int(self.started()["broker"].rpartition(":")[2])

    def status(self, token: str | None = None) -> dict[str, Any]:
        code, value, _ = fetch(f"{self.api_url}/api/v1/status", token)
        assert code == 200, value
        assert isinstance(value, dict)
        return value

    def device(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(d for d in self.status()["devices"] if d["dev"] == name)
        return found

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; give the exit status."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        try:
            return self._process.wait(PATIENCE_S)
        finally:
            self._process.kill()
            self._reader.join(PATIENCE_S)
            assert self._process.stderr is not None
            self._process.stderr.close()


@contextlib.contextmanager
def gateway_process(
    config: Path, extra: Mapping[str, str] | None = None
) -> Iterator[GatewayProcess]:
    """Run the gateway around a block; however the block ends, the process is gone afterwards."""
    process = GatewayProcess(config, extra)
    try:
        yield process
    finally:
        process.stop()


@contextlib.contextmanager
def simulator(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run ``python -m fwsim`` around a block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fwsim", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def finished(process: subprocess.Popen[str], timeout_s: float = PATIENCE_S) -> list[dict[str, Any]]:
    """Wait for a simulator to end by itself without error; give what it said."""
    out, errors = process.communicate(timeout=timeout_s)
    assert process.returncode == 0, errors
    return [json.loads(line) for line in out.splitlines()]
