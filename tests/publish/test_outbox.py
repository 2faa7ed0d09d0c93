from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bdgw.publish.outbox import Entry, Lane, Outgoing
from bdgw.publish.outbox_book import OutboxBook
from bdgw.publish.outbox_pace import Bounds, LanePace


def book(**bounds) -> OutboxBook:
    return OutboxBook(Bounds(**bounds))


def put(outbox: OutboxBook, lane: Lane = Lane.LIVE, key: str | None = None, **more) -> int | None:
    now_s = more.pop("now_s", 0.0)
    values = {"topic": "t", "payload": b"x", **more}
    return outbox.put(Outgoing(lane=lane, supersede_key=key, **values), now_s=now_s)


def ids(entries: list[Entry]) -> list[int]:
    return [entry.id for entry in entries]


def test_alarms_and_states_go_before_live_and_each_lane_keeps_its_order():
    outbox = book()
    for lane in (Lane.LIVE, Lane.STATE, Lane.LIVE, Lane.ALARM):
        put(outbox, lane)
    assert ids(outbox.take(10)) == [2, 4, 1, 3]


def test_released_entries_come_again_in_their_old_places():
    outbox = book()
    for _ in range(6):
        put(outbox)
    outbox.take(4)
    outbox.ack(2)
    outbox.release([4, 1, 3])
    assert ids(outbox.take(10)) == [1, 3, 4, 5, 6]


def test_a_single_retry_goes_between_the_waiting_ones():
    outbox = book()
    for _ in range(4):
        put(outbox)
    outbox.take(3)
    outbox.release([1])
    outbox.release([3])
    outbox.release([2])
    assert ids(outbox.take(10)) == [1, 2, 3, 4]


def test_the_oldest_superseded_fix_goes_first_when_full():
    outbox = book(max_items=3)
    put(outbox, key="a")
    put(outbox, key="b")
    put(outbox, key="b")
    put(outbox, key="c")
    assert ids(outbox.take(10)) == [1, 3, 4]
    assert outbox.snapshot(now_s=0).dropped == {"superseded": 1}


def test_the_oldest_fix_goes_when_none_is_superseded():
    outbox = book(max_items=2)
    for key in "abc":
        put(outbox, key=key)
    assert ids(outbox.take(10)) == [2, 3]
    assert outbox.snapshot(now_s=0).dropped == {"full": 1}


def test_entries_in_flight_are_not_dropped():
    outbox = book(max_items=2)
    put(outbox, key="a")
    put(outbox, key="a")
    outbox.take(2)
    assert put(outbox, key="a") is None
    outbox.release([1, 2])
    assert ids(outbox.take(10)) == [1, 2]


def test_alarms_are_taken_even_above_the_bound_and_said_so():
    outbox = book(max_items=2)
    put(outbox)
    for _ in range(3):
        assert put(outbox, Lane.ALARM) is not None
    snapshot = outbox.snapshot(now_s=0)
    assert (snapshot.depth, snapshot.is_over_bound) == (3, True)
    assert put(outbox) is None


def test_a_newer_state_replaces_a_waiting_one_when_room_is_needed():
    outbox = book(max_items=2)
    for _ in range(3):
        put(outbox, Lane.STATE, "health")
    put(outbox, Lane.STATE, "conn")
    assert ids(outbox.take(10)) == [3, 4]


def test_bytes_are_bounded_too():
    outbox = book(max_bytes=100)
    assert put(outbox, payload=b"x" * 200) is None
    for _ in range(5):
        put(outbox, payload=b"x" * 39)
    snapshot = outbox.snapshot(now_s=0)
    assert (snapshot.depth, snapshot.bytes, snapshot.dropped) == (2, 80, {"full": 4})


def test_a_fix_that_a_delivered_one_has_overtaken_is_not_sent_again():
    outbox = book()
    put(outbox, key="a")
    put(outbox, key="a")
    outbox.take(2)
    outbox.ack(2)
    outbox.release([1])
    assert outbox.take(10) == []
    assert outbox.snapshot(now_s=0).dropped == {"overtaken": 1}


def test_the_wakeup_is_called_for_new_and_returned_entries():
    calls: list[None] = []
    outbox = book()
    outbox.set_wakeup(lambda: calls.append(None))
    put(outbox)
    outbox.take(1)
    outbox.release([1])
    assert len(calls) == 2


def test_age_is_that_of_the_oldest_unacknowledged_entry():
    outbox = book()
    assert outbox.snapshot(now_s=5).oldest_unacked_age_s is None
    put(outbox, now_s=1.0)
    put(outbox, now_s=2.0)
    outbox.take(2)
    assert outbox.snapshot(now_s=5).oldest_unacked_age_s == 4.0
    outbox.ack(1)
    assert outbox.snapshot(now_s=5).oldest_unacked_age_s == 3.0


def test_the_superseded_index_does_not_grow_while_all_is_sent():
    outbox = book()
    for _ in range(1000):
        put(outbox, key="a")
        put(outbox, key="a")
        for entry in outbox.take(10):
            outbox.ack(entry.id)
    assert len(outbox._memory.live._superseded) <= 2


MAX_ITEMS = 8


