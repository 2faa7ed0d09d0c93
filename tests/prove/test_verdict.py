"""The judge, against a plain count of the same words."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bdgw.prove import item
from bdgw.prove.item import Item
from bdgw.prove.verdict import Verdict
from bdgw.publish import payload

LIVES = st.integers(1, 3)
NUMBERS = st.integers(0, 12)
PLACES = st.tuples(LIVES, NUMBERS)


def judge() -> Verdict:
    verdict = Verdict()
    for life in (1, 2, 3):
        verdict.expect(life)
    return verdict


@given(st.lists(PLACES), st.lists(st.tuples(PLACES, st.booleans())))
def test_it_counts_what_is_lost_and_what_came_twice(accepted, arrived):
    verdict = judge()
    for life, number in accepted:
        verdict.accept(life, [number])
    for (life, number), is_redelivered in arrived:
        verdict.arrive(Item(life, number, None), live_device=None, is_redelivered=is_redelivered)
    seen = Counter(place for place, _ in arrived)
    assert verdict.n_accepted == len(set(accepted))
    assert sorted(verdict.lost()) == sorted(set(accepted) - set(seen))
    assert verdict.n_lost() == len(set(accepted) - set(seen))
    again = sum(seen.values()) - len(seen)
    assert verdict.n_duplicates + verdict.n_redelivered == again


@given(st.lists(PLACES, unique=True))
def test_first_arrivals_of_a_device_must_ascend(arrived):
    verdict = judge()
    for life, number in arrived:
        verdict.arrive(Item(life, number, None), live_device="a", is_redelivered=False)
        # What came once may come again: that is a duplicate, and no disorder.
        verdict.arrive(
            Item(arrived[0][0], arrived[0][1], None), live_device="a", is_redelivered=False
        )
    expected, highest = 0, (0, 0)
    for place in arrived:
        expected += place < highest
        highest = max(highest, place)
    assert verdict.n_out_of_order == expected


def test_items_of_another_drill_do_not_count():
    verdict = judge()
    assert not verdict.arrive(Item(4, 0, None), live_device="a", is_redelivered=False)
    assert (verdict.n_arrived, verdict.latest) == (0, {})


@given(LIVES, st.integers(0, 1 << 40))
def test_an_item_is_known_by_its_payload(life: int, number: int):
    fix = item.fix(life, number, n_devices=50, utc_ns=1_800_000_000 * 10**9)
    record = payload.stamp_historical(payload.device_fix_payload("g/prove", fix))
    body = payload.stamp_published(record, 0)
    found = item.read(body)
    assert found is not None
    assert (found.life, found.number, found.t_rx) == (life, number, "2027-01-15T08:00:00.000Z")
    alarm = item.alarm(life, number, utc_ns=0)
    assert item.read(payload.alarm_payload("g/prove", alarm)) == (life, number, None)


@given(st.binary(max_size=40))
def test_other_bytes_are_no_item(data: bytes):
    assert item.read(data) is None or data.lstrip().startswith(b"{")
