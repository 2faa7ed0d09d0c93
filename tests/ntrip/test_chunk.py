"""Chunked coding: the vectors, a capture of 62,960 bytes, any cut, any bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.ntrip.chunk import LAST_CHUNK, ChunkDecoder, encode_chunk
from tests.conftest import read_capture, shared_data
from tests.ntrip.dialogue import split, vectors


def decode(pieces):
    decoder = ChunkDecoder()
    return b"".join(decoder.feed(piece) for piece in pieces), decoder


@pytest.mark.parametrize("step", [1, 2, 3, 1000])
def test_vectors(step):
    for row in vectors()["chunked"]:
        data = bytes.fromhex(row["hex"])
        body, decoder = decode([data[i : i + step] for i in range(0, len(data), step)])
        assert body.hex() == row["body_hex"]
        assert decoder.is_ended == row.get("ended", False)
        assert decoder.fault is None


@pytest.mark.parametrize("step", [1, 7, 1460, 100_000])
def test_capture_gives_the_bytes_that_its_source_counts(step):
    data = read_capture(shared_data("gnss", "ntrip", "ntrip_encode_chunked.bin"))
    body, decoder = decode([data[i : i + step] for i in range(0, len(data), step)])
    assert decoder.fault is None
    assert len(body) == 62_960
    assert body[:1] == b"\xd3"


@given(st.lists(st.binary(max_size=60), max_size=8), st.lists(st.integers(0, 999), max_size=9))
def test_coding_goes_round_however_it_is_cut(parts, cuts):
    coded = b"".join(map(encode_chunk, parts)) + LAST_CHUNK + b"left over"
    body, decoder = decode(split(coded, cuts))
    assert body == b"".join(parts)
    assert decoder.is_ended
    assert decoder.fault is None


@given(st.binary(max_size=400), st.lists(st.integers(0, 999), max_size=9))
def test_any_bytes_give_the_same_however_they_are_cut_and_lose_nothing_unsaid(data, cuts):
    whole, one = decode([data])
    cut, other = decode(split(data, cuts))
    assert (cut, other.is_ended, other.fault) == (whole, one.is_ended, one.fault)
    if one.fault is not None:
        assert data.endswith(one.unread)


@pytest.mark.parametrize("bad", [b"\xd3\x00", b"xyz\r\n", b"\r\n", b"123456789\r\n", b"3" * 300])
def test_what_is_no_size_is_a_fault_and_stays_readable(bad):
    decoder = ChunkDecoder()
    assert decoder.feed(b"3\r\nabc\r\n" + bad) == b"abc"
    assert decoder.fault
    assert decoder.unread == bad
    assert decoder.feed(b"3\r\nabc\r\n") == b""


def test_a_size_line_without_end_is_bounded():
    decoder = ChunkDecoder()
    for _ in range(1000):
        decoder.feed(b"3;extension")
    assert decoder.fault
