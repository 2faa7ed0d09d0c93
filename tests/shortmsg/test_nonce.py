"""No counter twice: restarts, crashes, two processes, restored disks, clones."""

import contextlib
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bdgw.shortmsg.nonce import (
    BLOCK,
    BLOCK_AHEAD,
    COUNTER_END,
    EPOCH_UTC_S,
    CounterError,
    CounterLane,
    CounterTrouble,
    clock_of,
)
from tests.shortmsg.counter_store import CounterStore

NOW = EPOCH_UTC_S + 50_000_000.0
NAME = "seal/1/7"


def start(stored: bytes | None = None, *, host: str = "host-a", block: int = BLOCK) -> CounterLane:
    return CounterLane(NAME, stored=stored, host=host, block=block)


def fill(lane: CounterLane, utc_s: float | None = NOW) -> bytes | None:
    """Let a reservation become durable, if one is due; give what is stored then."""
    due = lane.due(utc_s=utc_s)
    if due is None:
        return None
    lane.granted(due)
    return due.value


def test_a_counter_is_the_clock_or_the_one_after_the_last():
    lane = start()
    fill(lane)
    clock = clock_of(NOW)
    assert clock == 50_000_000
    assert [lane.take(utc_s=NOW) for _ in range(3)] == [clock, clock + 1, clock + 2]
    assert lane.take(utc_s=NOW + 60) == clock + 60
    assert lane.take(utc_s=NOW - 3600) == clock + 61
    assert lane.take(utc_s=None) == clock + 62


def test_nothing_is_given_before_it_is_durable():
    lane = start()
    with pytest.raises(CounterError) as caught:
        lane.take(utc_s=NOW)
    assert caught.value.trouble is CounterTrouble.NOT_RESERVED
    due = lane.due(utc_s=NOW)
    assert due is not None
    assert due.expected is None
    assert due.value == f"{50_000_000 + BLOCK} host-a".encode()
    assert lane.due(utc_s=NOW) is None  # one at a time
    with pytest.raises(CounterError):
        lane.take(utc_s=NOW)
    lane.failed()
    assert lane.due(utc_s=NOW) == due
    lane.granted(due)
    lane.take(utc_s=NOW)
    assert lane.due(utc_s=NOW) is None


def test_a_block_lasts_as_many_counters_as_it_has():
    lane = start(block=5)
    fill(lane)
    taken = [lane.take(utc_s=NOW) for _ in range(5)]
    assert taken == list(range(50_000_000, 50_000_005))
    with pytest.raises(CounterError):
        lane.take(utc_s=NOW)
    fill(lane)
    assert lane.take(utc_s=NOW) == 50_000_005


def test_a_restart_in_the_middle_of_a_block_skips_the_rest_of_it():
    lane = start()
    stored = fill(lane)
    used = {lane.take(utc_s=NOW) for _ in range(10)}
    again = start(stored)
    fill(again, NOW + 1)
    assert again.take(utc_s=NOW + 1) == 50_000_000 + BLOCK
    assert not used & {again.take(utc_s=NOW + 1) for _ in range(10)}


def test_crashes_in_a_row_do_not_run_away_from_the_clock():
    stored = None
    for crash in range(100):
        lane = start(stored)
        stored = fill(lane, NOW + 5 * crash) or stored
        lane.take(utc_s=NOW + 5 * crash)
    assert lane.take(utc_s=NOW + 495) - (50_000_000 + 495) <= BLOCK + 100 * BLOCK_AHEAD
    for minute in range(120):
        at = NOW + 500 + 60 * minute
        fill(lane, at)
        last = lane.take(utc_s=at)
    assert last == 50_000_000 + 500 + 60 * 119


def test_a_restored_backup_is_overtaken_by_the_clock():
    lane = start()
    backup = fill(lane)
    used = set()
    for minute in range(600):
        at = NOW + 60 * minute
        fill(lane, at)
        used.add(lane.take(utc_s=at))
    restored = start(backup)
    at = NOW + 60 * 600
    for _ in range(100):
        fill(restored, at)
        assert restored.take(utc_s=at) not in used


def test_a_lost_disk_needs_a_clock_once():
    for stored in (None, b"400 host-a"):
        lane = start(stored)
        assert lane.due(utc_s=None) is None
        with pytest.raises(CounterError) as caught:
            lane.take(utc_s=None)
        assert caught.value.trouble is CounterTrouble.NO_CLOCK
        fill(lane, NOW)
        assert lane.take(utc_s=None) > 400


def test_a_clock_that_is_lost_again_leaves_its_floor():
    lane = start()
    with pytest.raises(CounterError):
        lane.take(utc_s=NOW)
    fill(lane, None)
    assert lane.take(utc_s=None) == 50_000_000


def test_clocks_that_are_not_set():
    for utc_s in (None, 0.0, EPOCH_UTC_S - 1.0, float(EPOCH_UTC_S + COUNTER_END)):
        assert clock_of(utc_s) is None
    assert clock_of(float(EPOCH_UTC_S)) == 0


def test_a_cloned_disk_is_caught_by_its_host():
    lane = start()
    stored = fill(lane)
    clone = start(stored, host="host-b")
    assert clone.trouble is CounterTrouble.CLONED_STORE
    assert clone.due(utc_s=NOW) is None
    with pytest.raises(CounterError, match="cloned_store"):
        clone.take(utc_s=NOW)
    clone.adopt()
    due = clone.due(utc_s=NOW)
    assert due is not None
    assert due.value.endswith(b" host-b")
    clone.granted(due)
    assert clone.take(utc_s=NOW) == 50_000_000 + BLOCK


