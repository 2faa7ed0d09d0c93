import asyncio
import random
import socket

import pytest

from bdgw.caster import (
    Caster,
    CasterSpec,
    MountKind,
    MountSpec,
    Password,
    Pusher,
    User,
    UserTable,
    hash_password,
)
from bdgw.ntrip.chunk import ChunkDecoder
from bdgw.ntrip.sourcetable import parse_sourcetable
from tests.caster.rig import (
    MOUNTS,
    NTRIP,
    PASSWORD,
    PUSH_PASSWORD,
    STATION,
    USER,
    USERS,
    V2,
    basic,
    frame,
    sentence,
    until,
)

GGA_BEIJING = (
    "$GNGGA,163545.00,3954.5232000,N,11623.8488000,E,4,28,0.6,59.876,M,-9.753,M,1.0,2025*77\r\n"
)


async def test_frames_reach_every_client_byte_for_byte(rig):
    made = await rig()
    first, second = await made.listen(), await made.listen()
    chunked = await made.dial(f"GET /BASE HTTP/1.1\r\n{V2}{basic()}\r\n")
    assert "Transfer-Encoding: chunked" in await chunked.head()
    await made.has_clients(3)
    frames = [frame(number) for number in range(5)]
    for each in frames:
        made.feed("BASE", each)
    expected = b"".join(frames)
    assert await first.read(len(expected)) == expected
    assert await second.read(len(expected)) == expected
    decoder = ChunkDecoder()
    body = b""
    while len(body) < len(expected):
        body += decoder.feed(await chunked.reader.read(4096))
    assert body == expected


async def test_feeding_in_pieces_sends_whole_frames(rig):
    made = await rig()
    client = await made.listen("OPEN", NTRIP)
    data = b"noise" + frame(1) + b"\xd3\x00" + frame(2)
    for byte in data:
        made.feed("OPEN", bytes([byte]))
    assert await client.read(400) == frame(1) + frame(2)
    assert made.mount("OPEN").skipped_bytes == 7


async def test_a_mount_that_is_pushed_to_is_not_fed(rig):
    made = await rig()
    with pytest.raises(ValueError, match="PUSH"):
        made.feed("PUSH", b"")
    with pytest.raises(KeyError):
        made.feed("NONE", b"")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (NTRIP, "HTTP/1.0 401 Unauthorized"),
        (NTRIP + basic(password="wrong"), "HTTP/1.0 401 Unauthorized"),
        (NTRIP + basic(user="nobody"), "HTTP/1.0 401 Unauthorized"),
        (NTRIP + "Authorization: Bearer x\r\n", "HTTP/1.0 401 Unauthorized"),
        (V2, "HTTP/1.1 401 Unauthorized"),
    ],
)
async def test_without_the_right_account_there_is_no_data(rig, headers, status):
    made = await rig()
    peer = await made.dial(f"GET /BASE HTTP/1.1\r\n{headers}\r\n")
    answer = (await peer.rest()).decode()
    assert answer.startswith(status)
    assert "WWW-Authenticate: Basic" in answer
    assert made.clients() == []


async def test_an_open_mount_takes_everybody(rig):
    made = await rig()
    for headers in (NTRIP, NTRIP + basic(user="anon", password="whatever")):
        await made.listen("OPEN", headers)
    assert [each.user for each in made.clients()] == [None, None]


async def test_an_account_opens_only_its_mounts(rig):
    users = UserTable(users=(User(name=USER, password=Password(PASSWORD), mounts=("OTHER",)),))
    made = await rig(users=users)
    peer = await made.dial(f"GET /BASE HTTP/1.0\r\n{NTRIP}{basic()}\r\n")
    assert (await peer.rest()).startswith(b"HTTP/1.0 403 Forbidden")


