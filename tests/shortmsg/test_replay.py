"""The memory of opened messages against a plain model, and its entries on disk."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.shortmsg.replay import WINDOW, ReplayGuard, ReplayVerdict


def tag(n: int) -> bytes:
    return n.to_bytes(8)


@given(
    st.lists(
        st.tuples(st.integers(1, 2), st.integers(0, 90), st.integers(0, 1), st.booleans()),
        max_size=300,
    )
)
def test_against_a_model(steps):
    """A counter is opened at most once, for ever, whatever the order, and across restarts."""
    guard = ReplayGuard()
    opened: set[tuple[int, int]] = set()
    for sender, counter, which, is_restarted in steps:
        if is_restarted:
            guard = ReplayGuard(dict(guard.entry(one, 7) for one in {s for s, _ in opened}))
        verdict = guard.note(sender, 7, counter, tag(which))
        if verdict is ReplayVerdict.FRESH:
            assert (sender, counter) not in opened
            opened.add((sender, counter))
        elif verdict is ReplayVerdict.TOO_OLD:
            assert sum(1 for s, c in opened if s == sender and c >= counter) >= WINDOW
        else:
            assert (sender, counter) in opened


def test_late_messages_of_any_age_come_in():
    guard = ReplayGuard()
    assert guard.note(1, 7, 4_000_000_000, tag(1)) is ReplayVerdict.FRESH
    assert guard.note(1, 7, 5, tag(2)) is ReplayVerdict.FRESH
    assert guard.note(1, 7, 5, tag(2)) is ReplayVerdict.REPLAYED
    assert guard.note(1, 7, 5, tag(3)) is ReplayVerdict.NONCE_REUSED


def test_lanes_are_apart_and_bounded():
    guard = ReplayGuard(lanes_max=2)
    assert guard.note(1, 7, 5, tag(1)) is ReplayVerdict.FRESH
    assert guard.note(1, 8, 5, tag(1)) is ReplayVerdict.FRESH
    assert guard.note(2, 7, 5, tag(1)) is ReplayVerdict.TABLE_FULL
    assert len(guard) == 2


def test_an_entry_is_small():
    guard = ReplayGuard()
    for counter in range(1000):
        guard.note(1, 7, counter, tag(counter))
    name, value = guard.entry(1, 7)
    assert (name, len(value)) == ("replay/1/7", 8 + WINDOW * 16)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("replay/1", struct.pack(">q", -1)),
        ("replay/1/x", struct.pack(">q", -1)),
        ("replay/1/7", b""),
        ("replay/1/7", struct.pack(">q", -1) + b"1"),
        ("replay/1/7", struct.pack(">q", -1) + bytes(16 * (WINDOW + 1))),
    ],
)
def test_damaged_entries_are_refused(name, value):
    with pytest.raises(ValueError, match="damaged"):
        ReplayGuard({name: value})
    assert len(ReplayGuard({"seal/1/7": value})) == 0
