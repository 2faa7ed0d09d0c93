"""Clients and bases of other makers against the caster, really run here."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import shutil
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from bdgw.caster.content import Content
from tests.caster.rig import PASSWORD, PUSH_PASSWORD, USER, Rig, frame, until
from tests.conftest import read_capture, shared_data
from tests.publish.brokers import free_port

Start = Callable[..., Awaitable[asyncio.subprocess.Process]]

_GNSSNTRIPCLIENT = """
import sys, threading
from pygnssutils import GNSSNTRIPClient
version, port, mount, user, password, path, ca = sys.argv[1:]
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
client = GNSSNTRIPClient(None, tlscrtpath=ca)
with open(path, "wb") as output:
    client.run(server="localhost", port=int(port), mountpoint=mount, version=version,
               https=int(bool(ca)), selfsign=int(bool(ca)), ntripuser=user,
               ntrippassword=password, output=output, stopevent=stop, ggainterval=-1)
    stop.wait()
    client.stop()
"""
"""The command of pygnssutils 1.3.1 ends with a TypeError of its own, so its class is used."""


def need(program: str) -> str:
    found = shutil.which(program) or shutil.which(f"/usr/sbin/{program}")
    if found is None:
        absent(program)
    return str(found)


def absent(what: str) -> None:
    if os.environ.get("BDGW_REQUIRE") == "1":
        pytest.fail(f"{what} is required but not installed")
    pytest.skip(f"{what} is not installed")


def need_pygnssutils() -> None:
    if importlib.util.find_spec("pygnssutils") is None:
        absent("pygnssutils")


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    running: list[asyncio.subprocess.Process] = []

    async def begin(*command: object, **options: object) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.communicate()


async def end(process: asyncio.subprocess.Process, how: int = signal.SIGINT) -> str:
    if process.returncode is None:
        process.send_signal(how)
    try:
        out, errors = await asyncio.wait_for(process.communicate(), 10.0)
    except TimeoutError:
        process.kill()
        out, errors = await process.communicate()
    return (out + errors).decode(errors="replace")


def capture_frames() -> list[bytes]:
    data = read_capture(shared_data("gnss", "rtcm3", "msm.rtcm"))
    return Content().receive(data, now=0.0)


def has_more_than(rig: Rig, n_accepted: int) -> bool:
    return rig.snapshot().n_accepted > n_accepted


async def feed_all(rig: Rig, mount: str, frames: list[bytes]) -> None:
    for each in frames:
        rig.feed(mount, each)
        await asyncio.sleep(0.02)


def is_tail_of(data: bytes, frames: list[bytes], at_least: int) -> bool:
    """Whether ``data`` is the last so many frames, whole, in order, unchanged."""
    tails = {b"".join(frames[n:]) for n in range(len(frames) - at_least + 1)}
    return data in tails


async def test_str2str_as_a_client_writes_every_byte(rig, start, tmp_path):
    made, out = await rig(), tmp_path / "out.rtcm"
    url = f"ntrip://{USER}:{PASSWORD}@127.0.0.1:{made.port}/BASE"
    process = await start(need("str2str"), "-in", url, "-out", f"file://{out}")
    await made.has_clients(1)
    assert made.clients()[0].agent.startswith("NTRIP RTKLIB/")
    frames = capture_frames()
    await feed_all(made, "BASE", frames)
    # RTKLIB takes what follows the first line for data, so the blank line of the head is in it.
    expected = b"\r\n" + b"".join(frames)
    await until(lambda: out.exists() and out.stat().st_size >= len(expected))
    await end(process)
    assert out.read_bytes() == expected


async def test_str2str_with_a_wrong_password_or_mount_gets_nothing(rig, start):
    made = await rig()
    for url in (f"{USER}:wrong@127.0.0.1:{made.port}/BASE", f"127.0.0.1:{made.port}/NONE"):
        before = made.snapshot().n_accepted
        process = await start(need("str2str"), "-in", f"ntrip://{url}", "-out", "file:///dev/null")
        await until(partial(has_more_than, made, before))
        await until(lambda: made.snapshot().n_connections == 0)
        await end(process)
    assert set(made.snapshot().n_refused) == {
        "401 user name or password is wrong",
        "404 unknown mount",
    }


async def test_str2str_as_a_base_pushes_every_byte(rig, start):
    made = await rig()
    clients: list[asyncio.StreamWriter] = []
    source = await asyncio.start_server(lambda _, writer: clients.append(writer), "127.0.0.1", 0)
    port = source.sockets[0].getsockname()[1]
    out = f"ntrips://:{PUSH_PASSWORD}@127.0.0.1:{made.port}/PUSH"
    process = await start(need("str2str"), "-in", f"tcpcli://127.0.0.1:{port}", "-out", out)
    await until(lambda: clients and made.mount("PUSH").pusher is not None)
    pusher = made.mount("PUSH").pusher
    assert pusher is not None
    assert (pusher.dialect, pusher.agent[:12]) == ("source", "NTRIP RTKLIB")
    client = await made.listen("PUSH")
    frames = capture_frames()
    expected = b"".join(frames)
    # It forwards only once it has read OK itself, which it says nowhere.
    await asyncio.sleep(0.5)
    for each in frames:
        clients[0].write(each)
        await asyncio.sleep(0.01)
    assert await client.read(len(expected)) == expected
    assert b"".join(data for _, data in made.pushed) == expected
    await end(process)
    for writer in clients:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    source.close()
    await source.wait_closed()


@pytest.mark.parametrize(("version", "dialect"), [("1.0", "v1"), ("2.0", "v2")])
@pytest.mark.parametrize("is_tls", [False, True])
async def test_pygnssutils_reads_both_versions(
    rig, start, tmp_path, certificates, version, dialect, is_tls
):
    need_pygnssutils()
    context = None
    if is_tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certificates.server("good"))
    made, out = await rig(ssl_context=context), tmp_path / "out.rtcm"
    process = await start(
        *(sys.executable, "-c", _GNSSNTRIPCLIENT, version, made.port, "BASE", USER, PASSWORD),
        *(out, certificates.ca if is_tls else ""),
    )
    await made.has_clients(1)
    assert made.clients()[0].dialect == dialect
    assert made.clients()[0].agent.startswith("NTRIP pygnssutils/")
    frames = capture_frames()
    # It throws away what comes with the first reads, before it takes the stream for one.
    for lead in range(3):
        made.feed("BASE", frame(lead))
        await asyncio.sleep(0.2)
    await feed_all(made, "BASE", frames)
    await asyncio.sleep(0.3)
    assert process.stdin is not None
    process.stdin.close()
    await asyncio.wait_for(process.wait(), 20.0)
    leads = [frame(lead) for lead in range(3)]
    assert is_tail_of(out.read_bytes(), leads + frames, at_least=len(frames))


async def test_pygnssutils_reads_the_table(rig, start):
    need_pygnssutils()
    made = await rig()
    made.feed("BASE", capture_frames()[0])
    script = (
        "import queue, sys, time\nfrom pygnssutils import GNSSNTRIPClient\n"
        "found = queue.Queue()\nclient = GNSSNTRIPClient(None)\n"
        "client.run(server='127.0.0.1', port=int(sys.argv[1]), version=sys.argv[2],\n"
        "           output=found)\nprint([row[0] for row in found.get(timeout=9)[0]])\n"
    )
    for version in ("1.0", "2.0"):
        process = await start(sys.executable, "-c", script, made.port, version)
        out, errors = await asyncio.wait_for(process.communicate(), 20.0)
        assert out.decode().strip() == "['BASE', 'OPEN', 'PUSH']", errors.decode()


async def test_gpsd_finds_the_mount_in_the_table_and_hands_every_frame_on(rig, start):
    # gpsd reads the table first and goes on only if it understands the record of the mount.
    made, port = await rig(), free_port()
    url = f"ntrip://{USER}:{PASSWORD}@127.0.0.1:{made.port}/BASE"
    process = await start(need("gpsd"), "-N", "-n", "-S", port, url)
    await made.has_clients(1)
    assert made.clients()[0].agent.startswith("NTRIP gpsd/")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b'?WATCH={"enable":true,"raw":2};\n')
    raw = b""
    while b'"class":"WATCH"' not in raw:
        raw += await asyncio.wait_for(reader.read(4096), 10.0)
    frames = capture_frames()
    # The first packets go into finding out what the stream is.
    leads = [frames[0]] * 5
    await feed_all(made, "BASE", leads)
    await feed_all(made, "BASE", frames)
    while not raw.endswith(frames[-1]):
        raw += await asyncio.wait_for(reader.read(4096), 10.0)
    writer.close()
    await writer.wait_closed()
    await end(process)
    begin = raw.index(b"}\r\n", raw.index(b'"class":"WATCH"')) + 3
    assert is_tail_of(raw[begin:], leads + frames, at_least=len(frames))


async def test_curl_as_a_browser_a_client_and_a_base(rig, start, tmp_path):
    curl, made = need("curl"), await rig()
    url = f"http://127.0.0.1:{made.port}"

    async def ask(*options: object) -> str:
        process = await start(curl, "-sS", "-i", "-m", 10, *options)
        out, errors = await asyncio.wait_for(process.communicate(), 20.0)
        return str((out + errors).decode(errors="replace"))

    page = await ask("-H", "Accept: text/html", "-A", "Mozilla/5.0", f"{url}/")
    assert page.startswith("HTTP/1.1 200 OK\r\n")
    assert "<code>BASE</code>" in page
    table = await ask(f"{url}/")
    assert table.endswith("ENDSOURCETABLE\r\n")
    assert "401 Unauthorized" in await ask(f"{url}/BASE")
    assert "404 Not Found" in await ask(f"{url}/NONE")
    assert "200 OK" in await ask("-I", f"{url}/")
    # A base that posts in chunks and waits for 100.
    frames = capture_frames()
    body = tmp_path / "in.rtcm"
    body.write_bytes(b"".join(frames))
    headers = ("-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue")
    answer = await ask(
        *("-u", f"base:{PUSH_PASSWORD}", "-X", "POST", *headers, "-T", body, f"{url}/PUSH")
    )
    assert answer.startswith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    await until(lambda: b"".join(data for _, data in made.pushed) == b"".join(frames))
    # A client that takes the chunks off.
    out = tmp_path / "out.rtcm"
    process = await start(curl, "-sS", "-N", "-u", f"{USER}:{PASSWORD}", "-o", out, f"{url}/BASE")
    await made.has_clients(1)
    await feed_all(made, "BASE", frames)
    expected: bytes = b"".join(frames)
    await until(lambda: Path(out).exists() and Path(out).stat().st_size == len(expected))
    await end(process)
    assert out.read_bytes() == expected
