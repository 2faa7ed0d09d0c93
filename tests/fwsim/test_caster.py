"""The simulated caster on real sockets in virtual time: answers, streams, faults, judgement."""

import asyncio
import base64
import json
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from fwsim.ban import STRICT
from fwsim.capture import read_capture
from fwsim.caster import SimCaster
from fwsim.caster_frame import cut_frames, epoch_ms, number_of
from fwsim.caster_spec import CasterSpec, Event, MountSpec, load_caster
from fwsim.reply import DIALECTS
from fwsim.spec import SpecError
from tests.conftest import shared_data
from tests.support.spoken import sentence
from tests.support.virtual_loop import run_virtual

# Epochs fall 0.7 s after the whole seconds of the tests.
START_UTC_NS = 1_795_348_800_300_000_000
V1 = "GET /{mount} HTTP/1.0\r\nUser-Agent: NTRIP test/1\r\n{more}\r\n"
V2 = (
    "GET /{mount} HTTP/1.1\r\nHost: caster.example\r\nNtrip-Version: Ntrip/2.0\r\n"
    "User-Agent: NTRIP test/1\r\n{more}\r\n"
)
SHANGHAI = sentence("GPGGA,080000.00,3117.9640,N,12130.1980,E,1,12,0.6,20.0,M,10.3,M,,")
BEIJING = sentence("GPGGA,080000.00,3954.5232,N,11623.8488,E,1,12,0.6,59.9,M,-9.8,M,,")
NOWHERE = sentence("GPGGA,080000.00,,,,,0,00,99.9,,M,,M,,")


def recorded(name="A", **keys):
    """A mount with a small real stream of 2 Hz."""
    capture = shared_data("gnss", "rtcm3", "piksi-2Hz.rtcm3")
    return MountSpec(name=name, capture=capture, **keys)


def caster(*mounts, say=None, truth=None, stamp=None, **keys):
    spec = CasterSpec(mounts=mounts, start_utc_ns=START_UTC_NS, **keys)
    return SimCaster(spec, say=say, truth=truth, stamp=stamp)


