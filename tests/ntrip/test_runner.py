"""The client over real sockets, minutes of waiting in no time at all."""

from __future__ import annotations

import asyncio
import random
import socket
from itertools import pairwise

import pytest

from bdgw.errors import LinkError
from bdgw.ntrip.account import Account
from bdgw.ntrip.address import CasterAddress
from bdgw.ntrip.asking import fetch_sourcetable
from bdgw.ntrip.authentication import (
    Challenge,
    check_digest,
    format_digest_challenge,
    read_digest,
)
from bdgw.ntrip.client_event import ClientLimits
from bdgw.ntrip.courtesy import CasterMemory
from bdgw.ntrip.gate import AccountGate
from bdgw.ntrip.gga import GgaPolicy, GgaWhen
from bdgw.ntrip.probe import probe
from bdgw.ntrip.runner import NtripClientSpec
from bdgw.ntrip.state import ClientStatus
from tests.ntrip.dialogue import FRAME
from tests.ntrip.rig import (
    HERE,
    PlayedCaster,
    RealTime,
    VirtualTime,
    Visit,
    Watched,
    playing,
    running,
    until,
)

CANARY = "c4nary-s3cret"
NEVER = GgaPolicy(when=GgaWhen.NEVER)
ICY = b"ICY 200 OK\r\n\r\n"


def table(flags: bytes) -> bytes:
    row = b"STR;MP;x;RTCM3;1005;2;GPS;N;FRA;48.8;2.3;%b;g;none;N;N;9600;\r\n" % flags
    return b"SOURCETABLE 200 OK\r\n\r\n" + row + b"ENDSOURCETABLE\r\n"


def spec(caster: PlayedCaster, **more) -> NtripClientSpec:
    more.setdefault("gga", NEVER)
    return NtripClientSpec(address=caster.address, mount="MP", **more)


async def feed(visit: Visit, time: VirtualTime, seconds: int) -> None:
    """A frame a second, while the client's time passes."""
    visit.say(ICY)
    for _ in range(seconds):
        visit.say(FRAME)
        await visit.writer.drain()
        await time.sleep(1.0)


async def forever(visit: Visit) -> None:
    await visit.reader.read()


async def test_stream_comes_and_is_good_after_frames_for_a_while():
    time = VirtualTime()

    async def script(visit: Visit) -> None:
        await feed(visit, time, 50)
        await forever(visit)

    async with playing(script, time) as caster:
        watched = Watched(spec(caster), time)
        async with running(watched, time=time):
            await until(lambda: watched.client.snapshot().n_good == 1)
            shot = watched.client.snapshot()
            assert shot.state.status is ClientStatus.STREAMING
            assert shot.n_failures == 0
            assert shot.bytes_in == len(watched.body)
            assert shot.peer == f"127.0.0.1:{caster.port}"
            assert shot.dialect is not None
            assert shot.dialect.status_line == "ICY 200 OK"
        assert watched.statuses[:4] == ["connecting", "asking", "waiting_for_data", "unproven"]
        assert watched.statuses[-1] == "idle"
        assert bytes(watched.body).startswith(FRAME * 30)


FAULTS = [
    b"",
    b"ERROR - Bad Password\r\n",
    b"HTTP/1.1 404 Not Found\r\n\r\n",
    b"HTTP/1.1 503 Busy\r\nRetry-After: 30\r\n\r\n",
    ICY,
    ICY + FRAME,
    table(b"0;0"),
    b"\x00\xff garbage \r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>",
    b"HTTP/1.1 200 OK\r\nContent-Type: gnss/data\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\nz",
    None,  # takes the request and says nothing
    b"reset",
    b"good",
]


