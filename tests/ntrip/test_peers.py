"""Our client against casters that others wrote."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from bdgw.ntrip.account import Account
from bdgw.ntrip.address import CasterAddress
from bdgw.ntrip.asking import fetch_sourcetable
from bdgw.ntrip.client_event import ClientLimits, Dialect
from bdgw.ntrip.gga import GgaPolicy, GgaWhen
from bdgw.ntrip.request import NtripVersion
from bdgw.ntrip.runner import NtripClientSpec
from bdgw.ntrip.state import ClientStatus
from tests.ntrip.certificate import Certificates
from tests.ntrip.peers import (
    Feed,
    feeding,
    find_gnssserver,
    find_str2str,
    free_port,
    process,
    recorded_frames,
)
from tests.ntrip.rig import HERE, RealTime, Watched, running, until

ACCOUNT = Account("rover", "c4nary-s3cret")
_BURST_FRAMES = 30
PATIENT = ClientLimits(reply_s=30.0, idle_s=60.0)


def spec(port: int, mount: str, **more) -> NtripClientSpec:
    more.setdefault("gga", GgaPolicy(when=GgaWhen.NEVER))
    more.setdefault("address", CasterAddress(host="127.0.0.1", port=port))
    return NtripClientSpec(mount=mount, limits=PATIENT, **more)


async def relay(port: int, feed: Feed, **more) -> tuple[bytes, Dialect]:
    """Feed a caster some frames and give what our client got of them, sent until all came."""
    mount, tls = more.pop("mount", "MP"), more.pop("tls", None)
    watched = Watched(
        spec(port, mount, account=ACCOUNT, **more),
        RealTime(),
        position=lambda: HERE,
        ssl_context=tls,
    )
    frames = recorded_frames()
    sent = bytearray()
    async with running(watched):
        await until(lambda: watched.client.snapshot().n_accepted and feed.n_readers)
        # Not in one burst: str2str drops a client whose socket is full for a moment.
        for start in range(0, len(frames), _BURST_FRAMES):
            burst = b"".join(frames[start : start + _BURST_FRAMES])
            sent += burst
            feed.say(burst)
            await until(partial(_have_come, watched, len(sent)), "the frames arrive")
        shot = watched.client.snapshot()
    assert shot.state.status is ClientStatus.STREAMING
    assert watched.body == sent
    assert shot.dialect is not None
    assert "c4nary" not in watched.reasons
    return bytes(watched.body), shot.dialect


def _have_come(watched: Watched, n_bytes: int) -> bool:
    return len(watched.body) >= n_bytes


async def refusal(port: int, mount: str, account: Account | None, **more) -> str:
    watched = Watched(spec(port, mount, account=account, **more), RealTime())
    async with running(watched):
        await until(lambda: watched.client.snapshot().n_lost)
        (cause,) = watched.client.snapshot().n_lost
    assert "c4nary" not in watched.reasons
    return cause


class TestStr2str:
    """RTKLIB's console stream server as a caster (Debian: 2.4.3 b34): version 1 only."""

    @contextlib.asynccontextmanager
    async def serving(self, port: int, directory: Path) -> AsyncIterator[Feed]:
        caster = f"ntripc://{ACCOUNT.username}:{ACCOUNT.password}@:{port}/MP:STR;MP;x"
        async with feeding() as feed:
            source = f"tcpcli://127.0.0.1:{feed.port}"
            command = (find_str2str(), "-in", source, "-out", caster)
            async with process(*command, directory=directory, port=port):
                yield feed

    @pytest.mark.parametrize("version", [None, NtripVersion.V1])
    async def test_frames_arrive_byte_for_byte(self, tmp_path, version):
        port = free_port()
        async with self.serving(port, tmp_path) as feed:
            _, dialect = await relay(port, feed, version=version)
        assert dialect.status_line == "ICY 200 OK"
        assert dialect.version is NtripVersion.V1

    async def test_positions_do_not_disturb_it(self, tmp_path):
        port = free_port()
        async with self.serving(port, tmp_path) as feed:
            await relay(port, feed, gga=GgaPolicy(when=GgaWhen.ALWAYS, period_s=1.0))

    async def test_refusals_are_told_apart(self, tmp_path):
        port = free_port()
        async with self.serving(port, tmp_path):
            assert await refusal(port, "MP", Account("rover", "wrong")) == "bad_account"
            assert await refusal(port, "MP", None) == "needs_account"
            assert await refusal(port, "OTHER", ACCOUNT) == "no_such_mount"

    async def test_table(self, tmp_path):
        port = free_port()
        async with self.serving(port, tmp_path):
            table = await fetch_sourcetable(
                CasterAddress(host="127.0.0.1", port=port), clock=RealTime()
            )
        assert table.is_complete
        assert [stream.mount for stream in table.streams] == ["MP"]


class TestGnssserver:
    """pygnssutils' server in caster mode, both versions; its one mount is ``pygnssutils``."""

    @contextlib.asynccontextmanager
    async def serving(
        self, port: int, directory: Path, version: str, *more: str
    ) -> AsyncIterator[Feed]:
        async with feeding() as feed:
            command = (
                find_gnssserver(),
                *("--socket", f"127.0.0.1:{feed.port}", "--hostip", "127.0.0.1"),
                *("--outport", str(port), "--ntripmode", "1", "--ntripversion", version),
                *("--ntripuser", ACCOUNT.username, "--ntrippassword", ACCOUNT.password),
                *("--verbosity", "-1", *more),
            )
            async with process(*command, directory=directory, port=port):
                yield feed

    @pytest.mark.parametrize(
        ("version", "line"),
        [("1.0", "ICY 200 OK"), ("2.0", "HTTP/1.1 200 OKNtrip-Version: Ntrip/2.0")],
    )
    async def test_frames_arrive_byte_for_byte(self, tmp_path, version, line):
        port = free_port()
        async with self.serving(port, tmp_path, version) as feed:
            _, dialect = await relay(port, feed, mount="pygnssutils")
        # Version 2 as it is sent, with a line end left out.
        assert dialect.status_line == line

    @pytest.mark.parametrize("version", ["1.0", "2.0"])
    async def test_refusals_and_table(self, tmp_path, version):
        port = free_port()
        async with self.serving(port, tmp_path, version):
            wrong = Account("rover", "wrong")
            assert await refusal(port, "pygnssutils", wrong) == "bad_account"
            assert await refusal(port, "OTHER", ACCOUNT) == "no_such_mount"
            table = await fetch_sourcetable(
                CasterAddress(host="127.0.0.1", port=port), clock=RealTime(), account=ACCOUNT
            )
        assert table.is_complete
        assert [stream.mount for stream in table.streams] == ["pygnssutils"]
        assert 1127 in dict(table.streams[0].details)

    async def test_frames_arrive_over_tls(self, tmp_path):
        certificates = Certificates(tmp_path)
        certificates.make()
        tls = ("--tls", "1", "--tlspempath", str(certificates.joined("good")))
        port = free_port()
        async with self.serving(port, tmp_path, "2.0", *tls) as feed:
            address = CasterAddress(host="localhost", port=port, is_tls=True)
            await relay(port, feed, mount="pygnssutils", address=address, tls=certificates.client())
