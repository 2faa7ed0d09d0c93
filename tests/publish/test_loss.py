"""What is remembered of fixes that were given up, against a plain dictionary."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.errors import DecodeError
from bdgw.publish import loss
from bdgw.publish.loss import FixRange, Losses, fix_ranges
from bdgw.publish.outbox import FIX_SCHEMA, Lane, Outgoing


def message(device: str, boot: str, seq: int, schema: str = FIX_SCHEMA) -> Outgoing:
    payload = b'{"v":1,"gw":"g","dev":"%s","boot":"%s","seq":%d,"fix":"single"}'
    values = device.encode(), boot.encode(), seq
    return Outgoing(topic="t", payload=payload % values, lane=Lane.LIVE, schema=schema)


def listed(losses: Losses, device: str) -> dict[tuple[str, int], str]:
    found: dict[tuple[str, int], str] = {}
    for each in losses.undelivered(device):
        for seq in range(each.numbers.first, each.numbers.last + 1):
            assert (each.boot, seq) not in found
            found[each.boot, seq] = each.reason
    return found


_STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from("ab"),
            st.sampled_from(("b1", "b2")),
            st.integers(0, 30),
            st.integers(0, 6),
            st.sampled_from(("full", "not_authorized")),
        ),
        st.tuples(st.sampled_from("ab"), st.sampled_from(("b1", "b2")), st.integers(0, 30)),
    )
)


@given(_STEPS)
def test_ranges_say_what_a_dictionary_says(steps):
    losses = Losses()
    rows: dict[str, bytes] = {}
    expected: dict[str, dict[tuple[str, int], str]] = {"a": {}, "b": {}}
    for step in steps:
        if len(step) == 5:
            device, boot, first, n, reason = step
            losses.add(FixRange(device, boot, first, first + n), reason)
            expected[device].update({(boot, first + i): reason for i in range(n + 1)})
        else:
            device, boot, seq = step
            losses.delivered(message(device, boot, seq))
            expected[device].pop((boot, seq), None)
        rows.update(losses.take_changed())
    again = Losses()
    again.restore((device, data) for device, data in rows.items() if data)
    for device, value in expected.items():
        assert listed(losses, device) == listed(again, device) == value
        assert losses.n_undelivered(device) == again.n_undelivered(device) == len(value)
        ranges = losses.undelivered(device)
        for one, two in pairwise(ranges):
            is_continued = one.numbers.last + 1 == two.numbers.first
            assert (one.boot, one.reason) != (two.boot, two.reason) or not is_continued


def test_the_newest_ranges_are_kept_and_all_are_counted():
    losses = Losses()
    for seq in range(0, 1000, 2):
        losses.add(FixRange("a", "b1" if seq < 100 else "b2", seq, seq), "full")
    kept = losses.undelivered("a")
    assert [each.numbers.first for each in kept] == list(range(800, 1000, 2))
    assert losses.n_undelivered("a") == 500


def test_what_is_no_fix_is_not_remembered():
    losses = Losses()
    losses.note(message("a", "b", 1, schema="bdgw/sky/1"), "full")
    losses.note(Outgoing(topic="t", payload=b"a 1", lane=Lane.LIVE, schema=FIX_SCHEMA), "full")
    assert not losses.has_changed
    losses.note(message("a", "b", 1), "full")
    assert listed(losses, "a") == {("b", 1): "full"}


def test_devices_are_bounded(monkeypatch):
    monkeypatch.setattr(loss, "_DEVICES_MAX", 2)
    losses = Losses()
    for device in "abc":
        losses.note(message(device, "b", 1), "full")
    assert [losses.n_undelivered(device) for device in "abc"] == [0, 1, 1]
    assert dict(losses.take_changed())["a"] == b""


def test_rows_that_were_not_written_are_given_again():
    losses = Losses()
    losses.note(message("a", "b", 1), "full")
    rows = losses.take_changed()
    assert not losses.has_changed
    losses.give_back([device for device, _ in rows])
    assert losses.take_changed() == rows


def test_a_damaged_row_costs_only_itself():
    losses = Losses()
    losses.note(message("b", "b", 1), "full")
    again = Losses()
    with pytest.raises(DecodeError, match="undelivered fixes of a"):
        again.restore([("a", b"\xc1"), *losses.take_changed()])
    assert again.n_undelivered("b") == 1


def test_ranges_among_messages_of_many_devices():
    numbers = [("a", 1), ("b", 7), ("a", 2), ("a", 2), ("a", 5), ("b", 8)]
    found = fix_ranges(message(device, "x", seq) for device, seq in numbers)
    assert set(found) == {
        FixRange("a", "x", 1, 2),
        FixRange("a", "x", 5, 5),
        FixRange("b", "x", 7, 8),
    }
