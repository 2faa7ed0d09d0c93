"""A real PostgreSQL server on a free port in a folder of its own, or a skip where there is none."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.publish.brokers import free_port

PASSWORD = "canary-of-the-database"
_ACCOUNTS = ("postgres", "nobody")


def _program(name: str) -> str | None:
    """Debian keeps the server's programs off the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(found[-1]) if found else None)


def is_installed() -> bool:
    """Whether there is a server to start."""
    return _program("initdb") is not None and _program("postgres") is not None


def require_postgres() -> tuple[str, str]:
    """Give the programs, or skip; with BDGW_REQUIRE=1 absence is a failure."""
    initdb, postgres = _program("initdb"), _program("postgres")
    if initdb is None or postgres is None:
        if os.environ.get("BDGW_REQUIRE") == "1":
            pytest.fail("PostgreSQL is not installed")
        pytest.skip("PostgreSQL is not installed")
    return initdb, postgres


class PostgresProcess:
    """The server: it can be stopped, killed and started again on its port."""

    def __init__(self) -> None:
        initdb, self._postgres = require_postgres()
        self._folder = Path(tempfile.mkdtemp(prefix="bdgw-pg-"))
        self._owner = self._other_account()
        self.port = free_port()
        secret = self._folder / "secret"
        secret.write_text(PASSWORD, encoding="ascii")
        if self._owner is not None:
            for path in (self._folder, secret):
                os.chown(path, self._owner.pw_uid, self._owner.pw_gid)
        self._run(
            initdb,
            "--no-sync",
            "--encoding=UTF8",
            "--auth=scram-sha-256",
            "--username=bdgw",
            f"--pwfile={secret}",
            f"--pgdata={self._folder}/data",
        )
        self._process: subprocess.Popen[bytes] | None = None

    def _other_account(self) -> pwd.struct_passwd | None:
        """PostgreSQL refuses to run as root."""
        if os.geteuid() != 0:
            return None
        for name in _ACCOUNTS:
            try:
                return pwd.getpwnam(name)
            except KeyError:
                continue
        pytest.skip("there is no account that PostgreSQL would run under")

    def _popen(self, *command: str) -> subprocess.Popen[bytes]:
        owner = self._owner
        return subprocess.Popen(
            command,
            cwd=self._folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(self._folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            user=None if owner is None else owner.pw_uid,
            group=None if owner is None else owner.pw_gid,
            extra_groups=None if owner is None else [],
        )

    def _run(self, *command: str) -> None:
        with self._popen(*command) as process:
            said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said.decode()

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        self._process = self._popen(
            self._postgres,
            "-D",
            f"{self._folder}/data",
            "-p",
            str(self.port),
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            f"unix_socket_directories={self._folder}",
            "-c",
            "shared_buffers=64MB",
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if b"ready to accept connections" in line:
                return
        pytest.fail("the server has ended at once")

    def stop(self) -> None:
        """End it at once, as a fast shutdown does: connections are cut."""
        self._end(2)  # SIGINT

    def kill(self) -> None:
        """Kill it, as a power cut does."""
        self._end(3)  # SIGQUIT: without a checkpoint

    def _end(self, signal: int) -> None:
        if self._process is not None:
            self._process.send_signal(signal)
            self._process.communicate(timeout=30)
            self._process = None

    def remove(self) -> None:
        """End it and delete its folder."""
        self._end(3)
        shutil.rmtree(self._folder, ignore_errors=True)

    def create(self, database: str) -> None:
        """Make a database."""
        with psycopg.connect(self.url(), password=PASSWORD, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://bdgw@127.0.0.1:{self.port}/{database}"
