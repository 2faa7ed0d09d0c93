from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from bdgw.errors import UnavailableError
from bdgw.publish import embedded
from bdgw.publish.embedded import EmbeddedBroker
from tests.publish.brokers import free_port, until

PARENT = """
import asyncio, sys
from pathlib import Path
from bdgw.publish.embedded import EmbeddedBroker

async def main():
    async with EmbeddedBroker(Path(sys.argv[1])) as broker:
        print(broker.snapshot().pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_killed_child_comes_back_on_the_same_port(nats: EmbeddedBroker, subscriber):
    before = nats.snapshot()
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)
    await until(lambda: nats.snapshot().restarts == 1 and nats.snapshot().is_running)
    after = nats.snapshot()
    assert (after.url, after.last_exit) == (before.url, "signal 9")
    assert after.pid != before.pid
    subscriber(nats.port)


async def test_the_port_can_be_given_and_a_password_is_asked_for(tmp_path: Path):
    port = free_port()
    password = 'with "quotes" and ünicode'
    async with EmbeddedBroker(tmp_path, port=port, user="gw", password=password) as broker:
        assert broker.url == f"mqtt://127.0.0.1:{port}"
        stranger = EmbeddedBroker(tmp_path, port=port)
        stranger._port = port
        assert not await stranger._answers()
        assert (tmp_path / "broker" / "nats.conf").stat().st_mode & 0o077 == 0


async def test_nothing_is_left_after_the_end(tmp_path: Path):
    async with EmbeddedBroker(tmp_path) as broker:
        pid = broker.snapshot().pid
        assert pid is not None
    assert _is_gone(pid)
    assert not broker.snapshot().is_running


async def test_the_child_dies_with_its_parent(tmp_path: Path):
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    lines: list[bytes] = []
    while not lines or not lines[-1].strip().isdigit():
        lines.append(await asyncio.wait_for(parent.stdout.readline(), 20))
    pid = int(lines[-1])
    parent.kill()
    await parent.communicate()
    await until(lambda: _is_gone(pid), "child is gone")


def _is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


async def test_a_broken_set_up_is_told_at_once(tmp_path: Path):
    broker = EmbeddedBroker(tmp_path, host="192.0.2.1", port=free_port())
    started_s = time.monotonic()
    with pytest.raises(UnavailableError, match="cannot assign"):
        await broker.__aenter__()
    assert time.monotonic() - started_s < 5
    assert broker.snapshot().pid is None


async def test_without_the_wheel_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "_DISTRIBUTION", "no-such-distribution")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(UnavailableError, match="pip install"):
        await EmbeddedBroker(tmp_path).__aenter__()


async def test_an_absent_subscriber_cannot_fill_the_store(tmp_path, gateway, subscriber):
    async with EmbeddedBroker(tmp_path, max_store_bytes=4_000_000) as broker:
        subscriber(broker.port, "t/dev/#", session="gone").close()
        subject = gateway(broker.url)
        for number in range(1500):
            subject.put("t/dev/a/fix", b"%d" % number + b"x" * 5000)
        await subject.drained()
        assert subject.publisher.snapshot().connects == 1
        back = subscriber(broker.port, "t/dev/#", session="gone")
        await until(lambda: back.payloads() and back.payloads()[-1].startswith(b"1499"))
        assert 300 < len(back.payloads()) < 600
        await subject.stop()


async def test_the_bound_holds_with_a_password_too(tmp_path, gateway, capsys):
    async with EmbeddedBroker(tmp_path, user="gw", password="p") as broker:
        subject = gateway(broker.url, username="gw", password="p")
        await subject.connected()
        await subject.stop()
    assert "broker_unbounded" not in capsys.readouterr().out


async def test_another_broker_on_the_port_is_not_taken_for_the_child(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "_START_TIMEOUT_S", 3.0)
    async with EmbeddedBroker(tmp_path / "first") as first:
        second = EmbeddedBroker(tmp_path / "second", port=first.port)
        with pytest.raises(UnavailableError, match="address already in use"):
            await second.__aenter__()
        assert second.snapshot().is_running is False
