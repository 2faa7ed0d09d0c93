"""Cutting frames: what goes on is whole frames of the input, byte for byte, in order."""

from hypothesis import given
from hypothesis import strategies as st

from bdgw.corrections.stream import FrameStream
from tests.corrections.material import capture, cut, str17

NTRIP_BODY = ("ntrip", "ntrip_encode_none.bin")
JUNK = [b"", b"\r\n", b"ICY 200 OK\r\n", b"\xd3", b"\xd3\x00", b"\xd3\x03\xff", b"$GPGGA,1*00\r\n"]


def run(stream, chunks, *, now=0.0):
    frames = []
    for chunk in chunks:
        frames += stream.receive(chunk, now=now)
    return frames


def test_an_ntrip_body_gives_every_frame_that_the_plain_loop_finds():
    body = capture(*NTRIP_BODY)
    stream = FrameStream()
    frames = run(stream, [body]) + stream.restart(now=0.0)
    assert frames == cut(body)
    assert stream.bytes_in == len(body) == stream.frame_bytes + stream.skipped_bytes
    # Counted with pygnssutils and written beside the capture.
    assert len(frames) == 7 + 1 + 33 * 7 + 7 + 32 + 7 + 7
    assert stream.skipped_bytes == 420


@given(st.lists(st.integers(min_value=1, max_value=700), max_size=60), st.data())
def test_any_split_and_any_junk_between_gives_the_same_frames(sizes, data):
    frames = [frame for _, group in str17()[:4] for frame in group]
    parts = []
    for frame in frames:
        parts += [data.draw(st.sampled_from(JUNK)), frame]
    stream, whole = b"".join(parts), FrameStream()
    pieces, at = [], 0
    for size in sizes:
        pieces.append(stream[at : at + size])
        at += size
    got = run(whole, [*pieces, stream[at:]]) + whole.tick(now=60.0)
    assert got == frames
    assert whole.bytes_in == whole.frame_bytes + whole.skipped_bytes == len(stream)


@given(st.binary(max_size=4000))
def test_any_bytes_give_whole_frames_that_stand_in_them(data):
    stream = FrameStream()
    position = 0
    for frame in [*stream.receive(data, now=0.0), *stream.tick(now=60.0)]:
        position = data.index(frame, position) + len(frame)
        assert cut(frame) == [frame]
    assert stream.deadline() is None


def test_damage_costs_the_frame_and_no_other():
    frames = list(str17()[0][1])
    hurt = bytearray(frames[1])
    hurt[40] ^= 0x10
    stream = FrameStream()
    got = run(stream, [frames[0] + bytes(hurt) + b"".join(frames[2:])]) + stream.tick(now=60.0)
    assert got == [frames[0], *frames[2:]]
    assert stream.crc_failures >= 1


def test_a_false_preamble_of_1023_bytes_holds_a_frame_for_a_second_at_most():
    frame = str17()[0][1][-1]
    stream = FrameStream()
    assert run(stream, [b"\xd3\x03\xff"], now=5.0) == []
    assert run(stream, [b"\xd3\x03\xff"], now=5.9) == []
    assert run(stream, [frame], now=5.95) == []
    assert stream.deadline() == 6.0
    assert stream.tick(now=6.0) == []  # the second false preamble has come at 5.9
    assert stream.deadline() == 6.9
    assert stream.tick(now=6.9) == [frame]


def test_half_a_frame_of_a_lost_connection_holds_nothing_of_the_next_back():
    first = str17()[0][1][0]
    short = min(str17()[0][1], key=len)
    stream = FrameStream()
    assert run(stream, [first[:50]]) == []
    assert len(first) - 50 > len(short)
    assert stream.restart(now=1.0) == []
    assert run(stream, [short], now=1.0) == [short]