async def test_an_unknown_mount_is_the_table_in_version_1_and_404_in_version_2(rig):
    made = await rig()
    old = await made.dial(f"GET /NONE HTTP/1.0\r\n{NTRIP}\r\n")
    table = await old.rest()
    assert table.startswith(b"SOURCETABLE 200 OK\r\n")
    read = parse_sourcetable(table)
    assert [stream.mount for stream in read.streams] == ["BASE", "OPEN", "PUSH"]
    assert read.casters[0].host == "127.0.0.1"
    assert read.casters[0].port == made.port
    new = await made.dial(f"GET /NONE HTTP/1.1\r\n{V2}\r\n")
    assert (await new.rest()).startswith(b"HTTP/1.1 404 Not Found")
    page = await made.dial("GET /favicon.ico HTTP/1.1\r\nAccept: text/html\r\n\r\n")
    assert (await page.rest()).startswith(b"HTTP/1.1 404 Not Found")


async def test_the_table_is_measured(rig):
    made = await rig()
    made.feed("BASE", STATION)
    peer = await made.dial(f"GET / HTTP/1.0\r\n{NTRIP}\r\n")
    stream = parse_sourcetable(await peer.rest()).streams[0]
    assert stream.details == ((1005, None),)
    # Source: the example of the standard, X 1114104.5999, Y -4850729.7108, Z 3975521.4643 m.
    assert stream.lat_deg == pytest.approx(38.80, abs=0.01)
    assert stream.lon_deg == pytest.approx(-77.07, abs=0.01)
    assert stream.authentication == "B"


async def test_a_base_pushes_and_clients_and_gateway_get_it(rig):
    made = await rig()
    client = await made.listen("PUSH")
    base = await made.push()
    base.send(b"\r\n" + frame(1) + frame(2)[:50])
    assert await client.read(200) == frame(1)
    base.send(frame(2)[50:])
    assert await client.read(200) == frame(2)
    assert b"".join(data for _, data in made.pushed) == frame(1) + frame(2)
    assert {mount for mount, _ in made.pushed} == {"PUSH"}
    await base.close()
    await until(lambda: made.mount("PUSH").pusher is None)
    assert len(made.clients()) == 1  # clients stay: the base will come back
    again = await made.push()
    again.send(frame(3))
    assert await client.read(200) == frame(3)


async def test_a_base_of_version_2_pushes_in_chunks(rig):
    made = await rig()
    client = await made.listen("PUSH")
    head = f"POST /PUSH HTTP/1.1\r\n{V2}{basic('base', PUSH_PASSWORD)}"
    base = await made.dial(f"{head}Transfer-Encoding: chunked\r\n\r\n")
    assert (await base.head()).startswith("HTTP/1.1 200 OK")
    base.send(b"64\r\n" + frame(1)[:100] + b"\r\n64\r\n" + frame(1)[100:] + b"\r\n0\r\n\r\n")
    assert await client.read(200) == frame(1)
    assert await base.rest() == b""


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("SOURCE wrong /PUSH", b"ERROR - Bad Password\r\n"),
        (f"SOURCE {PUSH_PASSWORD} /BASE", b"ERROR - Mount Point Taken or Invalid\r\n"),
        (f"SOURCE {PUSH_PASSWORD} /NONE", b"ERROR - Mount Point Taken or Invalid\r\n"),
        (f"SOURCE {PASSWORD} /PUSH", b"ERROR - Bad Password\r\n"),
    ],
)
async def test_a_base_without_the_right_credential_is_refused(rig, line, answer):
    made = await rig()
    peer = await made.dial(f"{line}\r\n\r\n")
    assert await peer.rest() == answer


async def test_a_working_base_is_not_pushed_out_and_a_silent_one_is(rig):
    made = await rig(takeover_s=0.3)
    first = await made.push()
    first.send(frame(1))
    await until(lambda: made.pushed)
    second = await made.dial(f"SOURCE {PUSH_PASSWORD} /PUSH\r\n\r\n")
    assert await second.rest() == b"ERROR - Mount Point Taken or Invalid\r\n"
    post = await made.dial(f"POST /PUSH HTTP/1.1\r\n{V2}{basic('b', PUSH_PASSWORD)}\r\n")
    assert (await post.rest()).startswith(b"HTTP/1.1 409 Conflict")
    await asyncio.sleep(0.4)
    third = await made.push()
    assert await first.rest() == b""
    third.send(frame(2))
    await until(lambda: len(made.pushed) == 2)