async def test_five_hundred_faults_and_never_a_step_too_near():
    time, rng = VirtualTime(), random.Random(7)
    kinds: list[bytes | None] = []

    async def script(visit: Visit) -> None:
        fault = rng.choice(FAULTS)
        kinds.append(fault)
        if fault is None:
            await forever(visit)
        elif fault == b"reset":
            visit.writer.transport.abort()
        elif fault == b"good":
            await feed(visit, time, 33)
        else:
            visit.say(fault)

    async with playing(script, time) as caster:
        limits = ClientLimits(reply_s=20.0)
        watched = Watched(spec(caster, account=Account("rover", CANARY), limits=limits), time)
        async with running(watched, time=time):
            await until(lambda: len(kinds) >= 500, timeout_s=100.0)
            shot = watched.client.snapshot()
    assert set(kinds) == set(FAULTS)
    steps = [b - a for a, b in pairwise(caster.came_at_s)]
    # A caster that bans like the strict ones counts visits closer than 10 s.
    assert sum(step < 10.0 for step in steps) == 0
    assert caster.n_open_most == 1
    assert shot.n_good > 10
    refused = (b"ERROR - Bad Password\r\n", b"HTTP/1.1 404 Not Found\r\n\r\n", table(b"0;0"))
    for kind, step in zip(kinds, steps, strict=False):
        if kind in refused:
            assert step >= 300.0
        elif kind not in (None, b"good", ICY + FRAME):
            assert step <= 900.0 + 60.0
    assert shot.n_attempts - sum(shot.n_lost.values()) in (0, 1)  # the last one may be on
    told = watched.reasons + repr(watched.states) + repr(shot) + repr(spec(caster))
    assert CANARY not in told


async def test_version_1_is_tried_after_silence_and_remembered():
    time = VirtualTime()

    async def script(visit: Visit) -> None:
        if b"HTTP/1.1" in visit.head:
            await forever(visit)
        else:
            await feed(visit, time, 5)

    async with playing(script, time) as caster:
        watched = Watched(spec(caster), time)
        async with running(watched, time=time):
            await until(lambda: len(caster.visits) >= 4)
    versions = [visit.head.split(b"\r\n")[0][-3:] for visit in caster.visits]
    assert versions[:4] == [b"1.1", b"1.0", b"1.0", b"1.0"]


async def test_version_2_is_kept_after_a_plain_refusal():
    time = VirtualTime()

    async def script(visit: Visit) -> None:
        visit.say(b"HTTP/1.1 401 Unauthorized\r\n\r\n")

    async with playing(script, time) as caster:
        watched = Watched(spec(caster), time)
        async with running(watched, time=time):
            await until(lambda: len(caster.visits) >= 3)
    assert all(b" HTTP/1.1\r\n" in visit.head for visit in caster.visits)
    assert "mount needs an account" in watched.reasons


async def test_flagged_mount_is_asked_again_only_once_a_position_is_known():
    time = VirtualTime()
    fixes = [None] * 40
    fix_of = iter([*fixes])

    async def script(visit: Visit) -> None:
        if visit.path == "/":
            visit.say(table(b"1;0"))
            return
        visit.say(ICY)
        await visit.hear(b"$GPGGA,")
        visit.say(FRAME)
        await forever(visit)

    async with playing(script, time) as caster:
        policy = GgaPolicy(period_s=10.0)
        watched = Watched(spec(caster, gga=policy), time, position=lambda: next(fix_of, HERE))
        async with running(watched, time=time):
            await until(lambda: (caster.visits and watched.states[-1].status == "resting") or
                        "waiting_for_position" in watched.statuses)  # fmt: skip
            await until(lambda: bytes(watched.body) == FRAME)
            visit = caster.visits[2]
            shot = watched.client.snapshot()
            assert shot.sends_position
            assert shot.position_rule == "the sourcetable says that the mountpoint wants a position"
    assert [each.path for each in caster.visits] == ["/MP", "/", "/MP"]
    assert b"GGA" not in caster.visits[0].head + bytes(caster.visits[0].received)
    assert "waiting for a position: the sourcetable says" in watched.reasons
    assert caster.came_at_s[1] - caster.came_at_s[0] >= 10.0
    assert caster.came_at_s[2] - caster.came_at_s[1] >= 30.0
    header = visit.head.partition(b"Ntrip-GGA: ")[2].partition(b"\r\n")[0]
    assert header.startswith(b"$GPGGA,")
    assert header in visit.received
    assert not header.startswith(b"$GPGGA,,,")


