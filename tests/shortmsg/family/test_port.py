"""Framers: ends, lengths, checksums, resynchronisation, and any bytes in any pieces."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.errors import DecodeError, EncodeError
from bdgw.shortmsg.family import PORT_FRAMER, codec_of
from bdgw.shortmsg.family.binary import MAX_FRAME_BYTES, frame_binary, seal_binary, unseal_binary
from bdgw.shortmsg.family.port import is_binary
from bdgw.shortmsg.family.sentence import (
    MAX_SENTENCE_BYTES,
    frame_sentence,
    seal_sentence,
    unseal_sentence,
)
from bdgw.shortmsg.vocabulary import Family
from bdgw.wire.splitter import NEED_MORE, NOISE, Frame, Splitter
from tests.shortmsg.family.real import on_the_line, real_frames
from tests.shortmsg.family.writer import bd1, line

REAL = [on_the_line(entry) for entry in real_frames()]
ICJC = bytes.fromhex("2449434a43000c000000002b")
ICA = b"$CCICA,0,00*7B\r\n"
STAR = line("BDTXR,1,0188134,0,,价*12,$5*AB 元")


def split(pieces) -> list[Any]:
    splitter = Splitter({"port": PORT_FRAMER})
    for piece in pieces:
        if piece:
            splitter.receive(piece, now=0.0)
    splitter.receive(b"", now=0.0)
    return list(splitter.events())


def frames(*pieces: bytes) -> list[bytes]:
    return [event.data for event in split(pieces) if isinstance(event, Frame)]


@pytest.mark.parametrize("frame", [ICJC, ICA, STAR])
def test_every_beginning_waits_for_more(frame):
    _, framer = PORT_FRAMER
    for length in range(1, len(frame)):
        assert framer(frame[:length], 0, False) == NEED_MORE, length
        assert framer(b"xx" + frame[:length], 2, False) == NEED_MORE, length
    assert framer(frame, 0, False) == len(frame)


@pytest.mark.parametrize("frame", [ICJC, ICA.strip(), STAR])
def test_at_the_end_nothing_waits(frame):
    _, framer = PORT_FRAMER
    for length in range(1, len(frame)):
        assert framer(frame[:length], 0, True) != NEED_MORE


def test_a_sentence_ends_at_the_last_checksum_of_its_line_that_fits():
    assert frames(STAR) == [STAR]
    # One that fits by chance, earlier in the same line, is not the end.
    inner = line("BDTXR,1,1,0,,A").strip()
    outer = line(inner[1:] + "元".encode("gbk"))
    assert frames(outer) == [outer]
    # Text behind the checksum is no part of it.
    assert frames(b"$CCICA,0,00*7B ok\r\n") == [b"$CCICA,0,00*7B"]
    assert frames(b"$CCICA,0,00*7B ok*99\r\n") == [b"$CCICA,0,00*7B"]


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r\r\n", b"\r", b""])
def test_any_line_end_will_do(end):
    assert frames(b"$CCICA,0,00*7B" + end + ICJC)[-1] == ICJC
    assert frames(b"$CCICA,0,00*7b" + end) == [b"$CCICA,0,00*7b" + end]


def test_the_families_are_told_apart_on_one_port():
    stream = [ICJC, ICA, b"$BDHZ,DLJC,1*24\r\n", ICJC, b"$GNRMC,,V,,,,,,,,,,N*4D\r\n"]
    assert frames(*stream) == stream
    assert [is_binary(frame) for frame in stream] == [True, False, False, True, False]


def test_junk_behind_a_frame_of_family_4_is_passed_over():
    assert frames(ICJC + b"\r\n" + ICJC + b"\x00$\xff$AB" + ICJC) == [ICJC] * 3


def test_a_bad_checksum_goes_on_behind_the_dollar_sign():
    # A frame that was cut swallows the next by its length; its checksum cannot fit then.
    cut = bd1("TXXX", *range(40))[:20]
    assert frames(cut + ICJC + ICA + STAR + b"x" * 40) == [ICJC, ICA, STAR]
    assert frames(b"$BDTXR,1,01" + ICA) == [ICA]


@pytest.mark.parametrize("length", [0, 10, MAX_FRAME_BYTES + 1, 2047])
def test_a_length_out_of_bounds_is_not_waited_for(length):
    head = b"$TXXX" + length.to_bytes(2, "big")
    assert frame_binary(head, 0, False) == "bad_length"


def test_the_longest_frames_are_read():
    longest = seal_binary("BBXX", 1, b"x" * (MAX_FRAME_BYTES - 11))
    assert frames(longest) == [longest]
    with pytest.raises(EncodeError):
        seal_binary("BBXX", 1, b"x" * (MAX_FRAME_BYTES - 10))
    longest = seal_sentence("BDXYZ", (b"x" * (MAX_SENTENCE_BYTES - 12),))
    assert len(longest) == MAX_SENTENCE_BYTES
    assert frames(longest) == [longest]
    with pytest.raises(EncodeError):
        seal_sentence("BDXYZ", (b"x" * (MAX_SENTENCE_BYTES - 11),))


def test_a_sentence_that_does_not_end_is_given_up_at_the_ceiling():
    endless = b"$BDTCI," + b"5" * MAX_SENTENCE_BYTES
    assert frame_sentence(endless, 0, False) == "too_long"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"$BDICI,1\r\n", "no_checksum"),
        (b"$BDICI,1\x00", "unprintable"),
        (b"$BDICI,1*00\r\n", "bad_checksum"),
        (b"$ready\r\n", NOISE),
        (b"$$", NOISE),
        (b"$BD\r\n", NOISE),
    ],
)
def test_what_is_no_sentence_says_why(data, reason):
    assert frame_sentence(data, 0, False) == reason


@pytest.mark.parametrize("codec", [codec_of(family) for family in Family])
def test_the_framer_of_a_family_takes_only_its_own(codec):
    own = codec.read_card()
    other = ICA if codec.family is Family.BD1 else ICJC
    splitter = Splitter({codec.family: codec.framer})
    splitter.receive(other + own + b"!", now=0.0)
    found = [event.data for event in splitter.events() if isinstance(event, Frame)]
    assert found == [own]


@pytest.mark.parametrize("wrong", [b"", b"$", ICJC + b"x", ICJC[:-1], ICA + ICA, ICA[1:]])
def test_only_one_whole_frame_is_taken_apart(wrong):
    with pytest.raises(DecodeError):
        unseal_binary(wrong)
    with pytest.raises(DecodeError):
        unseal_sentence(wrong)


@pytest.mark.parametrize("name", ["", "ABC", "abcd", "ABCDE", "AB1D", "ＡＢＣＤ"])
def test_a_frame_needs_a_name(name):
    with pytest.raises(EncodeError):
        seal_binary(name, 0, b"")


def test_a_sentence_needs_an_address_and_no_control_characters():
    for address in ("", "CC", "ccica", "CC,CA", "CCTOOLONG"):
        with pytest.raises(EncodeError):
            seal_sentence(address, ())
    with pytest.raises(EncodeError):
        seal_sentence("CCICA", (b"0\r\n",))
    with pytest.raises(EncodeError):
        seal_binary("ICJC", 1 << 24, b"\0")


NOISY = st.one_of(
    st.binary(max_size=30),
    st.sampled_from(REAL),
    st.sampled_from([b"$", b"*", b"\r\n", b"TCQ OK!\r\n", b"$TXXX", b"$BDTXR,1,", b"\x00\x14"]),
)


def merged(events) -> list[Any]:
    """Frames, and the bytes between them: where a skipped stretch is cut does not matter."""
    joined: list[Any] = []
    for event in events:
        if isinstance(event, Frame):
            joined.append((event.offset, event.data))
        elif joined and isinstance(joined[-1], bytes):
            joined[-1] += event.data
        else:
            joined.append(event.data)
    return joined


@given(st.lists(NOISY, max_size=8), st.data())
def test_any_cut_gives_the_same_and_no_byte_is_lost(parts, data):
    stream = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    events = split(pieces)
    assert b"".join(event.data for event in events) == stream
    assert merged(events) == merged(split([stream]))


@given(st.lists(st.binary(max_size=40).filter(lambda b: b"$" not in b), max_size=5))
def test_frames_between_any_noise_are_found(noise):
    stream = b"".join(piece + ICJC + piece + ICA for piece in noise)
    assert frames(stream) == [ICJC, ICA] * len(noise)


@given(st.binary(max_size=200), st.booleans())
def test_framers_are_total(data, is_final):
    for framer in (PORT_FRAMER[1], frame_binary, frame_sentence):
        answer = framer(b"$" + data, 0, is_final)
        assert isinstance(answer, str) or 0 <= answer <= len(data) + 1
        assert not (is_final and answer == NEED_MORE)