def test_a_clone_is_caught_by_what_it_sends():
    lane = start()
    fill(lane)
    own = lane.take(utc_s=NOW)
    lane.witness(own)
    assert lane.take(utc_s=NOW) == own + 1
    lane.witness(own + 2)
    assert lane.trouble is CounterTrouble.CLONE_SEEN
    lane.adopt()  # that does not help here
    with pytest.raises(CounterError, match="clone_seen"):
        lane.take(utc_s=NOW)


def test_two_processes_on_one_store(tmp_path):
    store = CounterStore(tmp_path / "a")
    first, second = start(), start()
    for _ in range(4):
        used: list[int] = []
        for lane in (first, second) * 100:
            while (due := lane.due(utc_s=NOW)) is not None:
                if store.compare_and_set(due.name, due.expected, due.value):
                    lane.granted(due)
                else:
                    lane.refused(store.all()[NAME])
            used += [lane.take(utc_s=NOW) for _ in range(10)]
        assert len(set(used)) == len(used)
    assert first.n_contended + second.n_contended >= 3
    store.close()


def test_a_store_that_changes_hands_while_it_runs():
    lane = start()
    assert lane.due(utc_s=NOW) is not None
    lane.refused(b"60000000 host-b")
    assert lane.trouble is CounterTrouble.CLONED_STORE


def test_the_end_of_all_counters():
    near = start(f"{COUNTER_END - 2} host-a".encode())
    fill(near)
    assert [near.take(utc_s=NOW) for _ in range(2)] == [COUNTER_END - 2, COUNTER_END - 1]
    for lane in (near, start(f"{COUNTER_END} host-a".encode())):
        assert lane.due(utc_s=NOW) is None
        with pytest.raises(CounterError) as caught:
            lane.take(utc_s=NOW)
        assert caught.value.trouble is CounterTrouble.EXHAUSTED


@pytest.mark.parametrize(
    "stored", [b"", b"12", b"x host", b"-5 host-a", b"\xff\xfe", b"99999999999 a"]
)
def test_a_damaged_entry_is_never_taken_for_a_new_one(stored):
    with pytest.raises(ValueError, match="damaged"):
        start(stored)


def test_hosts_and_blocks_are_checked():
    for host in ("", "a b", "主机", "x" * 129):
        with pytest.raises(ValueError, match="host"):
            start(host=host)
    for block in (0, COUNTER_END):
        with pytest.raises(ValueError, match="block"):
            start(block=block)


@given(st.binary(max_size=40))
def test_any_entry_is_read_or_refused(stored):
    try:
        lane = start(stored)
    except ValueError:
        return
    assert stored.split(b" ")[0].isdigit()
    fill(lane)


class Lanes(RuleBasedStateMachine):
    """A gateway with one card, through crashes and backups; the clock runs, a store may lie low.

    A backup is restored only after it is older than a block, as the operator's manual says.
    """

    @initialize()
    def begin(self) -> None:
        self.now = NOW
        self.used: list[int] = []
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "store"
        self.backup: Path | None = None
        self.backup_at = 0.0
        self.pending = None
        self.open()

    def open(self) -> None:
        self.store = CounterStore(self.path)
        self.lane = start(self.store.all().get(NAME), block=20)

    @rule(clock=st.booleans(), clock_at_last=st.booleans())
    def seal(self, clock: bool, clock_at_last: bool) -> None:
        self.now += 1  # a card sends once a second at most
        utc_s = self.now if clock else None
        due = self.lane.due(utc_s=utc_s)
        if due is not None:
            if self.store.compare_and_set(due.name, due.expected, due.value):
                self.lane.granted(due)
            else:
                self.lane.refused(self.store.all().get(NAME))
        with contextlib.suppress(CounterError):
            self.used.append(self.lane.take(utc_s=self.now if clock_at_last else None))
        assert self.lane.trouble is None

    @rule()
    def lose_an_answer_of_the_store(self) -> None:
        due = self.lane.due(utc_s=self.now)
        if due is not None:
            self.store.compare_and_set(due.name, due.expected, due.value)
            self.lane.failed()

    @rule(seconds=st.integers(0, 100))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def crash(self) -> None:
        self.now += 21  # restarts take longer than a block has counters
        self.store.close()
        self.open()

    @rule()
    def save(self) -> None:
        self.backup = self.path.with_name("backup")
        shutil.copy(self.path, self.backup)
        self.backup_at = self.now

    @precondition(lambda self: getattr(self, "backup", None) is not None)
    @rule()
    def restore(self) -> None:
        self.now = max(self.now, self.backup_at) + 41
        self.store.close()
        assert self.backup is not None
        shutil.copy(self.backup, self.path)
        self.open()

    @rule()
    def lose_the_disk(self) -> None:
        self.now += 41
        self.store.close()
        self.path.unlink()
        self.backup = None
        self.open()

    @invariant()
    def no_counter_twice(self) -> None:
        used = getattr(self, "used", [])
        assert len(set(used)) == len(used)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.folder.cleanup()


TestLanes = Lanes.TestCase
TestLanes.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