async def test_users_change_while_the_caster_runs(rig):
    users = (
        User(name="stays", password=Password("a")),
        User(name="goes", password=Password("b")),
        User(name="changes", password=Password("c")),
        User(name="narrows", password=Password("d")),
    )
    made = await rig(users=UserTable(users=users, pushers=USERS.pushers))
    peers = {
        user.name: await made.listen(headers=NTRIP + basic(user.name, secret))
        for user, secret in zip(users, "abcd", strict=True)
    }
    base = await made.push()
    made.caster.set_users(
        UserTable(
            users=(
                users[0],
                User(name="changes", password=Password("new")),
                User(name="narrows", password=Password("d"), mounts=("OPEN",)),
            ),
            pushers={"PUSH": Pusher(password=Password("new"))},
        )
    )
    for name in ("goes", "changes", "narrows"):
        assert await peers[name].rest() == b""
    assert await base.rest() == b""
    made.feed("BASE", frame(1))
    assert await peers["stays"].read(200) == frame(1)
    await made.has_clients(1)
    peer = await made.dial(f"GET /BASE HTTP/1.0\r\n{NTRIP}{basic('goes', 'b')}\r\n")
    assert (await peer.rest()).startswith(b"HTTP/1.0 401")


async def test_the_same_rover_takes_its_session_over_and_has_no_more(rig):
    users = UserTable(users=(User(name=USER, password=Password(PASSWORD), max_sessions=2),))
    made = await rig(users=users)
    first, second = await made.listen(), await made.listen()
    third = await made.listen()
    assert await first.rest() == b""
    made.feed("BASE", frame(1))
    assert await second.read(200) == frame(1)
    assert await third.read(200) == frame(1)
    assert len(made.clients()) == 2


async def test_hashed_passwords_open_and_are_remembered(rig):
    hashed = Password(hash_password(PASSWORD, b"0123456789abcdef"))
    users = UserTable(users=(User(name=USER, password=hashed, max_sessions=9),))
    made = await rig(users=users)
    for _ in range(3):
        await made.listen()
    peer = await made.dial(f"GET /BASE HTTP/1.0\r\n{NTRIP}{basic(password='no')}\r\n")
    assert (await peer.rest()).startswith(b"HTTP/1.0 401")
    assert made.snapshot().n_failed_logins == 1


async def test_guessing_gets_slow_and_an_old_password_elsewhere_does_not_matter(rig):
    made = await rig(max_login_delay_s=0.3)
    wrong = f"GET /BASE HTTP/1.0\r\n{NTRIP}{basic(password='no')}\r\n"
    loop = asyncio.get_running_loop()
    for _ in range(4):
        await (await made.dial(wrong)).rest()
    began_s = loop.time()
    await (await made.dial(wrong)).rest()
    assert loop.time() - began_s >= 0.25
    assert made.snapshot().n_failed_logins == 5


async def test_connections_of_one_address_and_all_together_are_limited(rig):
    made = await rig(max_per_address=2)
    kept = [await made.listen(), await made.listen()]
    third = await made.dial(f"GET / HTTP/1.0\r\n{NTRIP}\r\n")
    assert await third.rest() == b""
    assert made.snapshot().n_refused == {"too many connections of one address": 1}
    await kept[0].close()
    await made.has_clients(1)
    await until(lambda: made.snapshot().n_connections == 1)
    await made.listen()
    full = await rig(max_connections=1)
    await full.listen()
    assert await (await full.dial("GET / HTTP/1.0\r\n\r\n")).rest() == b""
    assert full.snapshot().n_refused == {"too many connections": 1}


async def test_a_head_that_drips_is_ended(rig):
    made = await rig(head_s=0.3)
    peer = await made.dial(b"GET / HT")
    assert await peer.rest() == b""
    await until(lambda: made.snapshot().n_connections == 0)