class Client:
    """A bare connection: what came is in ``got``, and ``is_over`` when the caster has closed."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.got = b""
        self.is_over = False

    async def read(self, seconds):
        """Take what comes within so many virtual seconds; return only that."""
        new = b""
        try:
            async with asyncio.timeout(seconds):
                while part := await self.reader.read(65536):
                    new += part
                self.is_over = True
        except TimeoutError:
            pass
        except ConnectionError:
            self.is_over = True
        self.got += new
        return new

    async def close(self):
        self.writer.close()
        # Lets the caster see it before anything else happens.
        await asyncio.sleep(0.01)


async def connect(port, text="", mount="A", more="", **tls):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **tls)
    writer.write((text or V1).format(mount=mount, more=more).encode())
    return Client(reader, writer)


async def answer(port, text="", mount="A", more="", seconds=3.0):
    client = await connect(port, text, mount, more)
    await client.read(seconds)
    await client.close()
    return client


def basic(user, password):
    cell = base64.b64encode(f"{user}:{password}".encode()).decode()
    return f"Authorization: Basic {cell}\r\n"


def unchunked(data):
    """Take chunks apart, strictly."""
    body = b""
    while data:
        size, mark, rest = data.partition(b"\r\n")
        if not mark or len(rest) < int(size, 16) + 2:
            break
        assert rest[int(size, 16) :].startswith(b"\r\n")
        body += rest[: int(size, 16)]
        data = rest[int(size, 16) + 2 :]
    return body


def numbers(data):
    return [number_of(frame) for frame in cut_frames(data)]


STREAMS = sorted(
    name for name, dialect in DIALECTS.items() if dialect.is_stream and not dialect.dies
)


@pytest.mark.parametrize("dialect", STREAMS)
@pytest.mark.parametrize("text", [V1, V2])
def test_every_dialect_with_data_gives_the_frames_of_the_recording(dialect, text):
    async def main():
        async with caster(recorded(dialect=dialect)) as sim:
            client = await connect(sim.port, text)
            if dialect == "waits_for_gga":
                assert len(await client.read(60.0)) < 500
                client.writer.write(SHANGHAI)
            await client.read(10.0)
            await client.close()
            return client.got

    got = run_virtual(main())
    if (dialect, text) == ("v1_only", V2):
        assert got == b""
        return
    if (dialect, text) == ("v2_only", V1):
        assert got.startswith(b"HTTP/1.1 400 ")
        return
    first = list(cut_frames(read_capture(shared_data("gnss", "rtcm3", "piksi-2Hz.rtcm3"))))
    if b"chunked" in got[:400]:
        _, _, wire = got.partition(b"\r\n\r\n")
        body = unchunked(wire)
    else:
        begin = got.index(b"\xd3") if dialect != "stray_text" else 12
        body = got[begin:]
    frames = list(cut_frames(body))
    assert len(frames) > 20
    assert frames == first[: len(frames)]
    if dialect != "stray_text":
        assert body == b"".join(frames)


def test_chunks_end_inside_frames():
    async def main():
        async with caster(recorded(dialect="http_chunked")) as sim:
            return (await answer(sim.port, V2, seconds=5.0)).got

    _, _, wire = run_virtual(main()).partition(b"\r\n\r\n")
    body = unchunked(wire)
    n_frames = len(list(cut_frames(body)))
    frames_begin_in_the_middle = 0
    while wire:
        size, _, rest = wire.partition(b"\r\n")
        frames_begin_in_the_middle += rest[:1] != b"\xd3"
        wire = rest[int(size, 16) + 2 :]
    assert frames_begin_in_the_middle > n_frames / 2


@pytest.mark.parametrize(
    ("dialect", "begin"),
    [
        ("sourcetable_v1", b"SOURCETABLE 200 OK\r\nServer"),
        (
            "sourcetable_v2",
            b"HTTP/1.1 200 OK\r\nNtrip-Version: Ntrip/2.0\r\nContent-Type: gnss/sou",
        ),
        ("sourcetable_hybrid", b"SOURCETABLE 200 OK\r\nNtrip-Version: Ntrip/2.0\r\n"),
        ("unauthorised_v1", b"HTTP/1.0 401 "),
        ("unauthorised_v2", b"HTTP/1.1 401 "),
        ("unauthorised_table", b"SOURCETABLE 401 "),
        ("bad_password", b"ERROR - Bad Password\r\n"),
        ("forbidden", b"HTTP/1.1 403 "),
        ("not_found", b"HTTP/1.1 404 "),
        ("invalid_mount", b"ERROR - Mount Point Taken or Invalid\r\n"),
        ("taken", b"HTTP/1.1 409 "),
        ("already_connected", b"ERROR - User already connected\r\n"),
        ("unavailable", b"HTTP/1.1 503 "),
        ("html", b"HTTP/1.1 200 OK\r\nContent-Type: text/html"),
        ("closes_at_once", b""),
    ],
)
def test_every_refusal_says_it_and_closes(dialect, begin):
    async def main():
        async with caster(recorded(dialect=dialect)) as sim:
            client = await answer(sim.port, V2)
            assert client.is_over
            assert sim.counters()["offences"] == 0
            return client.got

    got = run_virtual(main())
    assert got.startswith(begin)
    assert bool(got) is bool(begin)


def test_a_connection_may_die_right_after_it_was_accepted():
    async def main():
        async with caster(recorded(dialect="dies_after_accept")) as sim:
            client = await answer(sim.port, seconds=1.5)
            assert client.is_over
            assert client.got.startswith(b"ICY 200 OK")
            assert sim.counters()["failures"] == 1

    run_virtual(main())


def test_no_reply_stays_open_and_says_nothing():
    async def main():
        async with caster(recorded(dialect="no_reply")) as sim:
            client = await answer(sim.port, seconds=100.0)
            assert not client.is_over
            assert client.got == b""

    run_virtual(main())


def test_without_gga_the_stream_stops_after_its_time_and_goes_on_with_one():
    async def main():
        async with caster(recorded(dialect="stops_without_gga", stop_s=300.0)) as sim:
            client = await connect(sim.port)
            assert await client.read(299.0)
            await client.read(2.0)
            assert await client.read(60.0) == b""
            client.writer.write(SHANGHAI)
            assert await client.read(10.0)
            client.writer.write(NOWHERE)
            await client.close()
            assert sim.counters()["ggas"] == 2

    run_virtual(main())


def test_slow_answers_and_answers_byte_by_byte():
    async def main():
        mounts = (recorded(reply_delay_s=5.0), recorded("B", drip_s=0.5, dialect="icy_headers"))
        async with caster(*mounts) as sim:
            slow = await connect(sim.port)
            assert await slow.read(4.9) == b""
            assert (await slow.read(0.5)).startswith(b"ICY 200 OK\r\n")
            dripping = await connect(sim.port, mount="B")
            assert 8 <= len(await dripping.read(5.0)) <= 12
            await slow.close()
            await dripping.close()

    run_virtual(main())


def test_tables_pages_and_unknown_mounts():
    async def main():
        async with caster(recorded(), recorded("B", needs_gga=True)) as sim:
            table = (await answer(sim.port, mount="")).got.decode()
            assert "STR;A;" in table
            assert table.endswith("ENDSOURCETABLE\r\n")
            rows = {
                row.split(";")[1]: row.split(";") for row in table.splitlines() if "STR;" in row
            }
            assert (rows["A"][11], rows["B"][11]) == ("0", "1")
            v2 = (await answer(sim.port, V2, mount="")).got
            assert b"gnss/sourcetable" in v2
            page = await answer(
                sim.port, "GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: Mozilla\r\n\r\n"
            )
            assert b"text/html" in page.got
            assert (await answer(sim.port, V2, mount="X")).got.startswith(b"HTTP/1.1 404")
            assert (await answer(sim.port, V1, mount="X")).got.startswith(b"SOURCETABLE 200")
            sim.change("B", "away")
            assert b"STR;B;" not in (await answer(sim.port, mount="")).got
            assert (await answer(sim.port, V1, mount="B")).got.startswith(b"SOURCETABLE 200")
            sim.change("B", "back")
            assert b"STR;B;" in (await answer(sim.port, mount="")).got

    run_virtual(main())


def test_credentials_are_asked_for_and_never_told():
    events: list[dict[str, object]] = []

    async def main():
        mount = recorded(authentication="basic", accounts=("rover",))
        accounts = {"rover": "canary", "other": "canary"}
        async with caster(mount, accounts=accounts, say=events.append) as sim:
            assert (await answer(sim.port)).got.startswith(b"HTTP/1.0 401")
            wrong = await answer(sim.port, V2, more=basic("rover", "wrong"))
            assert wrong.got.startswith(b"HTTP/1.1 401")
            assert (await answer(sim.port, more=basic("other", "canary"))).got.startswith(
                b"HTTP/1.0"
            )
            right = await answer(sim.port, more=basic("rover", "canary"))
            assert right.got.startswith(b"ICY 200 OK")
            assert sim.counters()["offences_by_kind"] == {"bad_credentials": 3}

    run_virtual(main())
    said = json.dumps(events)
    assert "canary" not in said
    assert base64.b64encode(b"rover:canary").decode() not in said
    assert [e["credentials"] for e in events if e["event"] == "request"][-1] == "basic"


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_a_mount_that_asks_for_digest_lets_curl_in(algorithm):
    """Curl answers the challenge by itself: an implementation of Digest that is not ours."""

    async def main():
        mount = recorded(authentication="digest", algorithm=algorithm)
        async with caster(mount, accounts={"rover": "pass"}, rules=STRICT) as sim:
            process = await asyncio.create_subprocess_exec(
                "curl",
                "-sS",
                "--digest",
                "--max-time",
                "1.5",
                "-u",
                "rover:pass",
                "-A",
                "NTRIP curl/1",
                "-H",
                "Ntrip-Version: Ntrip/2.0",
                f"http://127.0.0.1:{sim.port}/A",
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            out, _ = await process.communicate()
            assert sim.counters()["offences"] == 0
            return out

    assert len(numbers(asyncio.run(main()))) >= 4


def test_a_virtual_base_stands_where_the_client_is_and_follows_him():
    async def main():
        mount = MountSpec(name="A", is_virtual=True, systems="GC", position_every_s=1)
        async with caster(mount) as sim:
            client = await connect(sim.port)
            assert len(await client.read(30.0)) < 20
            client.writer.write(NOWHERE)
            assert await client.read(10.0) == b""
            client.writer.write(SHANGHAI)
            first = await client.read(5.0)
            client.writer.write(SHANGHAI)
            same = await client.read(5.0)
            client.writer.write(BEIJING)
            await client.read(0.1)
            second = await client.read(5.0)
            await client.close()
            return first, same, second

    from pyrtcm import RTCMReader

    places = []
    for data in run_virtual(main()):
        bases = [RTCMReader.parse(f) for f in cut_frames(data) if number_of(f) == 1005]
        assert len(bases) >= 4
        assert len({base.DF003 for base in bases}) == 1
        assert all(base.DF141 == 1 for base in bases)
        places.append((bases[0].DF003, bases[0].DF025, bases[0].DF026, bases[0].DF027))
    assert places[0] == places[1]
    assert places[0][0] != places[2][0]
    away_m = sum((a - b) ** 2 for a, b in zip(places[0][1:], places[2][1:], strict=True)) ** 0.5
    assert 1_050_000 < away_m < 1_090_000


def test_a_fence_keeps_out_who_is_too_far_away():
    async def main():
        mount = MountSpec(name="A", is_virtual=True, systems="G", fence_m=100_000.0)
        async with caster(mount) as sim:
            client = await connect(sim.port)
            client.writer.write(BEIJING)
            assert len(await client.read(30.0)) < 20
            client.writer.write(SHANGHAI)
            assert numbers(await client.read(10.0))
            client.writer.write(BEIJING)
            await client.read(1.0)
            assert await client.read(30.0) == b""
            await client.close()

    run_virtual(main())


def test_a_mount_may_accept_one_talker_only():
    async def main():
        async with caster(recorded(needs_gga=True, talkers=("GP",))) as sim:
            client = await connect(sim.port)
            client.writer.write(sentence(SHANGHAI.decode()[1:-5].replace("GPGGA", "GNGGA")))
            assert len(await client.read(5.0)) < 20
            client.writer.write(SHANGHAI)
            assert await client.read(5.0)
            await client.close()
            assert (sim.counters()["ggas"], sim.counters()["ggas_bad"]) == (1, 1)

    run_virtual(main())


def test_a_gga_in_the_header_counts():
    async def main():
        async with caster(recorded(needs_gga=True)) as sim:
            gga = SHANGHAI.decode().strip()
            client = await answer(sim.port, V2, more=f"Ntrip-GGA: {gga}\r\n")
            assert numbers(unchunked(client.got.partition(b"\r\n\r\n")[2]))

    run_virtual(main())


def test_changes_while_it_runs_silence_lumps_lateness_and_back():
    async def main():
        async with caster(MountSpec(name="A", systems="G")) as sim:
            client = await connect(sim.port)
            assert numbers(await client.read(5.0))
            sim.change("A", "silent")
            await client.read(1.5)
            assert await client.read(60.0) == b""
            sim.change("A", "none")
            assert numbers(await client.read(5.0))
            sim.change("A", "lumpy", hold_s=10.0)
            await client.read(1.0)
            lumps = []
            for _ in range(300):
                part = await client.read(0.1)
                if part:
                    lumps.append(len(set(map(epoch_ms, cut_frames(part))) - {None}))
            assert lumps[1:] == [10, 10]
            sim.change("A", "late", delay_s=7.0)
            await client.read(1.0)
            now_ms = sim.gpst_ns(sim.now_s()) // 1_000_000 % 604_800_000
            times = [t for f in cut_frames(await client.read(60.0)) if (t := epoch_ms(f))]
            assert now_ms - 8_000 <= times[0] <= now_ms
            assert times[-1] <= now_ms + 53_000
            await client.close()

    run_virtual(main())


@pytest.mark.parametrize(("fault", "key"), [("stale", {"age_s": 30.0}), ("no_base", {})])
def test_stale_epochs_and_missing_bases(fault, key):
    async def main():
        async with caster(MountSpec(name="A", systems="G", position_every_s=1)) as sim:
            client = await connect(sim.port)
            assert 1005 in numbers(await client.read(3.0))
            sim.change("A", fault, **key)
            await client.read(1.0)
            now_ms = sim.gpst_ns(sim.now_s()) // 1_000_000 % 604_800_000
            frames = list(cut_frames(await client.read(10.0)))
            await client.close()
            return now_ms, frames

    now_ms, frames = run_virtual(main())
    times = [t for frame in frames if (t := epoch_ms(frame)) is not None]
    assert times
    if fault == "stale":
        assert now_ms - 30_000 <= times[0] <= now_ms - 29_000
    else:
        assert 1005 not in set(map(number_of, frames))
        assert now_ms <= times[0] <= now_ms + 1_000


def test_a_station_moves_with_its_position_and_its_observations():
    async def main(parameters):
        async with caster(MountSpec(name="A", systems="G", position_every_s=1)) as sim:
            client = await connect(sim.port)
            await client.read(3.0)
            if parameters:
                sim.change("A", "moved", **parameters)
            await client.read(1.0)
            got = await client.read(3.0)
            await client.close()
            return got

    still = run_virtual(main({}))
    told = run_virtual(main({"east_m": 500.0, "is_told_only": True}))
    gone = run_virtual(main({"east_m": 500.0}))

    def parts(data):
        frames = list(cut_frames(data))
        bases = {f for f in frames if number_of(f) == 1005}
        return bases, [f for f in frames if number_of(f) == 1074]

    assert parts(still)[0] != parts(told)[0] == parts(gone)[0]
    assert parts(still)[1] == parts(told)[1] != parts(gone)[1]


def test_a_wrong_frame_is_announced_in_the_table_and_in_the_stream():
    async def main():
        async with caster(MountSpec(name="A", systems="G", position_every_s=1)) as sim:
            assert b";WGS84\r\n" in (await answer(sim.port, mount="")).got
            sim.change("A", "wrong_frame", frame="CGCS2000", itrf_year=0)
            assert b";CGCS2000\r\n" in (await answer(sim.port, mount="")).got
            sim.change("A", "none")
            assert b";WGS84\r\n" in (await answer(sim.port, mount="")).got

    run_virtual(main())


def test_sessions_end_by_command_and_the_door_closes_and_opens():
    async def main():
        async with caster(recorded(), recorded("B")) as sim:
            for action in ("close", "reset", "away"):
                client, other = await connect(sim.port), await connect(sim.port, mount="B")
                await client.read(2.0)
                sim.change("A", action)
                await client.read(1.0)
                assert client.is_over
                assert await other.read(2.0)
                await client.close()
                await other.close()
                sim.change("A", "none")
            port = sim.port
            client = await connect(port)
            sim.change("*", "refuse")
            with pytest.raises(ConnectionRefusedError):
                await connect(port)
            assert await client.read(2.0)
            sim.change("*", "accept")
            assert (await answer(port)).got
            sim.change("*", "restart", for_s=20.0)
            await client.read(1.0)
            assert client.is_over
            await client.close()
            await asyncio.sleep(18.0)
            with pytest.raises(ConnectionRefusedError):
                await connect(port)
            await asyncio.sleep(2.0)
            assert (await answer(port)).got
            assert sim.port == port

    run_virtual(main())


def test_the_timeline_happens_by_itself():
    timeline = (
        Event(at_s=20.0, mount="A", action="silent"),
        Event(at_s=40.0, mount="A", action="none"),
    )

    async def main():
        async with caster(recorded(), timeline=timeline) as sim:
            client = await connect(sim.port)
            assert await client.read(19.0)
            await client.read(2.0)
            assert await client.read(18.0) == b""
            assert await client.read(5.0)
            await client.close()

    run_virtual(main())


def test_a_strict_caster_counts_and_bans():
    async def main():
        mounts = (recorded(), recorded("B", authentication="basic"), recorded("S", dialect="taken"))
        async with caster(*mounts, accounts={"u": "p"}, rules=STRICT) as sim:
            # In order: every 10 s, GGA where it is wanted, one session an account.
            first = await connect(sim.port, mount="B", more=basic("u", "p"))
            await first.read(10.0)
            assert sim.counters()["offences"] == 0
            second = await answer(sim.port, mount="B", more=basic("u", "p"))
            assert second.got.startswith(b"ERROR - User already")
            first.writer.write(SHANGHAI * 3)
            await first.read(1.0)
            await first.close()
            await answer(sim.port, mount="Z")
            await answer(sim.port, "NONSENSE\r\n\r\n")
            await answer(sim.port, mount="S")
            await answer(sim.port, mount="S")
            assert sim.counters()["offences_by_kind"] == {
                "malformed": 1,
                "second_session": 1,
                "too_soon": 1,
                "unknown_mount": 1,
                "unwanted_gga": 1,
            }
            assert sim.counters()["bans"] == 0
            for i in range(5):
                await answer(sim.port, mount=f"Z{i}")
            assert sim.counters()["bans"] == 1
            assert (await answer(sim.port)).got == b""
            await asyncio.sleep(901.0)
            assert (await answer(sim.port)).got
            assert sim.counters()["turned_away"] >= 1

    run_virtual(main())


def test_the_truth_is_what_the_client_got_and_the_stamps_have_every_batch():
    truth: list[dict[str, object]] = []
    stamps: list[dict[str, object]] = []

    async def main():
        async with caster(recorded(), truth=truth.append, stamp=stamps.append) as sim:
            client = await connect(sim.port)
            await client.read(5.0)
            sim.change("A", "damaged", p=0.3)
            await client.read(5.0)
            await client.close()
            return client.got.removeprefix(b"ICY 200 OK\r\n\r\n")

    import hashlib

    got = run_virtual(main())
    at = 0
    for row in truth:
        piece = got[at : at + int(str(row["bytes"]))]
        assert hashlib.sha256(piece).hexdigest() == row["sha256"]
        if row["is_intact"]:
            assert row["number"] == number_of(piece)
        at += len(piece)
    assert at == len(got)
    assert {row["is_intact"] for row in truth} == {True, False}
    assert sum(int(str(row["bytes"])) for row in stamps) == len(got)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=caster.example"),
            *("-addext", "subjectAltName=DNS:caster.example"),
            *("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")),
        ],
        check=True,
        capture_output=True,
    )
    return folder


def test_tls_with_the_right_name_and_without(certificate: Path):
    async def main():
        keys = {
            "tls_port": 0,
            "certificate": certificate / "cert.pem",
            "key": certificate / "key.pem",
            "server_name": "caster.example",
        }
        async with caster(recorded(), **keys) as sim:
            trusting = ssl.create_default_context(cafile=certificate / "cert.pem")
            tls = {"ssl": trusting, "server_hostname": "caster.example"}
            client = await connect(sim.tls_port, V2, **tls)
            assert (await client.read(3.0)).startswith(b"HTTP/1.1 200 OK")
            await client.close()
            with pytest.raises((ssl.SSLError, ConnectionResetError)):
                await connect(sim.tls_port, V2, ssl=trusting, server_hostname="wrong.example")
            plain = await answer(sim.port)
            assert plain.got.startswith(b"ICY")

    run_virtual(main())


def test_two_hundred_clients_get_every_byte_and_a_stalled_one_hurts_nobody():
    async def main():
        async with caster(MountSpec(name="A", msm=7)) as sim:
            clients = [await connect(sim.port) for _ in range(200)]
            stalled = clients.pop()
            stalled.reader._limit = 1
            begin_s = time.process_time()
            got = await asyncio.gather(*(client.read(30.0) for client in clients))
            spent_s = time.process_time() - begin_s
            await asyncio.gather(*(client.close() for client in [*clients, stalled]))
            return got, spent_s

    got, spent_s = run_virtual(main())
    assert len({bytes(part) for part in got}) == 1
    assert len(numbers(got[0])) > 100
    # 30 s for 200 clients: far from a full core.
    assert spent_s < 15.0


def test_a_client_that_takes_nothing_is_put_out_before_it_fills_the_memory():
    async def main():
        async with caster(recorded()) as sim:
            stalled, reading = await connect(sim.port), await connect(sim.port)
            stalled.writer.transport.pause_reading()
            until_s = sim.now_s() + 20_000.0
            while sim.counters()["slow_clients"] == 0 and sim.now_s() < until_s:
                assert await reading.read(10.0)
            assert sim.counters()["slow_clients"] == 1
            assert await reading.read(10.0)
            assert not reading.is_over
            await stalled.close()
            await reading.close()

    run_virtual(main())


def test_nobody_listens_and_nothing_is_computed():
    async def main():
        async with caster(MountSpec(name="A", msm=7)):
            begin_s = time.process_time()
            await asyncio.sleep(100_000.0)
            return time.process_time() - begin_s

    assert run_virtual(main()) < 0.5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[mount]]\nname = "A"\ndialect = "icyy"', "dialect"),
        ('[[mount]]\nnam = "A"', "did you mean 'name'"),
        ('[[mount]]\nname = "A"\n[[timeline]]\nat_s = 1\naction = "silnt"', "'silent'"),
        ('[[mount]]\nname = "A"\n[[timeline]]\nat_s = 1\nmount = "B"', "no mount 'B'"),
        ('[[mount]]\nname = "A"\n[[mount]]\nname = "A"', "once only"),
        ('[caster]\ntls_port = 0\n[[mount]]\nname = "A"', "certificate"),
        ('[[mount]]\nname = "A"\n[mount.fault]\nkind = "lumpy"\nhold = 3', "no parameter 'hold'"),
        ("[[mount]\n", "Expected"),
    ],
)
def test_descriptions_that_cannot_be_followed_say_why(tmp_path, text, words):
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(SpecError, match=words):
        load_caster(path)


def test_the_scenario_of_the_project_loads_and_starts():
    path = Path(__file__).parents[2] / "firmware-sim" / "scenarios" / "caster.toml"

    async def main():
        from dataclasses import replace

        spec = replace(load_caster(path), port=0)
        async with SimCaster(spec) as sim:
            assert (await answer(sim.port, mount="BASE")).got.startswith(b"ICY 200 OK")
            await asyncio.sleep(max(event.at_s for event in spec.timeline) + 1.0)

    run_virtual(main())