class OutboxModel(RuleBasedStateMachine):
    """The outbox against a list that follows the words of the policy."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = book(max_items=MAX_ITEMS)
        self.waiting: list[Entry] = []
        self.flying: dict[int, Entry] = {}
        self.newest: dict[tuple[Lane, str], int] = {}
        self.acked_newest: dict[str, int] = {}
        self.accepted = self.acked = self.rejected = self.dropped = 0

    @rule(
        lane=st.sampled_from((Lane.ALARM, Lane.STATE, Lane.LIVE)),
        key=st.sampled_from([None, "a", "b", "c"]),
    )
    def put(self, lane, key):
        self.accepted += 1
        entry = Entry(id=self.accepted, topic="t", payload=b"", lane=lane, supersede_key=key)
        put(self.outbox, lane, key, payload=b"")
        self.waiting.append(entry)
        if key is not None:
            self.newest[lane, key] = entry.id
        self.make_room()

    @rule(limit=st.integers(0, 5))
    def take(self, limit):
        expected = sorted(self.waiting, key=lambda e: (e.lane is Lane.LIVE, e.id))[:limit]
        assert ids(self.outbox.take(limit)) == ids(expected)
        for entry in expected:
            self.waiting.remove(entry)
            self.flying[entry.id] = entry

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def ack(self, data):
        entry = self.flying.pop(data.draw(st.sampled_from(sorted(self.flying))))
        self.outbox.ack(entry.id)
        self.acked += 1
        if entry.lane is Lane.LIVE and entry.supersede_key:
            newest = self.acked_newest.get(entry.supersede_key, 0)
            self.acked_newest[entry.supersede_key] = max(newest, entry.id)

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def reject(self, data):
        entry_id = data.draw(st.sampled_from(sorted(self.flying)))
        del self.flying[entry_id]
        self.outbox.reject(entry_id, "not_authorized")
        self.rejected += 1

    @rule(data=st.data())
    def release(self, data):
        chosen = data.draw(st.sets(st.sampled_from(sorted(self.flying)))) if self.flying else set()
        self.outbox.release(chosen)
        for entry_id in chosen:
            entry = self.flying.pop(entry_id)
            if entry.lane is Lane.LIVE and (
                self.acked_newest.get(entry.supersede_key or "", 0) > entry_id
            ):
                self.dropped += 1
            else:
                self.waiting.append(entry)
        self.make_room()

    def make_room(self):
        def is_superseded(entry):
            return self.newest.get((entry.lane, entry.supersede_key), 0) > entry.id

        while len(self.waiting) + len(self.flying) > MAX_ITEMS:
            live = [e for e in self.waiting if e.lane is Lane.LIVE]
            states = [e for e in self.waiting if e.lane is Lane.STATE]
            victims = (
                [e for e in live if is_superseded(e)]
                or live
                or [e for e in states if is_superseded(e)]
            )
            if not victims:
                return
            self.waiting.remove(min(victims, key=lambda e: e.id))
            self.dropped += 1

    @invariant()
    def nothing_is_unaccounted(self):
        snapshot = self.outbox.snapshot(now_s=0)
        assert snapshot.accepted == self.accepted
        assert snapshot.acked == self.acked
        assert sum(snapshot.rejected.values()) == self.rejected
        assert sum(snapshot.dropped.values()) == self.dropped
        assert snapshot.depth == len(self.waiting) + len(self.flying)
        assert snapshot.in_flight == len(self.flying)
        assert self.accepted == self.acked + self.rejected + self.dropped + snapshot.depth
        assert snapshot.bytes == snapshot.depth


TestOutboxModel = OutboxModel.TestCase
TestOutboxModel.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_an_outage_leaves_nothing_behind_in_memory():
    outbox = OutboxBook(Bounds(memory_items=100))
    for number in range(2000):
        put(outbox, key="a", late_topic="late", now_s=number / 10)
        outbox.tick(number / 10)
    assert len(outbox._memory.live._superseded) <= 30
    assert len(outbox._memory.live._late) <= 30
    assert len(outbox._memory.held) <= 100


def test_room_is_told_in_hours_at_the_rate_of_the_last_minutes():
    outbox = OutboxBook(Bounds(max_items=72_000, max_bytes=10**9))
    outbox.opened(n_stored=0, size_bytes=0, last_chunk=0, last_entry=0)
    assert outbox.snapshot(now_s=0).room_h is None
    outbox.tick(0.0)
    for _ in range(100):
        put(outbox)
    outbox.tick(10.0)
    # 10 a second; 71,900 more may come.
    assert outbox.snapshot(now_s=10).room_h == 2.0


def test_history_waits_after_a_connect_and_goes_at_its_rate():
    outbox = OutboxBook(pace=LanePace(history_per_s=10.0))
    for _ in range(50):
        put(outbox, Lane.HISTORY)
    outbox.tick(0.0)
    outbox.hold_history(2.0)
    outbox.tick(1.0)
    outbox.tick(2.9)
    assert outbox.take(100) == []
    outbox.tick(3.0)
    outbox.tick(3.3)
    n = len(outbox.take(100))
    assert 1 <= n <= 4
    put(outbox)
    assert [each.lane for each in outbox.take(100)] == [Lane.LIVE], "live goes at any time"