async def test_a_client_that_takes_nothing_disturbs_nobody_and_is_ended(rig):
    made = await rig(stall_s=2.0, queue_bytes=20_000, queue_age_s=1.0)
    stalled_socket = socket.socket()
    stalled_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stalled_socket.connect(("127.0.0.1", made.port))
    stalled_socket.sendall(f"GET /BASE HTTP/1.0\r\n{NTRIP}{basic()}\r\n".encode())
    well = await made.listen()
    await made.has_clients(2)
    frames = [frame(number, 1000) for number in range(600)]
    reading = asyncio.create_task(well.read(600_000))
    for each in frames:
        made.feed("BASE", each)
        await asyncio.sleep(0.0005)
    assert await reading == b"".join(frames)
    (slow,) = [each for each in made.clients() if each.n_dropped]
    assert slow.pending_bytes <= 20_000
    assert slow.stalled_s is not None
    assert sorted(each.n_dropped for each in made.clients()) == [0, slow.n_dropped]
    await made.has_clients(1)
    made.feed("BASE", frame(9999))
    assert await well.read(200) == frame(9999)
    stalled_socket.close()


async def test_a_client_that_wakes_up_gets_whole_fresh_frames(rig):
    made = await rig(queue_bytes=20_000, queue_age_s=5.0)
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(reader, ("127.0.0.1", made.port))
    await loop.sock_sendall(reader, f"GET /BASE HTTP/1.0\r\n{NTRIP}{basic()}\r\n".encode())
    await made.has_clients(1)
    frames = [frame(number, 1000) for number in range(600)]
    for each in frames:
        made.feed("BASE", each)
    await until(lambda: made.clients()[0].n_dropped > 0)
    data = b""
    while not data.endswith(frames[-1]):
        data += await asyncio.wait_for(loop.sock_recv(reader, 65_536), 10.0)
    reader.close()
    body = data.removeprefix(b"ICY 200 OK\r\n\r\n")
    got = [body[at : at + 1000] for at in range(0, len(body), 1000)]
    order = [frames.index(each) for each in got]  # every piece is a whole frame
    assert order == sorted(set(order))
    assert len(order) < len(frames)


async def test_near_serves_the_nearest_base_and_changes_with_the_client(rig):
    mounts = (
        MountSpec(name="BJ", kind=MountKind.LOCAL, lat_deg=39.9, lon_deg=116.4),
        MountSpec(name="SH", kind=MountKind.LOCAL, lat_deg=31.2, lon_deg=121.5),
        MountSpec(name="NEAR", kind=MountKind.NEAR),
    )
    made = await rig(*mounts)
    client = await made.listen("NEAR")
    made.feed("BJ", frame(1))
    made.feed("SH", frame(2))
    assert made.clients()[0].source is None  # nothing before the client has said where it is
    client.send(GGA_BEIJING)
    await until(lambda: made.clients()[0].source == "BJ")
    assert made.clients()[0].distance_m == pytest.approx(1000.0, abs=500.0)
    made.feed("SH", frame(3))
    made.feed("BJ", frame(4))
    assert await client.read(200) == frame(4)
    client.send(sentence(b"GPGGA,120000,3112.0,N,12130.0,E,1,08,1.0,0,M,0,M,,"))
    await until(lambda: made.clients()[0].source == "SH")
    made.feed("BJ", frame(5))
    made.feed("SH", frame(6))
    assert await client.read(200) == frame(6)
    await client.close()
    await made.has_clients(0)


async def test_near_leaves_a_base_that_falls_silent(rig):
    mounts = (
        MountSpec(name="BJ", kind=MountKind.LOCAL, lat_deg=39.9, lon_deg=116.4),
        MountSpec(name="SH", kind=MountKind.LOCAL, lat_deg=31.2, lon_deg=121.5),
        MountSpec(name="NEAR", kind=MountKind.NEAR),
    )
    made = await rig(*mounts)
    made.feed("BJ", frame(1))
    made.feed("SH", frame(1))
    head = f"GET /NEAR HTTP/1.1\r\n{V2}{basic()}Ntrip-GGA: {GGA_BEIJING}\r\n"
    await made.dial(head)
    await until(lambda: [each.source for each in made.clients()] == ["BJ"])
    now = made.clock.monotonic_s()
    made.caster.feed("SH", frame(2), now + 30.0)
    made.caster.tick(now + 30.0)
    assert [each.source for each in made.clients()] == ["SH"]
    assert not made.caster.snapshot(now + 30.0).mounts[0].is_flowing
    assert made.caster.snapshot(now + 30.0).mounts[0].reason == "no data for 30 s"