async def test_the_stream_comes_first_and_the_table_beside_it_without_the_account():
    time = VirtualTime()
    gate = AccountGate()

    async def script(visit: Visit) -> None:
        if visit.path == "/":
            visit.say(table(b"0;0"))
            return
        await feed(visit, time, 100)
        await forever(visit)

    async with playing(script, time) as caster:
        account = Account("rover", CANARY)
        watched = Watched(
            spec(caster, gga=GgaPolicy(), account=account), time, position=lambda: HERE, gate=gate
        )
        began_s = time.monotonic_s()
        async with running(watched, time=time):
            await until(lambda: gate.memory(caster.address).table is not None)
            await until(lambda: watched.client.snapshot().n_frames > 60)
            shot = watched.client.snapshot()
    assert caster.came_at_s[0] == began_s
    assert [each.path for each in caster.visits] == ["/MP", "/"]
    assert b"Authorization" not in caster.visits[1].head
    assert caster.came_at_s[1] - began_s >= 30.0
    assert shot.position_rule == "the sourcetable says that the mountpoint does not want a position"
    assert shot.n_lost == {}
    assert shot.n_positions == 0


async def test_a_mount_named_like_one_for_a_position_waits_for_the_table():
    time = VirtualTime()

    async def script(visit: Visit) -> None:
        if visit.path == "/":
            visit.say(table(b"0;0").replace(b"MP", b"NEAR"))
            return
        await feed(visit, time, 5)
        await forever(visit)

    async with playing(script, time) as caster:
        asked = NtripClientSpec(address=caster.address, mount="NEAR", gga=GgaPolicy())
        watched = Watched(asked, time, position=lambda: HERE)
        async with running(watched, time=time):
            await until(lambda: len(watched.body) >= 5 * len(FRAME))
    assert [each.path for each in caster.visits] == ["/", "/NEAR"]
    assert b"GGA" not in caster.visits[1].head


async def test_an_attempt_that_ends_at_once_lets_the_table_speak_before_the_next():
    """A network caster that closes on whoever does not say where he is."""
    time = VirtualTime()

    async def script(visit: Visit) -> None:
        if visit.path == "/":
            visit.say(table(b"1;1"))
            return
        visit.say(ICY)
        if b"Ntrip-GGA" in visit.head:
            await feed(visit, time, 5)

    async with playing(script, time) as caster:
        watched = Watched(spec(caster, gga=GgaPolicy()), time, position=lambda: HERE)
        async with running(watched, time=time):
            await until(lambda: len(watched.body) >= 3 * len(FRAME))
    assert [each.path for each in caster.visits][:3] == ["/MP", "/", "/MP"]
    assert min(b - a for a, b in pairwise(caster.came_at_s)) >= 10.0


async def test_unflagged_mount_is_told_nothing():
    time = VirtualTime()

    async def script(visit: Visit) -> None:
        if visit.path == "/":
            visit.say(table(b"0;0"))
            return
        await feed(visit, time, 12)
        await forever(visit)

    async with playing(script, time) as caster:
        watched = Watched(spec(caster, gga=GgaPolicy()), time, position=lambda: HERE)
        async with running(watched, time=time):
            await until(lambda: len(caster.visits) >= 3)
            shot = watched.client.snapshot()
    assert shot.n_positions == 0
    assert all(b"GGA" not in visit.head for visit in caster.visits)
    assert "nothing came for 30 s" in watched.reasons


async def test_silent_mount_of_a_caster_without_table_gets_a_position_and_is_remembered():
    time = VirtualTime()

    async def script(visit: Visit) -> None:
        if visit.path == "/":
            visit.say(b"HTTP/1.1 501 No table here\r\n\r\n")
            return
        visit.say(ICY)
        if len(caster.visits) > 2:
            assert b"Ntrip-GGA" in visit.head
        await visit.hear(b"$GPGGA,")
        visit.say(FRAME)
        await time.sleep(5.0)

    async with playing(script, time) as caster:
        watched = Watched(spec(caster, gga=GgaPolicy()), time, position=lambda: HERE)
        async with running(watched, time=time):
            await until(lambda: len(watched.body) >= 2 * len(FRAME))
            rule = watched.client.snapshot().position_rule
    assert rule == "the mountpoint spoke only after it was told a position"


