"""What the outbox gives up: counted at once, and noted on the disk with what is deleted. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from bdgw.publish.loss import FixRange, Losses
from bdgw.publish.outbox import DropReason, Entry
from bdgw.publish.outbox_shelf import Plan
from bdgw.publish.outbox_tally import Tally

__all__ = ["GivenUp"]

_LOSSES_WAIT_S = 1.0
"""Losses that go with nothing else are written at the latest after this."""


class GivenUp:
    """Keeps the counters and the losses in step."""

    def __init__(self, tally: Tally) -> None:
        self.losses = Losses()
        self._tally = tally
        self._written_s = float("-inf")

    def dropped(self, entry: Entry, reason: DropReason) -> None:
        """An entry in memory makes way."""
        self._tally.dropped[reason] += 1
        self.losses.note(entry, reason)

    def rejected(self, entry: Entry, reason: str) -> None:
        """The broker will never take an entry."""
        self._tally.rejected[reason] += 1
        self.losses.note(entry, reason)

    def deleted(self, n: int, fixes: Iterable[FixRange], *, is_old: bool) -> None:
        """A chunk on the disk goes, for its age or for room."""
        reason = DropReason.TOO_OLD if is_old else DropReason.SUPERSEDED
        self._tally.dropped[reason] += n
        for each in fixes:
            self.losses.add(each, reason)

    def damaged(self, n: int) -> None:
        """Entries on the disk cannot be read; whose they were is not known."""
        self._tally.dropped[DropReason.DAMAGED] += n

    def noted_in(self, plan: Plan | None, now_s: float, *, is_all: bool) -> Plan | None:
        """Note what was given up in the commit that deletes it: a crash forgets both or none.

        What was not on the disk is noted within a second.
        """
        is_due = is_all or now_s - self._written_s >= _LOSSES_WAIT_S
        is_going = plan is not None and (plan.settled or plan.deleted)
        if not self.losses.has_changed or not (is_due or is_going):
            return plan
        self._written_s = now_s
        return msgspec.structs.replace(plan or Plan(), losses=self.losses.take_changed())

    def failed(self, plan: Plan) -> None:
        """What a plan would have noted is not on the disk."""
        self.losses.give_back([device for device, _ in plan.losses])
