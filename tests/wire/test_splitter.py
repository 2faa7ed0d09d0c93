"""The splitter's laws, with the framers that it serves."""

import math
import random
import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bdgw.nmea import frame as nmea_frame
from bdgw.rtcm import frame as rtcm_frame
from bdgw.ubx import frame as ubx_frame
from bdgw.wire.splitter import Frame, Skipped, Splitter

FRAMERS = {
    nmea_frame.PROTOCOL: (nmea_frame.LEADS, nmea_frame.frame_nmea),
    rtcm_frame.PROTOCOL: (rtcm_frame.LEADS, rtcm_frame.frame_rtcm3),
    ubx_frame.PROTOCOL: (ubx_frame.LEADS, ubx_frame.frame_ubx),
}
GGA = b"$GPGGA,092725.00,4717.11399,N,00833.91590,E,1,08,1.01,499.6,M,48.0,M,,*5B\r\n"
STATION = bytes.fromhex("d300133ed7d30202980edeef34b4bd62ac0941986f33360b98")
FALSE_PREAMBLE = b"\xd3\x03\xff"
IDLE_S = 1.0
HELD_AT_MOST = 8200
"""The longest UBX frame; of RTCM it is 1,029, of sentences 1,024 characters and their ends."""
UBX = bytes.fromhex("b56201610400e80300005170")
FALSE_UBX = b"\xb5\x62\x02\x15\xf0\x1f"

# Bytes that are likely to hurt: pieces of frames, false openings, plain noise.
pieces = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            GGA,
            GGA[:-2],
            GGA[:-1],
            GGA[:20],
            GGA[20:],
            GGA.replace(b"5B", b"5C"),
            b"$",
            b"!",
            b"*",
            b"$GPTXT",
            b"$GPTXT,a*",
            b"$GPTXT,a*1",
            b"\r",
            b"\n",
            b"\r\r\n",
            b"$" + b"A" * 1024,
            STATION,
            STATION[:2],
            STATION[:11],
            STATION[:-1] + b"\x00",
            FALSE_PREAMBLE,
            b"\xd3",
            b"\xd3\x00\x00\x47\xea\x4b",
            b"\xd3\xd3\xd3",
            UBX,
            UBX[:7],
            UBX[:-1] + b"\x00",
            FALSE_UBX,
            b"\xb5",
            b"\xb5\x62",
            bytes(1500),
        ]
    ),
)
streams = st.lists(pieces, max_size=12).map(b"".join)


def new_splitter() -> Splitter:
    return Splitter(FRAMERS, idle_s=IDLE_S)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """Cut into pieces of the sizes given; the last piece is what is left."""
    chunks, position = [], 0
    for size in sizes:
        chunks.append(data[position : position + size])
        position += size
    return [chunk for chunk in [*chunks, data[position:]] if chunk]


def run(chunks: list[bytes]) -> list[Frame | Skipped]:
    splitter = new_splitter()
    found: list[Frame | Skipped] = []
    for chunk in chunks:
        splitter.receive(chunk, now=0.0)
        found += splitter.events()
    splitter.receive(b"", now=0.0)
    return [*found, *splitter.events()]


def frames_of(events: list[Frame | Skipped]) -> list[bytes]:
    return [event.data for event in events if isinstance(event, Frame)]


@given(streams, st.lists(st.integers(min_value=1, max_value=200), max_size=40))
def test_any_split_of_the_bytes_gives_the_same_events(data, sizes):
    assert run(cut(data, sizes)) == run([data] if data else [])


@given(streams)
def test_one_byte_at_a_time_gives_the_same_events(data):
    assert run([data[i : i + 1] for i in range(len(data))]) == run([data] if data else [])


@given(streams, st.lists(st.integers(min_value=1, max_value=200), max_size=20))
def test_frames_and_skipped_and_held_bytes_are_the_input(data, sizes):
    splitter = new_splitter()
    found: list[Frame | Skipped] = []
    received = 0
    for chunk in cut(data, sizes):
        splitter.receive(chunk, now=0.0)
        received += len(chunk)
        found += splitter.events()
        told = sum(len(event.data) for event in found)
        # What is held is an unfinished frame and at most one stretch of skipped bytes before it.
        assert received - told <= HELD_AT_MOST + 1024
        if received == told:
            assert splitter.deadline() is None
    splitter.receive(b"", now=0.0)
    found += splitter.events()
    assert b"".join(event.data for event in found) == data
    offset = 0
    for event in found:
        assert event.offset == offset
        assert event.data
        offset += len(event.data)
    assert splitter.deadline() is None


