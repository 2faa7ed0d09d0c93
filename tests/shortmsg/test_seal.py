"""Sealed messages: tamper, replay, wrong key, wrong party, truncation, age, clones, restarts."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.errors import EncodeError
from bdgw.shortmsg.content import BdgwRecord, recognise_content
from bdgw.shortmsg.key import KeyRing, SealKey
from bdgw.shortmsg.nonce import EPOCH_UTC_S, CounterError
from bdgw.shortmsg.replay import WINDOW
from bdgw.shortmsg.seal import (
    CONTENT_BYTES_MAX,
    OVERHEAD_BYTES,
    TAG_BYTES,
    Opened,
    Opener,
    Sealer,
    SealRefusal,
    SealRefused,
    is_sealed,
    overhead_bits,
)
from bdgw.shortmsg.sm4gcm import check_available, decrypt, encrypt
from bdgw.shortmsg.text import choose_form, pack_digits
from bdgw.shortmsg.vocabulary import Card, Family, Form
from tests.conftest import shared_data

NOW = EPOCH_UTC_S + 50_000_000.0
SENDER, RECEIVER, BROADCAST = 142_019, 4_238_473, 11
KEY = SealKey.from_hex(7, "9f1c3a5b7d2e4f60718293a4b5c6d7e8")
OTHER = SealKey.from_hex(8, "e8d7c6b5a49382716f4e2d7b5a3c1f90")
RING = KeyRing([KEY, OTHER], sending=7)


def sealer(key: SealKey = KEY, *, address: int = SENDER, stored=None) -> Sealer:
    one = Sealer(key, address=address, stored=stored or {}, host="host-a")
    due = one.lane.due(utc_s=NOW)
    assert due is not None
    one.lane.granted(due)
    return one


def seal(one: Sealer, content: bytes = b"hello", *, utc_s: float | None = NOW, **more) -> bytes:
    parts: dict[str, Any] = {"form": Form.MIXED, "n_bits": 8 * len(content)}
    parts |= {"receiver": RECEIVER} | more
    return one.seal(content, utc_s=utc_s, **parts)


def open_(opener: Opener, record: bytes, **more) -> Opened | SealRefused:
    parts: dict[str, Any] = {
        "sender": SENDER,
        "receivers": (RECEIVER, BROADCAST),
        "utc_s": NOW,
    } | more
    return opener.open(record, **parts)


def reason(result: Opened | SealRefused) -> SealRefusal:
    assert isinstance(result, SealRefused)
    return result.reason


def test_the_cipher_against_rfc_8998():
    row = json.loads(shared_data("vectors", "gm_crypto.json").read_text("utf-8"))["sm4_gcm_rfc8998"]
    key, iv, aad, plain = (bytes.fromhex(row[name]) for name in ("key", "iv", "aad", "pt"))
    cipher, tag = bytes.fromhex(row["ct"]), bytes.fromhex(row["tag"])
    for n in (16, 12, TAG_BYTES):
        assert encrypt(key, iv, aad, plain, tag_bytes=n) == cipher + tag[:n]
        assert decrypt(key, iv, aad, cipher + tag[:n], tag_bytes=n) == plain
    assert decrypt(key, iv, aad + b"x", cipher + tag, tag_bytes=16) is None
    assert decrypt(key, iv, aad, b"1234567", tag_bytes=8) is None
    check_available()


def test_a_record_byte_by_byte():
    """The layout of the documentation, put together by hand from the bare cipher."""
    record = seal(sealer(), b"abc")
    head = bytes.fromhex("BD8207") + (50_000_000).to_bytes(4)
    nonce = SENDER.to_bytes(6) + b"\0\0" + (50_000_000).to_bytes(4)
    bound = head + SENDER.to_bytes(6) + RECEIVER.to_bytes(6)
    assert record == head + encrypt(KEY.reveal(), nonce, bound, b"abc", tag_bytes=8)
    assert len(record) == 3 + OVERHEAD_BYTES
    assert is_sealed(record)
    found = recognise_content(Form.CODE, record, 8 * len(record))
    assert isinstance(found, BdgwRecord)
    assert found.record == "sealed"


def test_there_and_back():
    opened = open_(Opener(RING), seal(sealer()), utc_s=NOW + 90)
    assert isinstance(opened, Opened)
    assert (opened.content, opened.form, opened.n_bits) == (b"hello", Form.MIXED, 40)
    assert (opened.key_id, opened.counter, opened.receiver) == (7, 50_000_000, RECEIVER)
    assert opened.age_s == 90


@given(
    content=st.binary(min_size=1, max_size=200),
    form=st.sampled_from(Form),
    key=st.sampled_from([KEY, OTHER]),
    sender=st.integers(0, 2**48 - 1),
    receiver=st.integers(0, 2**48 - 1),
    more=st.lists(st.integers(0, 2**48 - 1), max_size=2),
)
def test_any_content_comes_back_to_whom_it_was_for(content, form, key, sender, receiver, more):
    record = seal(sealer(key, address=sender), content, form=form, receiver=receiver)
    opened = open_(Opener(RING), record, sender=sender, receivers=[*more, receiver])
    assert isinstance(opened, Opened)
    assert (opened.content, opened.form, opened.receiver) == (content, form, receiver)


@given(digits=st.text("0123456789ABCDEF", min_size=1, max_size=50))
def test_an_odd_number_of_digits_stays_odd(digits):
    content, n_bits = pack_digits(digits)
    opened = open_(Opener(RING), seal(sealer(), content, form=Form.CODE, n_bits=n_bits))
    assert isinstance(opened, Opened)
    assert (opened.content, opened.n_bits, opened.form) == (content, n_bits, Form.CODE)


def test_every_bit_is_bound():
    record = seal(sealer())
    opener = Opener(RING)
    for bit in range(8 * len(record)):
        bad = bytearray(record)
        bad[bit // 8] ^= 1 << bit % 8
        assert reason(open_(opener, bytes(bad))) in (
            SealRefusal.FORGED,
            SealRefusal.UNKNOWN_KEY,
            SealRefusal.NOT_SEALED,
            SealRefusal.TOO_SHORT,
        )
    # None of it has spoilt the true one.
    assert isinstance(open_(opener, record), Opened)


def test_truncation():
    record = seal(sealer(), b"0123456789" * 3)
    opener = Opener(RING)
    for n in range(len(record)):
        assert isinstance(open_(opener, record[:n]), SealRefused)
    assert reason(open_(opener, record + b"\0")) is SealRefusal.FORGED
    assert reason(open_(opener, record[:OVERHEAD_BYTES])) is SealRefusal.TOO_SHORT


def test_wrong_key_and_wrong_parties():
    record = seal(sealer())
    same_id = SealKey(7, OTHER.reveal())
    assert reason(open_(Opener(KeyRing([same_id], sending=7)), record)) is SealRefusal.FORGED
    assert reason(open_(Opener(KeyRing([OTHER], sending=8)), record)) is SealRefusal.UNKNOWN_KEY
    opener = Opener(RING)
    assert reason(open_(opener, record, sender=SENDER + 1)) is SealRefusal.FORGED
    assert reason(open_(opener, record, sender=-1)) is SealRefusal.FORGED
    assert reason(open_(opener, record, receivers=(BROADCAST,))) is SealRefusal.FORGED
    assert reason(open_(opener, record, receivers=())) is SealRefusal.FORGED
    assert opener.n_refused[SealRefusal.FORGED] == 4
    to_all = open_(opener, seal(sealer(), receiver=BROADCAST))
    assert isinstance(to_all, Opened)
    assert to_all.receiver == BROADCAST


def test_replay():
    one, opener = sealer(), Opener(RING)
    first, second = seal(one), seal(one)
    assert first != second
    assert isinstance(open_(opener, second), Opened)
    assert isinstance(open_(opener, first), Opened)
    for record in (first, second):
        assert reason(open_(opener, record)) is SealRefusal.REPLAYED


def test_replay_after_a_restart_of_the_receiver():
    one, opener = sealer(), Opener(RING)
    record = seal(one)
    opened = open_(opener, record)
    assert isinstance(opened, Opened)
    again = Opener(RING, stored=dict([opened.replay_entry]))
    assert reason(open_(again, record)) is SealRefusal.REPLAYED
    assert isinstance(open_(again, seal(one)), Opened)


def test_messages_below_the_window_are_old():
    one, opener = sealer(), Opener(RING)
    records = [seal(one) for _ in range(WINDOW + 2)]
    for record in records[1:]:
        assert isinstance(open_(opener, record), Opened)
    assert reason(open_(opener, records[0])) is SealRefusal.TOO_OLD
    assert reason(open_(opener, records[1])) is SealRefusal.TOO_OLD
    assert reason(open_(opener, records[2])) is SealRefusal.REPLAYED


def test_a_clone_is_told_from_a_replay():
    """Two machines with one disk image and one card seal different texts under one counter."""
    opener = Opener(RING)
    assert isinstance(open_(opener, seal(sealer(), b"from the one")), Opened)
    assert reason(open_(opener, seal(sealer(), b"from the other"))) is SealRefusal.NONCE_REUSED


def test_own_messages_on_air_tell_of_a_clone():
    one, clone, ears = sealer(), sealer(), Opener(RING)
    seal(one)
    for _ in range(2):
        heard = open_(ears, seal(clone))
        assert isinstance(heard, Opened)
        one.lane.witness(heard.counter)
    with pytest.raises(CounterError, match="clone_seen"):
        seal(one)


def test_age():
    opener = Opener(RING, max_age_s=3600)
    one = sealer()
    assert reason(open_(opener, seal(one), utc_s=NOW + 3700)) is SealRefusal.STALE
    assert reason(open_(opener, seal(one), utc_s=NOW - 1201)) is SealRefusal.FROM_THE_FUTURE
    assert isinstance(open_(opener, seal(one), utc_s=NOW + 3600), Opened)
    assert isinstance(open_(opener, seal(one), utc_s=NOW - 600), Opened)
    unset = open_(opener, seal(one), utc_s=None)
    assert isinstance(unset, Opened)
    assert unset.age_s is None
    late = open_(Opener(RING), seal(one), utc_s=NOW + 9e6)
    assert isinstance(late, Opened)
    with pytest.raises(ValueError, match="max_age_s"):
        Opener(RING, max_age_s=0)


def test_rotation():
    """New key everywhere, then send with it, then drop the old one."""
    old, new = KeyRing([KEY], sending=7), KeyRing([OTHER], sending=8)
    both = Opener(RING)
    assert isinstance(open_(both, seal(sealer(old.sending))), Opened)
    assert isinstance(open_(both, seal(sealer(new.sending))), Opened)
    assert reason(open_(Opener(new), seal(sealer(old.sending)))) is SealRefusal.UNKNOWN_KEY


def test_a_sealer_restarts_behind_its_store():
    one = sealer()
    records = {seal(one)[:7] for _ in range(5)}
    stored = {"seal/142019/7": b"50000600 host-a"}
    again = sealer(stored=stored)
    assert int.from_bytes(seal(again)[3:7]) == 50_000_600
    assert seal(again)[:7] not in records
    other_card = sealer(address=SENDER + 1, stored=stored)
    assert int.from_bytes(seal(other_card)[3:7]) == 50_000_000


def test_contents_that_cannot_be_sealed():
    one = sealer()
    for content, form, n_bits in (
        (b"", Form.MIXED, 0),
        (b"ab", Form.MIXED, 12),
        (b"ab", Form.CODE, 20),
        (b"ab", Form.HANZI, 24),
        (bytes(CONTENT_BYTES_MAX + 1), Form.CODE, 8 * CONTENT_BYTES_MAX + 8),
    ):
        with pytest.raises(EncodeError):
            seal(one, content, form=form, n_bits=n_bits)
    with pytest.raises(EncodeError):
        seal(one, receiver=1 << 48)
    with pytest.raises(EncodeError):
        Sealer(KEY, address=-1, stored={}, host="h")
    # What was refused has cost no counter.
    assert int.from_bytes(seal(one)[3:7]) == 50_000_000


def test_overhead():
    assert overhead_bits(Form.CODE, bytes(20)) == 120
    assert overhead_bits(Form.MIXED, b"\xa4" + bytes(19)) == 120
    assert overhead_bits(Form.HANZI, "水位".encode("gbk")) == 120 + 4
    card = Card(address=1, interval_s=60, level=3, is_encrypted=False)
    chosen = choose_form("字" * 31, card=card, family=Family.BD2)
    record = seal(sealer(), chosen.content, form=chosen.form, n_bits=chosen.n_bits)
    assert 8 * len(record) - chosen.n_bits_on_air == overhead_bits(
        chosen.form, chosen.content, chosen.n_bits
    )
    assert 8 * len(record) <= 628


@given(
    record=st.binary(max_size=60)
    | st.binary(max_size=60).map(lambda b: b"\xbd\x82\x07" + b)
    | st.binary(max_size=60).map(lambda b: b"\xbd" + b),
    sender=st.integers(-(2**70), 2**70),
    utc_s=st.none() | st.floats(0, 1e10),
)
def test_any_bytes_are_refused_and_counted(record, sender, utc_s):
    opener = Opener(RING, max_age_s=10)
    assert isinstance(open_(opener, record, sender=sender, utc_s=utc_s), SealRefused)
    assert sum(opener.n_refused.values()) == 1


def test_the_table_of_senders_is_bounded_and_forgets_nobody():
    opener = Opener(RING, senders_max=2)
    records = {n: seal(sealer(address=n)) for n in (1, 2, 3)}
    assert isinstance(open_(opener, records[1], sender=1), Opened)
    assert isinstance(open_(opener, records[2], sender=2), Opened)
    assert reason(open_(opener, records[3], sender=3)) is SealRefusal.TABLE_FULL
    assert reason(open_(opener, records[1], sender=1)) is SealRefusal.REPLAYED
