"""Which fixes of a terminal its platform still has to be told, as far as they are in the history.

Pure. Numbers only; the fixes themselves are read again when their turn comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from bdgw.adapters.jt808_queue import Span
from bdgw.history import BootGaps

__all__ = ["Backlog", "Mark", "Saved", "after"]

_SPANS_MAX = 1000


class Mark(msgspec.Struct, frozen=True):
    """The last fix that the adapter has seen."""

    boot: str
    seq: int
    t_rx_utc_ns: int


class Saved(msgspec.Struct, frozen=True):
    """What is kept on the disk: all that is not in ``spans`` is told, up to ``until``."""

    until: Mark | None = None
    spans: tuple[Span, ...] = ()


def after(until: Mark, starts: Sequence[BootGaps]) -> Sequence[Span]:
    """Tell what was kept after a fix, of starts of the gateway in their order."""
    boots = [start.boot for start in starts]
    if until.boot not in boots:
        # Forgotten, or never kept: what is older was told at its time.
        later = [start for start in starts if start.first_utc_ns > until.t_rx_utc_ns]
        return [Span(each.boot, each.first_seq, each.last_seq) for each in later]
    spans = []
    for start in starts[boots.index(until.boot) :]:
        is_same = start.boot == until.boot
        first = max(start.first_seq, until.seq + 1) if is_same else start.first_seq
        if first <= start.last_seq:
            spans.append(Span(start.boot, first, start.last_seq))
    return spans


class Backlog:
    """Spans in the order of the fixes; starts of the gateway in the order of their first span."""

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self._by_boot: dict[str, list[Span]] = {}
        for span in spans:
            self.add(span)

    @property
    def n_fixes(self) -> int:
        """Numbers in it, also of fixes that would be passed over."""
        return sum(span.last - span.first + 1 for span in self.spans())

    def spans(self) -> Sequence[Span]:
        """All of it."""
        return [span for spans in self._by_boot.values() for span in spans]

    def add(self, new: Span) -> None:
        """Put a span in its place, joined with what it touches."""
        joined: list[Span] = []
        spans = [*self._by_boot.get(new.boot, ()), new]
        for span in sorted(spans, key=lambda each: each.first):
            if joined and span.first <= joined[-1].last + 1:
                before = joined.pop()
                joined.append(Span(new.boot, before.first, max(before.last, span.last)))
            else:
                joined.append(span)
        if len(joined) > _SPANS_MAX:
            # Rather told twice than never.
            joined[:2] = [Span(new.boot, joined[0].first, joined[1].last)]
        self._by_boot[new.boot] = joined

    def first(self) -> Span | None:
        """What is to be told next."""
        return next((spans[0] for spans in self._by_boot.values()), None)

    def take(self, gone: Span) -> None:
        """Take numbers out."""
        left = []
        for span in self._by_boot.get(gone.boot, ()):
            if span.first < gone.first:
                left.append(Span(span.boot, span.first, min(span.last, gone.first - 1)))
            if span.last > gone.last:
                left.append(Span(span.boot, max(span.first, gone.last + 1), span.last))
        if left:
            self._by_boot[gone.boot] = left
        else:
            self._by_boot.pop(gone.boot, None)