@given(st.binary(max_size=3000))
def test_any_bytes_give_frames_and_skipped_stretches_and_nothing_else(data):
    for event in run([data] if data else []):
        assert isinstance(event, Frame | Skipped)
        if isinstance(event, Skipped):
            assert event.reason
            assert len(event.data) <= 1024


clean_junk = (
    st.binary(max_size=300)
    .map(lambda data: bytes(b & 0x7F for b in data))
    .map(lambda data: data.replace(b"$", b".").replace(b"!", b"."))
)


@given(clean_junk, clean_junk, st.sampled_from([GGA, STATION]))
def test_a_frame_is_found_between_junk(before, after, frame):
    assert frames_of(run([before + frame + after])) == [frame]


@given(st.integers(min_value=1, max_value=40), st.sampled_from([GGA, STATION]))
def test_a_frame_is_found_behind_any_number_of_false_openings(count, frame):
    for opening in (FALSE_PREAMBLE, b"\xd3", b"$", b"$GPGGA,12", b"!A*", b"\xd3\x00"):
        assert frames_of(run([opening * count + frame])) == [frame]


@given(streams)
def test_whole_frames_that_follow_each_other_are_never_lost(noise):
    """Whatever came before, a frame whose beginning no earlier frame has swallowed is found."""
    tail = (GGA + STATION) * 20
    found = frames_of(run([noise + tail]))
    # A false opening in the noise may swallow nothing: rejection advances by one byte.
    assert found[-40:] == [GGA, STATION] * 20


@pytest.mark.parametrize("frame", [GGA, STATION])
def test_a_false_preamble_holds_nothing_back_after_the_idle_time(frame):
    splitter = new_splitter()
    splitter.receive(FALSE_PREAMBLE + frame, now=10.0)
    assert list(splitter.events()) == []
    assert splitter.deadline() == 10.0 + IDLE_S
    splitter.tick(now=10.0 + IDLE_S)
    events = list(splitter.events())
    assert [type(event) for event in events] == [Skipped, Frame]
    assert events[0].data == FALSE_PREAMBLE
    assert events[1].data == frame
    assert events[1].offset == len(FALSE_PREAMBLE)
    assert splitter.deadline() is None


@pytest.mark.parametrize("period_s", [0.05, 0.2, 0.9, 1.0])
def test_a_false_preamble_holds_nothing_back_while_sentences_keep_coming(period_s):
    """A slow stream never pauses for the idle time, and 1,023 bytes of it may take a minute."""
    splitter = new_splitter()
    splitter.receive(FALSE_PREAMBLE, now=0.0)
    waits = []
    for i in range(100):
        now = (i + 1) * period_s
        deadline = splitter.deadline()
        if deadline is not None and deadline <= now:
            splitter.tick(now=deadline)
        sent_at = now
        splitter.receive(GGA, now=now)
        waits.append(sent_at)
        for event in splitter.events():
            if isinstance(event, Frame):
                assert now - waits.pop(0) <= 2 * IDLE_S
    assert len(waits) * period_s <= 2 * IDLE_S


@given(
    st.lists(st.tuples(streams, st.floats(min_value=0.0, max_value=2.5)), max_size=8),
    st.lists(st.floats(min_value=0.0, max_value=25.0), max_size=20),
)
def test_ticks_before_the_deadline_change_nothing_and_none_is_lost_after_it(parts, extra_ticks):
    """Whatever the pattern of ticks, the events are those of ticks exactly at the deadlines."""

    def drive(ticks: list[float]) -> list[tuple[Frame | Skipped, ...]]:
        splitter = new_splitter()
        found: list[tuple[Frame | Skipped, ...]] = []
        waiting = sorted(ticks)
        now = 0.0
        for data, pause_s in parts:
            if data:
                splitter.receive(data, now=now)
                found.append(tuple(splitter.events()))
            end = now + pause_s
            while True:
                deadline = splitter.deadline()
                next_tick = waiting[0] if waiting else math.inf
                if next_tick <= end and (deadline is None or next_tick < deadline):
                    splitter.tick(now=waiting.pop(0))
                    assert deadline is None or splitter.deadline() == deadline
                    assert list(splitter.events()) == []
                elif deadline is not None and deadline <= end:
                    splitter.tick(now=deadline)
                    found.append(tuple(splitter.events()))
                else:
                    break
            now = end
        splitter.receive(b"", now=now)
        found.append(tuple(splitter.events()))
        return found

    ticks = [t for t in extra_ticks if t >= 0.0]
    assert [events for events in drive(ticks) if events] == [
        events for events in drive([]) if events
    ]