async def test_the_end_of_the_caster_ends_chunked_streams_in_order(rig):
    made = await rig()
    peer = await made.dial(f"GET /BASE HTTP/1.1\r\n{V2}{basic()}\r\n")
    await peer.head()
    assert made.task is not None
    asyncio.get_running_loop().call_later(0.05, made.caster.set_users, UserTable())
    assert await peer.rest() == b"0\r\n\r\n"


async def test_passwords_in_the_clear_are_said(rig):
    assert not (await rig()).snapshot().has_clear_passwords
    assert (await rig(host="0.0.0.0")).snapshot().has_clear_passwords
    assert not (await rig(host="0.0.0.0", users=UserTable())).snapshot().has_clear_passwords


async def test_an_empty_host_is_both_families(rig):
    made = await rig(host="")
    hosts = {"127.0.0.1": "127.0.0.1:"}
    if socket.has_dualstack_ipv6():
        hosts["::1"] = "[::1]:"
    for host, shown in hosts.items():
        reader, writer = await asyncio.open_connection(host, made.port)
        writer.write(f"GET /OPEN HTTP/1.0\r\n{NTRIP}\r\n".encode())
        assert await reader.readexactly(14) == b"ICY 200 OK\r\n\r\n"
        assert made.clients()[0].peer.startswith(shown)
        writer.close()
        await writer.wait_closed()
        await made.has_clients(0)


async def test_a_taken_port_is_shown_and_tried_again(rig):
    taken = await rig()
    spec = CasterSpec(host="127.0.0.1", port=taken.port, mounts=MOUNTS)
    caster = Caster(spec, users=USERS, on_push=lambda *_: None, clock=taken.clock)
    task = asyncio.create_task(caster.run())
    await until(lambda: caster.snapshot(0.0).n_failures > 0)
    shown = caster.snapshot(0.0)
    assert not shown.is_listening
    assert "cannot listen" in shown.reason
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_half_a_close_still_gets_the_table(rig):
    made = await rig()
    peer = await made.dial(b"GET / HTTP/1.0\r\n\r\n")
    peer.writer.write_eof()
    assert (await peer.rest()).endswith(b"ENDSOURCETABLE\r\n")


async def test_the_answer_survives_what_the_peer_still_sends(rig):
    made = await rig()
    peer = await made.dial(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000)
    assert (await peer.rest()).startswith(b"HTTP/1.1 431 ")


async def test_a_mistake_behind_the_caster_ends_it_and_is_not_swallowed(rig):
    class MistakeError(Exception):
        pass

    def fail(mount: str, data: bytes, now: float) -> None:
        raise MistakeError

    made = await rig()
    caster = Caster(made.spec, users=USERS, on_push=fail, clock=made.clock)
    task = asyncio.create_task(caster.run())
    await until(lambda: caster.snapshot(0.0).bound_port)
    _, writer = await asyncio.open_connection("127.0.0.1", caster.snapshot(0.0).bound_port)
    writer.write(f"SOURCE {PUSH_PASSWORD} /PUSH\r\n\r\n".encode() + frame(1))
    with pytest.raises(ExceptionGroup) as raised:
        await asyncio.wait_for(task, 10.0)
    assert isinstance(raised.value.exceptions[0], MistakeError)
    writer.close()


async def test_noise_on_many_connections_harms_nobody(rig):
    made = await rig(max_per_address=200)
    client = await made.listen()
    rng = random.Random(7)
    starts = [
        b"",
        f"GET /BASE HTTP/1.0\r\n{NTRIP}{basic()}\r\n".encode(),
        f"SOURCE {PUSH_PASSWORD} /PUSH\r\n\r\n".encode(),
        f"POST /PUSH HTTP/1.1\r\n{V2}Transfer-Encoding: chunked\r\n\r\n".encode(),
    ]
    peers = []
    for number in range(100):
        junk = rng.randbytes(rng.randrange(1, 3000))
        peers.append(await made.dial(starts[number % 4] + junk))
        made.feed("BASE", frame(number))
    expected = b"".join(frame(number) for number in range(100))
    assert await client.read(len(expected)) == expected
    for peer in peers:
        await peer.close()
    await made.has_clients(1)
    await until(lambda: made.snapshot().n_connections == 1)
