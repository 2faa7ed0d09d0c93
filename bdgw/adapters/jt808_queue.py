"""Location reports of one terminal that the platform does not have yet. Pure.

Bounded: when there is no room, the oldest that waits is handed to ``shelve``, or given up where
there is none. What is in flight stays until it is answered or the connection ends; then it waits
again in its old place.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

import msgspec

__all__ = ["Report", "ReportQueue", "Span"]

_FIRST_OLD = -(1 << 62)
"""What comes back from the history stands before all that was reported since the start."""


class Span(msgspec.Struct, frozen=True):
    """Fixes of a device: a report, and what was passed over until the next one."""

    boot: str
    first: int
    last: int


class Report(msgspec.Struct):
    """One report; ids ascend in the order of the fixes."""

    id: int
    body: bytes
    boot: str
    first: int
    last: int


class ReportQueue:
    """Outlives the connections."""

    def __init__(self, max_waiting: int, shelve: Callable[[Span], None] | None = None) -> None:
        self._max_waiting = max_waiting
        self._shelve = shelve
        self._waiting: OrderedDict[int, Report] = OrderedDict()
        self._in_flight: dict[int, Report] = {}
        self._newest: Report | None = None
        self._last_old = _FIRST_OLD
        self.last_id = 0
        self.n_acked = 0
        self.n_rejected = 0
        self.n_dropped = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._in_flight)

    @property
    def n_waiting(self) -> int:
        """Reports that have not been sent, or must be sent again."""
        return len(self._waiting)

    def put(self, body: bytes, boot: str, seq: int) -> None:
        """Take a report of now."""
        self.last_id += 1
        self._newest = Report(self.last_id, body, boot, seq, seq)
        self._waiting[self.last_id] = self._newest
        self._cut()

    def cover(self, boot: str, seq: int) -> None:
        """Note a fix that is not reported: it goes with the report before it."""
        if self._newest is not None and self._newest.boot == boot:
            self._newest.last = seq

    def put_again(self, reports: Iterable[tuple[bytes, Span]]) -> None:
        """Take reports from before all that were put, and behind others that came in this way."""
        back = []
        for body, span in reports:
            self._last_old += 1
            back.append(Report(self._last_old, body, span.boot, span.first, span.last))
        self._merge(back)

    def spans(self) -> Sequence[Span]:
        """Tell what the platform does not have yet, joined where nothing is between."""
        held = sorted([*self._waiting.values(), *self._in_flight.values()], key=_id_of)
        spans: list[Span] = []
        for report in held:
            first = report.first
            if spans and spans[-1].boot == report.boot and spans[-1].last + 1 == first:
                first = spans.pop().first
            spans.append(Span(report.boot, first, report.last))
        return spans

    def take_live(self, after_id: int) -> Report | None:
        """Hand out the oldest report younger than ``after_id``."""
        for report in self._younger(after_id):
            return self._send(report)
        return None

    def backlog(self, up_to_id: int, limit: int) -> list[Report]:
        """Show the oldest reports up to ``up_to_id``, which go on waiting."""
        found: list[Report] = []
        for report in self._waiting.values():
            if report.id > up_to_id or len(found) == limit:
                break
            found.append(report)
        return found

    def take(self, reports: Iterable[Report]) -> None:
        """Hand out reports that were shown."""
        for report in reports:
            self._send(report)

    def ack(self, ids: Iterable[int]) -> None:
        """The platform has them."""
        self.n_acked += self._forget(ids)

    def reject(self, ids: Iterable[int]) -> None:
        """The platform does not want them."""
        self.n_rejected += self._forget(ids)

    def release(self, ids: Iterable[int]) -> None:
        """They must be sent again."""
        self._merge([self._in_flight.pop(each) for each in ids if each in self._in_flight])

    def release_all(self) -> None:
        """The connection has ended."""
        self.release(tuple(self._in_flight))

    def _merge(self, back: Sequence[Report]) -> None:
        if back:
            merged = sorted([*self._waiting.values(), *back], key=_id_of)
            self._waiting = OrderedDict((report.id, report) for report in merged)
            self._cut()

    def _younger(self, after_id: int) -> Iterable[Report]:
        # The live ones stand at the end and are few: looked at from there.
        young = []
        for report in reversed(self._waiting.values()):
            if report.id <= after_id:
                break
            young.append(report)
        return reversed(young)

    def _send(self, report: Report) -> Report:
        self._in_flight[report.id] = self._waiting.pop(report.id)
        return report

    def _forget(self, ids: Iterable[int]) -> int:
        return sum(self._in_flight.pop(each, None) is not None for each in ids)

    def _cut(self) -> None:
        while len(self._waiting) > self._max_waiting:
            _, report = self._waiting.popitem(last=False)
            if self._shelve is None:
                self.n_dropped += 1
            else:
                self._shelve(Span(report.boot, report.first, report.last))


def _id_of(report: Report) -> int:
    return report.id