def test_a_quiet_time_gives_out_what_was_held():
    splitter = new_splitter()
    splitter.receive(GGA[:-2], now=5.0)  # whole but for its line end
    splitter.tick(now=5.0 + IDLE_S - 0.001)
    assert list(splitter.events()) == []
    splitter.tick(now=5.0 + IDLE_S)
    assert [event.data for event in splitter.events()] == [GGA[:-2]]


@given(streams)
def test_the_end_of_the_stream_gives_out_everything(data):
    splitter = new_splitter()
    splitter.receive(data + b"junk", now=0.0)
    splitter.receive(b"", now=0.0)
    assert b"".join(event.data for event in splitter.events()) == data + b"junk"
    assert splitter.deadline() is None
    splitter.receive(b"", now=0.0)
    assert list(splitter.events()) == []


def test_the_splitter_goes_on_after_a_flush_with_contiguous_offsets():
    splitter = new_splitter()
    splitter.receive(GGA[:10], now=0.0)
    splitter.receive(b"", now=0.0)
    splitter.receive(GGA, now=0.0)
    events = list(splitter.events())
    assert [event.offset for event in events] == [0, 10]
    assert [type(event) for event in events] == [Skipped, Frame]


@example(b"$")
@example(FALSE_PREAMBLE)
@example(b"$" + b"A" * 1023)
@given(st.binary(min_size=1, max_size=64))
def test_endless_noise_is_held_in_bounded_memory(unit):
    splitter = new_splitter()
    total = told = 0
    for _ in range(60):
        chunk = (unit * (4096 // len(unit) + 1))[:4096]
        splitter.receive(chunk, now=0.0)
        total += len(chunk)
        told += sum(len(event.data) for event in splitter.events())
        assert total - told <= HELD_AT_MOST + 1024


def test_a_megabyte_of_noise_leaves_no_memory_behind():
    noise = random.Random(7).randbytes(1 << 20)
    splitter = new_splitter()
    tracemalloc.start()
    try:
        for position in range(0, len(noise), 4096):
            splitter.receive(noise[position : position + 4096], now=0.0)
            for _ in splitter.events():
                pass
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 64 * 1024  # bytes: one held frame, one stretch, one chunk, with much room


def test_each_rejection_says_why():
    cases = {
        b"$GPGGA,1*00\r\n": "bad_checksum",
        b"$GPGGA,1\r\n": "no_checksum",
        b"$GPGGA,1$": "cut",
        b"$GPGGA,\x80": "unprintable",
        b"$GPGGA,1": "incomplete",
        b"\x00\x01": "noise",
        STATION[:-1] + b"\x00": "bad_checksum",
        STATION[:-1]: "incomplete",
    }
    for data, reason in cases.items():
        events = run([data])
        assert isinstance(events[0], Skipped)
        assert events[0].reason == reason, data


HOLD_S = 1.0
arrivals = st.lists(
    st.tuples(
        st.sampled_from([STATION, FALSE_PREAMBLE, b"\xd3", b"\xd3\x00\xff", b"\r\n", STATION[:9]]),
        st.floats(min_value=0.0, max_value=0.9),
    ),
    max_size=30,
)


@given(arrivals)
@example([(FALSE_PREAMBLE, 0.5), (FALSE_PREAMBLE, 0.4), (STATION, 0.3), (STATION, 0.9)])
def test_with_a_hold_no_frame_waits_longer_however_many_false_preambles_there_are(parts):
    """Deadlines are kept to the instant; every frame comes out ``HOLD_S`` after it came in."""
    splitter = Splitter(FRAMERS, idle_s=IDLE_S, hold_s=HOLD_S)
    now, sent = 0.0, 0
    came_at: dict[int, float] = {}
    for data, pause_s in [*parts, (b"", 0.0)]:
        if data:
            came_at |= dict.fromkeys(range(sent, sent + len(data)), now)
            sent += len(data)
            splitter.receive(data, now=now)
        end = now + pause_s if data else now + 10.0
        while True:
            for event in splitter.events():
                if isinstance(event, Frame):
                    whole_at = came_at[event.offset + len(event.data) - 1]
                    assert now - whole_at <= HOLD_S + 1e-9
            deadline = splitter.deadline()
            if deadline is None or deadline > end:
                break
            now = max(now, deadline)
            splitter.tick(now=now)
        now = end
    assert splitter.deadline() is None


def test_a_hold_keeps_nothing_of_bytes_that_are_gone():
    splitter = Splitter(FRAMERS, idle_s=IDLE_S, hold_s=HOLD_S)
    for i in range(5000):
        splitter.receive(STATION[i % 25 : i % 25 + 1], now=i * 0.01)
        assert len(splitter._arrivals) <= len(STATION)
    assert sum(isinstance(event, Frame) for event in splitter.events()) == 200
