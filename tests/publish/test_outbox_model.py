"""The outbox over a disk that fails and a gateway that crashes, against the promises themselves."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bdgw.publish.loss import fix_ranges
from bdgw.publish.outbox import FIX_SCHEMA, Entry, Lane, Outgoing
from bdgw.publish.outbox_book import OutboxBook
from bdgw.publish.outbox_chunk import decode_chunk, encode_chunk
from bdgw.publish.outbox_pace import Bounds, LanePace
from bdgw.publish.outbox_shelf import Plan

WINDOW = 5
LAG_S = 0.025
BACKLOG_S = 2.0
ROOMY = Bounds(max_items=64)


@dataclass
class StoredChunk:
    is_urgent: bool
    data: bytes
    n: int
    settled: bytes = b""

    def entries(self) -> list[Entry]:
        bits = int.from_bytes(self.settled, "little")
        found = decode_chunk(self.data, accepted_s=0.0)
        return [each for index, each in enumerate(found) if not bits >> index & 1]


@dataclass
class Disk:
    """What ``outbox_file`` does, in a dictionary."""

    chunks: dict[int, StoredChunk] = field(default_factory=dict)
    last_chunk: int = 0
    last_entry: int = 0
    losses: dict[str, bytes] = field(default_factory=dict)

    def apply(self, plan: Plan) -> list[int]:
        sizes = []
        for draft in plan.drafts:
            data = encode_chunk(draft.entries)
            self.chunks[draft.id] = StoredChunk(draft.is_urgent, data, len(draft.entries))
            self.last_chunk = draft.id
            self.last_entry = max(self.last_entry, draft.entries[-1].id)
            sizes.append(len(data))
        for number, _, bits in plan.settled:
            self.chunks[number].settled = bits
        for number in plan.deleted:
            del self.chunks[number]
        self.losses.update(plan.losses)
        return sizes

    def oldest(self, plan: Plan) -> list[int]:
        n = size = 0
        found = []
        for number in sorted(self.chunks):
            if (n >= plan.drop_n and size >= plan.drop_bytes) or number <= plan.after:
                continue
            if number not in plan.keep and not self.chunks[number].is_urgent:
                found.append(number)
                n += len(self.chunks[number].entries())
                size += len(self.chunks[number].data)
        return found

    def next(self, plan: Plan, dropped: list[int]) -> int | None:
        assert plan.read_skip is not None
        behind = (number for number in sorted(self.chunks) if number > plan.after)
        wanted = (
            n
            for n in behind
            if n not in plan.read_skip.union(dropped) and not self.chunks[n].is_urgent
        )
        return next(wanted, None)

    def opened(self, bounds: Bounds) -> OutboxBook:
        book = OutboxBook(bounds, LanePace(lag_s=LAG_S, backlog_after_s=BACKLOG_S, window=WINDOW))
        book.opened(
            n_stored=sum(len(each.entries()) for each in self.chunks.values()),
            size_bytes=sum(len(each.data) for each in self.chunks.values()),
            last_chunk=self.last_chunk,
            last_entry=self.last_entry,
        )
        book.losses.restore((device, data) for device, data in self.losses.items() if data)
        for number, chunk in sorted(self.chunks.items()):
            if chunk.is_urgent:
                entries = decode_chunk(chunk.data, accepted_s=0.0)
                found = book.shelf.restored(number, entries, len(chunk.data), chunk.settled)
                book.restored(found)
        return book


class Drill(RuleBasedStateMachine):
    """Everything that can happen between a gateway, its disk and its broker."""

    bounds = ROOMY

    def __init__(self) -> None:
        super().__init__()
        self.disk = Disk()
        self.book = self.disk.opened(self.bounds)
        self.now_s = 0.0
        self.plan: Plan | None = None
        self.flying: dict[int, Entry] = {}
        self.n_put = 0
        self.lane: dict[bytes, Lane] = {}
        self.key: dict[bytes, str] = {}
        self.safe: set[bytes] = set()
        self.delivered: Counter[bytes] = Counter()
        self.rejected: set[bytes] = set()
        self.live_acked: dict[str, int] = {}
        self.acked_in_this_life: set[int] = set()
        self.n_crashes = 0

    # --- what happens -----------------------------------------------------------------------------

    @rule(key=st.sampled_from("abc"))
    def put_live(self, key):
        self.put(Lane.LIVE, key, late_topic="late", retain=True, supersede_key=key)

    @rule(lane=st.sampled_from((Lane.ALARM, Lane.MESSAGE, Lane.HISTORY)))
    def put_other(self, lane):
        self.put(lane, "")

    def put(self, lane, key, **more):
        payload = b'{"dev":"%s","boot":"b","seq":%d}' % (key.encode(), self.n_put)
        self.n_put += 1
        self.lane[payload], self.key[payload] = lane, key
        message = Outgoing(topic="t", payload=payload, lane=lane, schema=FIX_SCHEMA, **more)
        entry_id = self.book.put(message, now_s=self.now_s)
        if entry_id is not None:
            self.book.when_safe(entry_id, lambda: self.safe.add(payload))

    @rule(limit=st.integers(0, WINDOW))
    def take(self, limit):
        room = WINDOW - len(self.flying)
        taken = self.book.take(min(limit, room))
        for entry in taken:
            if entry.lane is Lane.LIVE:
                newer = [
                    each.id
                    for each in self.flying.values()
                    if each.lane is Lane.LIVE and each.supersede_key == entry.supersede_key
                ]
                newest = max([*newer, self.live_acked.get(entry.supersede_key or "", 0)])
                assert newest < entry.id, "the live lane went backwards"
                assert entry.retain
            else:
                assert not entry.retain
            self.flying[entry.id] = entry

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def ack(self, data):
        entry = self.flying.pop(data.draw(st.sampled_from(sorted(self.flying))))
        if entry.lane is Lane.LIVE and entry.supersede_key is not None:
            newest = self.live_acked.get(entry.supersede_key, 0)
            self.live_acked[entry.supersede_key] = max(newest, entry.id)
        self.delivered[entry.payload] += 1
        self.acked_in_this_life.add(entry.id)
        self.book.ack(entry.id)

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def reject(self, data):
        entry = self.flying.pop(data.draw(st.sampled_from(sorted(self.flying))))
        self.rejected.add(entry.payload)
        self.book.reject(entry.id, "not_authorized")

    @rule(data=st.data())
    def release(self, data):
        chosen = data.draw(st.sets(st.sampled_from(sorted(self.flying)))) if self.flying else set()
        for entry_id in chosen:
            del self.flying[entry_id]
        self.book.release(chosen)

    @rule()
    def lose_connection(self):
        self.book.release(list(self.flying))
        self.flying.clear()
        self.book.hold_history(0.5)

    @rule(seconds=st.sampled_from((0.0, LAG_S, 0.5, BACKLOG_S, 120.0)))
    def pass_time(self, seconds):
        self.now_s += seconds
        self.book.tick(self.now_s)

    @precondition(lambda self: self.plan is None)
    @rule()
    def begin_commit(self):
        self.plan = self.book.plan(self.now_s)

    @precondition(lambda self: self.plan is not None)
    @rule()
    def end_commit(self):
        plan, self.plan = self.plan, None
        assert plan is not None
        self.book.written(plan, self.disk.apply(plan))
        self.read(plan)

    def read(self, plan):
        dropped = self.disk.oldest(plan) if plan.is_dropping else []
        for each in dropped:
            data, lost = self.disk.chunks[each].data, self.disk.chunks[each].entries()
            self.book.dropped(each, len(lost), len(data), fix_ranges(lost), is_old=False)
        if plan.read_skip is None:
            return
        number = self.disk.next(plan, dropped)
        if number is None:
            self.book.shelf.nothing_loaded()
            self.book.loaded([])
        else:
            chunk = self.disk.chunks[number]
            entries = decode_chunk(chunk.data, accepted_s=0.0)
            found = self.book.shelf.loaded(number, entries, len(chunk.data), chunk.settled)
            self.book.loaded(found)

    @precondition(lambda self: self.plan is not None)
    @rule()
    def fail_commit(self):
        assert self.plan is not None
        self.book.failed(self.plan)
        self.book.storage_error = "full"
        self.plan = None

    @rule(is_written=st.booleans())
    def crash(self, is_written):
        """Killed, maybe with the commit on the disk of which nobody was told."""
        if self.plan is not None and is_written:
            self.disk.apply(self.plan)
        self.n_crashes += 1
        self.plan = None
        self.acked_in_this_life.clear()
        self.flying.clear()
        self.live_acked.clear()
        self.book = self.disk.opened(self.bounds)

    # --- what must hold ---------------------------------------------------------------------------

    @invariant()
    def a_crash_now_repeats_no_more_than_the_window(self):
        on_disk = {each.id for chunk in self.disk.chunks.values() for each in chunk.entries()}
        if self.plan is not None:
            on_disk |= {each.id for draft in self.plan.drafts for each in draft.entries}
        maybe_delivered = self.acked_in_this_life | set(self.flying)
        assert len(on_disk & maybe_delivered) <= WINDOW

    @invariant()
    def nothing_is_unaccounted(self):
        seen = self.book.snapshot(now_s=self.now_s)
        gone = seen.acked + sum(seen.rejected.values()) + sum(seen.dropped.values())
        assert seen.accepted + seen.restored == gone + seen.depth
        assert seen.in_flight == len(self.flying)
        assert seen.bytes >= 0
        assert seen.stored_bytes >= 0

    @invariant()
    def what_is_safe_is_delivered_or_kept(self):
        kept = {each.payload for chunk in self.disk.chunks.values() for each in chunk.entries()}
        lost = self.safe - kept - set(self.delivered)
        assert lost <= self.told()
        if self.bounds is ROOMY and not self.book.snapshot(now_s=self.now_s).dropped:
            assert lost <= self.rejected

    def told(self):
        """What the operator is told to be undelivered."""
        told: set[bytes] = set()
        for key in ("a", "b", "c", ""):
            losses = self.book.losses.undelivered(key)
            numbers = [
                n for each in losses for n in range(each.numbers.first, each.numbers.last + 1)
            ]
            assert len(numbers) == len(set(numbers)) == self.book.losses.n_undelivered(key)
            told.update(b'{"dev":"%s","boot":"b","seq":%d}' % (key.encode(), n) for n in numbers)
        return told

    def teardown(self):
        """The broker is there, and the disk works: everything goes."""
        if self.plan is not None:
            self.end_commit()
        self.lose_connection()
        for _ in range(20 * self.n_put + 200):
            self.pass_time(1.0)
            self.begin_commit()
            if self.plan is not None:
                self.end_commit()
            self.take(WINDOW)
            for entry in list(self.flying.values()):
                del self.flying[entry.id]
                self.delivered[entry.payload] += 1
                self.book.ack(entry.id)
            self.book.storage_error = None
            if self.book.snapshot(now_s=self.now_s).depth == 0 and not self.disk.chunks:
                break
        seen = self.book.snapshot(now_s=self.now_s)
        assert (seen.depth, self.disk.chunks) == (0, {}), "the outbox does not run empty"
        assert seen.stored_bytes == 0
        self.what_is_safe_is_delivered_or_kept()
        if not self.n_crashes:
            assert all(n == 1 for n in self.delivered.values())
            if self.bounds is ROOMY:
                assert len(self.delivered) + len(self.rejected) == self.n_put


class TightDrill(Drill):
    """With hardly any room."""

    bounds = Bounds(max_items=8, memory_items=12)

    @rule(
        key=st.sampled_from("abc"),
        lane=st.sampled_from((Lane.LIVE, Lane.HISTORY)),
        seconds=st.sampled_from((LAG_S, BACKLOG_S)),
    )
    def put_many(self, key, lane, seconds):
        for _ in range(5):
            if lane is Lane.LIVE:
                self.put_live(key)
            else:
                self.put(lane, key)
        self.pass_time(seconds)
        if self.plan is None:
            self.begin_commit()
        if self.plan is not None:
            self.end_commit()

    @invariant()
    def the_bound_holds_but_for_what_is_never_dropped(self):
        seen = self.book.snapshot(now_s=self.now_s)
        kept = sum(each.lane is not Lane.LIVE for each in self.book._memory.held.values())
        assert seen.depth <= 12 + kept + len(self.flying) + self.book.shelf.n_stored


TestDrill = Drill.TestCase
TestDrill.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestTightDrill = TightDrill.TestCase
TestTightDrill.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
