"""Receipts: names of contents, records, and who is owed what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.errors import DecodeError
from bdgw.shortmsg.receipt import ReceiptBook, content_digest, is_receipt, pack, parse
from bdgw.shortmsg.segment import parse as parse_unit
from bdgw.shortmsg.vocabulary import Form

DIGESTS = st.lists(st.integers(1 << 31, (1 << 32) - 1), min_size=1, max_size=40)


@given(DIGESTS, st.integers(0, 200))
def test_what_fits_comes_back_and_the_rest_is_named(digests: list[int], max_bytes: int) -> None:
    record, taken = pack(digests, max_bytes=max_bytes)
    assert len(record) <= max_bytes
    assert taken == tuple(digests[: max(0, (max_bytes - 2) // 4)])
    if taken:
        assert parse(record) == taken
        with pytest.raises(DecodeError):
            parse_unit(record)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        digests = parse(data)
    except DecodeError:
        return
    assert is_receipt(data)
    assert pack(digests, max_bytes=len(data))[0] == data


def test_a_slot_of_a_78_byte_card_acknowledges_nineteen() -> None:
    assert len(pack(range(1 << 31, (1 << 31) + 50), max_bytes=78)[1]) == 19


def test_the_last_half_byte_of_odd_digits_does_not_count() -> None:
    """One terminal fills it with F, another with 0 (RDSS digest 2.2)."""
    assert content_digest(Form.CODE, b"\x12\x3f", 12) == content_digest(Form.CODE, b"\x12\x30", 12)
    assert content_digest(Form.CODE, b"\x12\x3f", 16) != content_digest(Form.CODE, b"\x12\x30", 16)
    assert content_digest(Form.HANZI, b"ab", 16) >= 1 << 31


def test_receipts_wait_for_company_but_not_for_ever() -> None:
    book = ReceiptBook(wait_s=60.0)
    book.owe(7, 1, now=0.0)
    book.owe(7, 2, now=50.0)
    book.owe(7, 2, now=55.0)
    assert (book.due(59.0, room=19), book.next_s()) == ([], 60.0)
    assert book.due(59.0, room=2) == [7], "a full slot need not wait"
    assert book.due(60.0, room=19) == [7]
    assert book.owed(7) == (1, 2)
    book.settled(7, [1])
    assert book.next_s() == 110.0
    book.settled(7, [2])
    assert (book.next_s(), book.owed(7)) == (None, ())


def test_the_book_is_bounded_and_counts_what_it_gives_up() -> None:
    book = ReceiptBook(wait_s=60.0)
    for n in range(300):
        book.owe(7, n, now=0.0)
    assert len(book.owed(7)) == 256
    for sender in range(100):
        book.owe(1000 + sender, 1, now=0.0)
    assert len(book.state()) == 64
    assert book.n_given_up >= 44 + 256


def test_the_book_goes_on_after_a_restart() -> None:
    book, again = ReceiptBook(wait_s=60.0), ReceiptBook(wait_s=60.0)
    book.owe(7, 1, now=0.0)
    again.restore(book.state(), now=500.0)
    assert (again.owed(7), again.next_s()) == ((1,), 560.0)