async def test_stream_that_stops_without_positions_is_given_one():
    """A network caster that gives data for 300 s and then wants to know where we are."""
    time = VirtualTime()

    async def script(visit: Visit) -> None:
        if visit.path == "/":
            visit.say(table(b";"))
            return
        await feed(visit, time, 300)
        await visit.hear(b"$GPGGA,")
        visit.say(b"\xd3after")
        await forever(visit)

    async with playing(script, time) as caster:
        watched = Watched(spec(caster, gga=GgaPolicy()), time, position=lambda: HERE)
        async with running(watched, time=time):
            await until(lambda: watched.body.endswith(b"after"))
            assert watched.client.snapshot().n_accepted == 1


async def test_silent_mount_without_a_position_says_what_it_waits_for():
    time = VirtualTime()

    async def script(visit: Visit) -> None:
        visit.say(table(b";") if visit.path == "/" else ICY)
        await forever(visit)

    async with playing(script, time) as caster:
        watched = Watched(spec(caster, gga=GgaPolicy()), time)
        async with running(watched, time=time):
            await until(lambda: "does the caster wait for a position?" in watched.reasons)
    assert "granted but silent" in watched.reasons


async def test_position_is_sent_again_by_period_and_at_once_after_a_move():
    time = VirtualTime()
    sent_at_s: list[float] = []
    here = [HERE]

    async def script(visit: Visit) -> None:
        visit.say(ICY)
        while line := await visit.reader.readline():
            assert line.startswith(b"$GPGGA,")
            sent_at_s.append(time.monotonic_s())
            visit.say(FRAME)

    async with playing(script, time) as caster:
        policy = GgaPolicy(when=GgaWhen.ALWAYS, period_s=10.0)
        watched = Watched(spec(caster, gga=policy), time, position=lambda: here[0])
        async with running(watched, time=time):
            await until(lambda: len(sent_at_s) >= 4)
            moved = type(HERE)(kind=HERE.kind, tod_utc_ns=0, lat_deg=31.4, lon_deg=121.5)
            here[0] = moved
            await until(lambda: len(sent_at_s) >= 6)
    steps = [b - a for a, b in pairwise(sent_at_s)]
    assert all(step == pytest.approx(10.0, abs=1.1) for step in steps[:3])
    assert min(steps[3:]) <= 2.0


async def test_bytes_that_are_no_frames_are_said_to_be_none():
    time = VirtualTime()

    async def script(visit: Visit) -> None:
        visit.say(ICY)
        while True:
            visit.say(b"f\x59 RTCM 2 looks like this")
            await time.sleep(1.0)

    async with playing(script, time) as caster:
        watched = Watched(spec(caster), time)
        async with running(watched, time=time):
            await until(lambda: "no valid RTCM 3 frame" in watched.reasons)
            assert watched.client.snapshot().n_good == 0
            await until(lambda: watched.client.snapshot().n_lost == {"no_frames": 1})


async def test_two_clients_of_one_account_do_not_meet_and_share_the_floor(
    monkeypatch: pytest.MonkeyPatch,
):
    time = VirtualTime()
    gate = AccountGate()
    # When attempts begin, not when they are accepted: virtual time may run on in between.
    began_s: list[float] = []
    attempt = CasterMemory.attempt

    def noted(memory: CasterMemory, *, now: float) -> None:
        began_s.append(now)
        attempt(memory, now=now)

    monkeypatch.setattr(CasterMemory, "attempt", noted)

    async def script(visit: Visit) -> None:
        await feed(visit, time, 3)

    account = Account("rover", CANARY)
    async with playing(script, time) as caster:
        first = Watched(spec(caster, account=account), time, gate=gate)
        second = Watched(spec(caster, account=account), time, gate=gate, seed=2)
        third = Watched(spec(caster, account=Account("b", "c")), time, gate=gate, seed=3)
        async with running(first, second, third, time=time):
            await until(lambda: first.client.snapshot().n_attempts >= 8)
            assert second.client.snapshot().n_attempts == 0
            assert second.states[-1].status is ClientStatus.WAITING_FOR_ACCOUNT
            assert third.client.snapshot().n_attempts >= 3
    assert len(began_s) >= len(caster.came_at_s) >= 11
    assert min(b - a for a, b in pairwise(began_s)) >= 10.0


