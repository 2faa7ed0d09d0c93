"""The room with its real client against a caster of sockets, in virtual time.

The caster plays seconds of a capture; what it does beyond that is what casters do: lumps, silence,
breaking off inside a frame, refusing an account.
"""

import asyncio
import base64
import random
from functools import partial

import pytest

from bdgw.corrections import Binding, Corrections, SourceSpec
from bdgw.model import Alarm
from bdgw.ntrip.account import Account
from bdgw.ntrip.address import CasterAddress
from bdgw.ntrip.gate import AccountGate
from bdgw.ntrip.runner import NtripClient
from tests.corrections.material import SECOND_NS, cut, number_of, str17
from tests.corrections.rig import epoch_bytes
from tests.support.virtual_loop import run_virtual

TABLE = (
    b"SOURCETABLE 200 OK\r\nContent-Type: text/plain\r\n\r\n"
    b"STR;BASE;x;RTCM 3.2;1077(1);2;GPS+BDS;N;AUS;-35.3;149.0;0;0;g;none;B;N;9;\r\n"
    b"ENDSOURCETABLE\r\n"
)
ANSWERS = {
    "v1": b"ICY 200 OK\r\n\r\n",
    "v1 without a blank line": b"ICY 200 OK\r\n",
    "v2": b"HTTP/1.1 200 OK\r\nNtrip-Version: Ntrip/2.0\r\nContent-Type: gnss/data\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n",
}


class LoopClock:
    """The virtual time of the running loop."""

    def monotonic_s(self):
        return asyncio.get_running_loop().time()

    def utc_ns(self):
        return 1_790_000_000 * SECOND_NS + round(self.monotonic_s() * SECOND_NS)


class Caster:
    """Serves one mount; ``play`` is a coroutine function that writes the body."""

    def __init__(self, play, *, answer="v1", account=None):
        self._play = play
        self._answer = answer
        self._account = account
        self.requests: list[bytes] = []
        self.attempts_s: list[float] = []

    async def serve(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(head)
            if head.startswith(b"GET / "):
                writer.write(TABLE)
                return
            self.attempts_s.append(asyncio.get_running_loop().time())
            if self._account is not None and self._account not in head:
                writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
                return
            writer.write(ANSWERS[self._answer])
            await self._play(partial(self._send, writer))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def _send(self, writer, data):
        if self._answer == "v2":
            writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        else:
            writer.write(data)


async def with_gateway(caster, *, for_s, accounts=(), **rest):
    """Run the room against the caster; gives what was written when, alarms and the room."""
    server = await asyncio.start_server(caster.serve, "127.0.0.1", 0)
    address = CasterAddress(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    clock = LoopClock()
    written: list[tuple[float, bytes]] = []
    alarms: list[Alarm] = []
    started_s = clock.monotonic_s()

    def write(_device, data, done):
        written.append((clock.monotonic_s() - started_s, data))
        done(True)
        return True

    def host_gpst_ns(now):
        return str17()[0][0] + round((now - started_s) * SECOND_NS)

    corrections = Corrections(
        [SourceSpec(name="net", address=address, mount="BASE", accounts=accounts, **rest)],
        [Binding(device="rover", correction="net")],
        write=write,
        emit=alarms.append,
        clock=clock,
        host_gpst_ns=host_gpst_ns,
        rng=random.Random(3),
        new_client=partial(NtripClient, clock=clock, rng=random.Random(4), gate=AccountGate()),
    )
    task = asyncio.create_task(corrections.run())
    await asyncio.sleep(for_s)
    snapshot = corrections.snapshots(clock.monotonic_s())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.close()
    await server.wait_closed()
    return written, alarms, snapshot


def second():
    """The epoch of the capture that is due now: epoch i at i seconds after the start."""
    return int(asyncio.get_running_loop().time() - 1000.0)


async def play_live(send):
    while True:
        send(epoch_bytes(second()))
        await asyncio.sleep(1.0)


def epochs_of(data):
    by_first = {frames[0]: i for i, (_, frames) in enumerate(str17())}
    return [by_first[frame] for frame in cut(data) if number_of(frame) == 1077]


@pytest.mark.parametrize("answer", list(ANSWERS))
def test_every_form_of_a_granted_stream_reaches_the_rover_byte_for_byte(answer):
    caster = Caster(play_live, answer=answer)
    written, alarms, snapshot = run_virtual(with_gateway(caster, for_s=100.0))
    indices = [i for _, data in written for i in epochs_of(data)]
    assert indices[0] <= 12  # the table was asked for first, and ten seconds kept between
    assert indices == list(range(indices[0], indices[-1] + 1))
    assert indices[-1] >= 98
    assert b"".join(data for _, data in written).endswith(
        b"".join(epoch_bytes(i) for i in indices[1:])
    )
    assert alarms == []
    (source,) = snapshot.sources
    assert source.state == "live"
    assert source.reason == "fresh epochs come"
    assert source.skipped_bytes == 0
    assert len(caster.attempts_s) == 1
    for at_s, data in written:
        assert all(at_s - i < 2.0 for i in epochs_of(data))


def test_a_lump_after_a_silence_gives_its_newest_epoch_only():
    async def play(send):
        begin = second()
        while second() < begin + 20:
            send(epoch_bytes(second()))
            await asyncio.sleep(1.0)
        at = second()
        await asyncio.sleep(12.0)
        send(b"".join(epoch_bytes(i) for i in range(at, second() + 1)))
        await asyncio.sleep(1.0)
        await play_live(send)

    written, alarms, snapshot = run_virtual(with_gateway(Caster(play), for_s=100.0))
    for at_s, data in written:
        indices = epochs_of(data)
        assert len(indices) <= 1
        assert all(at_s - i < 2.0 for i in indices)
    (source,) = snapshot.sources
    assert source.dropped["overtaken"] + source.dropped["stale"] == 12 * 5
    assert alarms == []


def test_a_caster_that_breaks_off_inside_a_frame_is_asked_again_with_manners():
    lives = iter([40, 40, 10_000])

    async def play(send):
        for _ in range(next(lives)):
            send(epoch_bytes(second()))
            await asyncio.sleep(1.0)
        send(epoch_bytes(second())[:200])

    caster = Caster(play)
    written, _, snapshot = run_virtual(with_gateway(caster, for_s=200.0))
    (source,) = snapshot.sources
    assert source.reconnects == {"closed": 2}
    assert len(caster.attempts_s) == 3
    assert all(
        b - a >= 50.0 for a, b in zip(caster.attempts_s, caster.attempts_s[1:], strict=False)
    )
    frames = [frame for _, data in written for frame in cut(data)]
    known = {frame for _, group in str17() for frame in group}
    assert all(frame in known for frame in frames)
    assert sum(map(len, frames)) == sum(len(data) for _, data in written)


def test_a_refused_account_is_told_in_words_and_the_secret_is_nowhere():
    canary = "canary-4711"
    caster = Caster(play_live, account=b"Basic " + base64.b64encode(b"user:right"))
    written, alarms, snapshot = run_virtual(
        with_gateway(caster, for_s=900.0, accounts=(Account("user", canary),))
    )
    assert written == []
    words = "the caster does not accept this user name and password"
    assert snapshot.sources[0].reason.startswith(words)
    assert words in snapshot.outlets[0].reason
    assert [alarm.kind for alarm in alarms] == ["correction_lost"]
    assert alarms[0].text.startswith(f"net/BASE: {words}")
    assert canary not in repr(snapshot)
    assert canary not in repr(alarms)
    assert len(caster.attempts_s) <= 3  # 5 minutes and more between them
