"""Location reports of one terminal that the platform does not have yet. Pure.

Bounded: the oldest that waits is given up first. What is in flight stays until it is answered or
the connection ends; then it waits again in its old place.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import msgspec

__all__ = ["Report", "ReportQueue"]


class Report(msgspec.Struct, frozen=True):
    """One report; ids ascend."""

    id: int
    body: bytes


class ReportQueue:
    """Outlives the connections."""

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._waiting: OrderedDict[int, Report] = OrderedDict()
        self._in_flight: dict[int, Report] = {}
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

    def put(self, body: bytes) -> None:
        """Take a report."""
        self.last_id += 1
        self._waiting[self.last_id] = Report(self.last_id, body)
        self._cut()

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
        back = [self._in_flight.pop(each) for each in ids if each in self._in_flight]
        if not back:
            return
        merged = sorted([*self._waiting.values(), *back], key=lambda report: report.id)
        self._waiting = OrderedDict((report.id, report) for report in merged)
        self._cut()

    def release_all(self) -> None:
        """The connection has ended."""
        self.release(tuple(self._in_flight))

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
            self._waiting.popitem(last=False)
            self.n_dropped += 1