async def test_digest_is_answered_in_a_second_attempt_and_kept():
    time = VirtualTime()
    account = Account("rover", CANARY)
    challenge = Challenge(
        scheme="digest", realm="r", nonce="n1", algorithm="SHA-256", qop=("auth",)
    )
    counts: list[str] = []

    async def script(visit: Visit) -> None:
        given = visit.head.decode().partition("Authorization: ")[2].partition("\r\n")[0]
        reply = read_digest(given)
        if reply is None:
            assert given.startswith("Basic ")
            asked = format_digest_challenge(challenge)
            visit.say(b"HTTP/1.1 401 No\r\nWWW-Authenticate: %b\r\n\r\n" % asked.encode())
            return
        assert reply.uri == "/MP"
        assert check_digest(reply, account, method="GET")
        counts.append(reply.nc)
        await feed(visit, time, 3)

    async with playing(script, time) as caster:
        watched = Watched(spec(caster, account=account), time)
        async with running(watched, time=time):
            await until(lambda: len(counts) >= 3)
    assert counts[:3] == ["00000001", "00000002", "00000003"]
    assert caster.came_at_s[1] - caster.came_at_s[0] <= 21.0
    assert CANARY not in watched.reasons


async def test_name_that_is_not_found_and_port_that_is_closed_are_told_apart():
    with socket.socket() as probe_socket:
        probe_socket.bind(("127.0.0.1", 0))
        port = probe_socket.getsockname()[1]
    for host, cause in (("no-such-host.invalid", "dns"), ("127.0.0.1", "network")):
        time = VirtualTime()
        address = CasterAddress(host=host, port=port)
        watched = Watched(NtripClientSpec(address=address, mount="MP", gga=NEVER), time)
        async with running(watched, time=time):
            await until(lambda: len(watched.client.snapshot().n_lost) > 0)  # noqa: B023
            assert list(watched.client.snapshot().n_lost) == [cause]


async def test_stopping_at_any_moment_leaves_nothing_open():
    time = RealTime()

    async def script(visit: Visit) -> None:
        visit.say(ICY)
        for _ in range(5):
            visit.say(FRAME)
            await asyncio.sleep(0.003)
        await forever(visit)

    async with playing(script) as caster:
        for delay_ms in range(0, 24, 2):
            watched = Watched(spec(caster), time)
            async with running(watched):
                await asyncio.sleep(delay_ms / 1000)
        await until(lambda: caster.n_open == 0)


async def test_owners_fault_ends_the_client_and_is_not_swallowed():
    async def script(visit: Visit) -> None:
        visit.say(ICY + FRAME)
        await forever(visit)

    async with playing(script) as caster:
        watched = Watched(spec(caster), RealTime())

        def broken(data: bytes, now: float) -> None:
            raise ZeroDivisionError

        watched.client._on_body = broken
        with pytest.raises(ZeroDivisionError):
            async with asyncio.timeout(5):
                await watched.client.run()


async def test_caster_that_takes_nothing_is_given_up_apart_from_silence():
    """The caster still sends, but its own inbox is full: no read silence, a write stall."""
    time = RealTime(0.02)
    gga = GgaPolicy(when=GgaWhen.ALWAYS, period_s=1.0)

    async def script(visit: Visit) -> None:
        sock = visit.writer.get_extra_info("socket")
        visit.reader._transport.pause_reading()  # type: ignore[attr-defined]
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        visit.say(ICY)
        while True:
            visit.say(FRAME)
            await asyncio.sleep(0.02)

    async with playing(script) as caster:
        watched = Watched(spec(caster, gga=gga, write_stall_s=0.3), time, position=lambda: HERE)
        async with running(watched):
            await until(lambda: watched.client._talk is not None and watched.body)
            talk = watched.client._talk
            assert talk is not None
            transport = talk._link._transport
            assert transport is not None
            transport.write(b"x" * 8_000_000)  # fills both kernels' buffers
            await until(lambda: watched.client.snapshot().n_lost.get("write_stalled"))
            assert "took nothing for 0.3 s" in watched.reasons


