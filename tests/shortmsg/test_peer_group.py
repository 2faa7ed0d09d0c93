"""Groups of peers with their keys: two gateways over a store that a crash leaves behind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.errors import ConfigError, EncodeError
from bdgw.shortmsg.key import KeyRing, SealKey
from bdgw.shortmsg.nonce import EPOCH_UTC_S, CounterError, CounterTrouble
from bdgw.shortmsg.peer_group import CARDS_MAX, PeerGroups
from bdgw.shortmsg.seal import Opened, SealRefusal, SealRefused
from tests.shortmsg.counter_store import CounterStore

NOW = EPOCH_UTC_S + 50_000_000.0
A, B = 142_019, 142_020
FLEET = KeyRing([SealKey.from_hex(7, "9f1c3a5b7d2e4f60718293a4b5c6d7e8")], sending=7)
DAM = KeyRing([SealKey.from_hex(8, "e8d7c6b5a49382716f4e2d7b5a3c1f90")], sending=8)
RINGS = {"fleet": FLEET, "dam": DAM}


def groups(stored=None, *, rings=None, host="host-a", **more) -> PeerGroups:
    return PeerGroups(rings or RINGS, stored=stored or {}, host=host, **more)


def reserve(one: PeerGroups, store: CounterStore | None = None, utc_s: float = NOW) -> None:
    for due in one.due(utc_s=utc_s):
        if store is None or store.compare_and_set(due.name, due.expected, due.value):
            one.granted(due)
        else:
            one.refused(due, store.all().get(due.name))


def sending(group: str = "fleet", address: int = A) -> PeerGroups:
    one = groups()
    one.prepare(group, address)
    reserve(one)
    return one


def seal(one: PeerGroups, payload: bytes = b"up", *, group="fleet", sender=A) -> bytes:
    return one.seal(group, payload, sender=sender, receiver=B, utc_s=NOW)


def open_(one: PeerGroups, sealed: bytes, *, group: str | None = None, sender: int = A):
    return one.open(group, sealed, sender=sender, receivers=(B,), utc_s=NOW)


def test_two_gateways():
    there = groups()
    sealed = seal(sending())
    opened = open_(there, sealed, group="fleet")
    assert isinstance(opened, Opened)
    assert opened.content == b"up"
    again = open_(there, sealed)
    assert isinstance(again, SealRefused)
    assert again.reason is SealRefusal.REPLAYED
    assert there.n_refused == {SealRefusal.REPLAYED: 1}


def test_a_key_opens_for_its_own_group_only():
    there = groups()
    sealed = seal(sending())
    for result in (open_(there, sealed, group="dam"), open_(groups(rings={"dam": DAM}), sealed)):
        assert isinstance(result, SealRefused)
        assert (result.reason, result.key_id) == (SealRefusal.UNKNOWN_KEY, 7)


def test_restarts_of_both_sides_on_one_store(tmp_path):
    path = tmp_path / "values"
    store = CounterStore(path)
    counters, records = set(), []
    for _ in range(3):
        here = groups(store.all())
        here.prepare("fleet", A)
        reserve(here, store)
        for _ in range(4):
            sealed = seal(here)
            there = groups(store.all())
            opened = open_(there, sealed)
            assert isinstance(opened, Opened)
            name, value = opened.replay_entry
            assert store.compare_and_set(name, store.all().get(name), value)
            counters.add(opened.counter)
            records.append(sealed)
        store.close()
        store = CounterStore(path)
    assert len(counters) == 12
    late = groups(store.all())
    assert all(isinstance(open_(late, one), SealRefused) for one in records)
    assert late.n_refused == {SealRefusal.REPLAYED: 12}
    store.close()


def test_nothing_is_sealed_before_its_counters_are_durable():
    one = groups()
    with pytest.raises(CounterError):
        seal(one)
    (due,) = one.due(utc_s=NOW)
    assert one.due(utc_s=NOW) == ()
    one.failed(due)
    (due,) = one.due(utc_s=NOW)
    one.refused(due, b"60000000 host-a")
    reserve(one)
    opened = open_(groups(), seal(one))
    assert isinstance(opened, Opened)
    assert opened.counter == 60_000_000


def test_a_cloned_disk_stops_until_it_is_adopted():
    one = groups({f"seal/{A}/7": b"50000600 host-a"}, host="host-b")
    one.prepare("fleet", A)
    assert one.trouble("fleet", A) is CounterTrouble.CLONED_STORE
    assert one.due(utc_s=NOW) == ()
    with pytest.raises(EncodeError, match="cloned_store"):
        seal(one)
    one.adopt("fleet", A)
    reserve(one)
    assert one.trouble("fleet", A) is None
    seal(one)


def test_own_address_on_air_tells_of_a_clone():
    one, clone = sending(), sending()
    seal(one)
    assert isinstance(open_(one, seal(clone)), Opened)
    assert one.trouble("fleet", A) is None  # perhaps our own, copied to us
    assert isinstance(open_(one, seal(clone)), Opened)
    assert one.trouble("fleet", A) is CounterTrouble.CLONE_SEEN


def test_ids_and_keys_belong_to_one_group():
    same_id = KeyRing([SealKey.from_hex(7, "00112233445566778899aabbccddeefe")], sending=7)
    with pytest.raises(ConfigError, match="id 7 stands in two"):
        groups(rings={"fleet": FLEET, "dam": same_id})
    same_key = KeyRing([SealKey(9, FLEET.sending.reveal())], sending=9)
    with pytest.raises(ConfigError, match="also of another group"):
        groups(rings={"fleet": FLEET, "dam": same_key})


def test_what_cannot_be_sealed():
    one = sending()
    with pytest.raises(EncodeError, match="no key"):
        seal(one, group="nobody")
    with pytest.raises(EncodeError):
        seal(one, b"")
    for address in range(CARDS_MAX - 1):
        one.prepare("dam", address)
    with pytest.raises(EncodeError, match="cards"):
        one.prepare("dam", CARDS_MAX)


@given(st.binary(max_size=40) | st.binary(max_size=40).map(lambda b: b"\xbd\x81\x07" + b))
def test_any_bytes_are_refused(data):
    one = groups()
    assert isinstance(open_(one, data), SealRefused)
    assert sum(one.n_refused.values()) == 1
