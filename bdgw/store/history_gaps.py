"""Which numbers are missing, told by blocks: only those that are not full are looked into."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from bdgw.history import Missing, SeqRange
from bdgw.store.history_schema import BLOCK

__all__ = ["find_missing"]


def find_missing(
    wanted: SeqRange,
    blocks: Sequence[tuple[int, int]],
    seqs_between: Callable[[int, int], Iterable[int]],
    *,
    limit: int,
) -> Missing:
    """Find what is missing of ``wanted``.

    ``blocks`` are (number, count of fixes) of those that have any, ascending. The count of the
    one where the kept begins may be too large, as it still has what was forgotten; it is looked
    into in any case. ``seqs_between`` gives the numbers that are there, ascending.
    """
    n_missing = 0
    ranges: list[SeqRange] = []
    is_open = False
    for start, end, is_empty in _suspects(wanted, blocks):
        there = () if is_empty else seqs_between(start, end)
        for gap in _between(start, end, there):
            n_missing += gap.last - gap.first + 1
            if is_open and ranges[-1].last == gap.first - 1:
                ranges[-1] = SeqRange(ranges[-1].first, gap.last)
            elif len(ranges) < limit:
                ranges.append(gap)
                is_open = True
            else:
                is_open = False
    return Missing(n_missing=n_missing, ranges=tuple(ranges))


def _suspects(
    wanted: SeqRange, blocks: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int, bool]]:
    """Give stretches that are not known to be complete, and whether nothing is there at all."""
    at = wanted.first
    for index, (number, n) in enumerate(blocks):
        first, last = number * BLOCK, number * BLOCK + BLOCK - 1
        start, end = max(wanted.first, first), min(wanted.last, last)
        if start > end:
            continue
        if start > at:
            yield at, start - 1, True
        if n != BLOCK or index == 0:
            yield start, end, False
        at = end + 1
    if at <= wanted.last:
        yield at, wanted.last, True


def _between(first: int, last: int, there: Iterable[int]) -> Iterator[SeqRange]:
    at = first
    for seq in there:
        if seq > at:
            yield SeqRange(at, seq - 1)
        at = seq + 1
    if at <= last:
        yield SeqRange(at, last)