async def test_table_is_fetched_in_version_1_after_silence():
    time = VirtualTime()

    async def script(visit: Visit) -> None:
        if b"HTTP/1.1" not in visit.head:
            visit.say(table(b"0;0"))

    async with playing(script, time) as caster, running(time=time):
        found = await fetch_sourcetable(caster.address, clock=time, sleep=time.sleep)
    assert [stream.mount for stream in found.streams] == ["MP"]
    assert caster.came_at_s[1] - caster.came_at_s[0] >= 10.0


async def test_no_table_says_why():
    async def script(visit: Visit) -> None:
        visit.say(b"HTTP/1.1 403 Forbidden\r\n\r\n")

    async with playing(script) as caster:
        with pytest.raises(LinkError, match="does not allow"):
            await fetch_sourcetable(caster.address, clock=RealTime())


async def look(caster: PlayedCaster, **more):
    got = bytearray()
    result = await probe(
        caster.address,
        "MP",
        seconds=0.2,
        clock=RealTime(),
        on_body=lambda data, _: got.extend(data),
        gap_s=0.01,
        **more,
    )
    return result, bytes(got)


async def test_probe_tells_the_dialect_and_the_record():
    async def script(visit: Visit) -> None:
        if visit.path == "/":
            visit.say(table(b"0;1"))
        else:
            visit.say(b"ICY 200 OK\r\n")
            await asyncio.sleep(0.05)
            visit.say(FRAME)
            await forever(visit)

    async with playing(script) as caster:
        result, got = await look(caster, position=HERE)
    assert got == FRAME
    assert result.n_bytes == len(FRAME)
    assert result.is_granted
    assert result.problem == ""
    assert result.cause is None
    assert result.record is not None
    assert result.record.is_network is True
    assert result.n_positions == 1
    assert result.first_byte_s is not None
    assert 0.0 < result.first_byte_s < 1.0
    assert result.dialect is not None
    assert set(result.dialect.quirks) == {
        "ICY answer to a version 2 request",
        "no blank line after the head",
    }


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", "mount needs an account"),
        (table(b"0;0").replace(b";MP;", b";X;"), "no such mountpoint"),
        (ICY, "the caster waits for a position"),
        (b"<html>", "is this a caster"),
    ],
)
async def test_probe_says_why_nothing_comes(answer, problem):
    async def script(visit: Visit) -> None:
        visit.say(b"HTTP/1.1 404 Not Found\r\n\r\n" if visit.path == "/" else answer)
        if answer == ICY:
            await forever(visit)

    async with playing(script) as caster:
        result, got = await look(caster)
    assert problem in result.problem
    assert got == b""
    assert "no such mountpoint" in result.table_problem


@pytest.mark.parametrize("password", [CANARY, "wrong-one"])
async def test_probe_answers_a_digest_once(password):
    challenge = Challenge(scheme="digest", realm="c", nonce="n0nce", qop=("auth",))

    async def script(visit: Visit) -> None:
        if visit.path == "/":
            visit.say(table(b"0;0"))
            return
        given = visit.head.partition(b"Authorization: ")[2].partition(b"\r\n")[0].decode()
        reply = read_digest(given)
        if reply is not None and check_digest(reply, Account("rover", CANARY), method="GET"):
            visit.say(ICY + FRAME)
            await forever(visit)
        else:
            header = format_digest_challenge(challenge)
            visit.say(
                b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: %b\r\n\r\n" % header.encode()
            )

    async with playing(script) as caster:
        result, got = await look(caster, account=Account("rover", password))
    assert [visit.path for visit in caster.visits] == ["/", "/MP", "/MP"]
    if password == CANARY:
        assert got == FRAME
        assert result.cause is None
    else:
        assert result.cause == "bad_account"
    assert CANARY not in repr(result)


async def test_probe_tries_the_other_version_after_silence():
    async def script(visit: Visit) -> None:
        if b"HTTP/1.1" not in visit.head and visit.path != "/":
            visit.say(ICY + FRAME)
            await forever(visit)

    async with playing(script) as caster:
        result, got = await look(caster)
    assert got == FRAME
    assert result.asked == "1"
    assert "closed without an answer" in result.table_problem
