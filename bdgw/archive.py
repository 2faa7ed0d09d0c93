"""What the history says of a device, in the words of the API: tracks as text, and gaps.

Reads page by page, so that a track of a million fixes needs the memory of one page.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from bdgw.export import CsvText, FixText, GeoJsonText, GpxText
from bdgw.history import BootGaps, Cursor, FixQuery, History, RangeTooLargeError, SeqRange
from bdgw.publish.loss import Losses
from bdgw.publish.payload import FixPayload, device_fix_value, encode, format_posix

__all__ = ["FIXES_MAX", "Archive", "Track"]

FIXES_MAX = 1_000_000
"""Fixes of one answer: about 400 MB of JSON."""
_PAGE = 1000
_GAPS_MAX = 1000
"""Ranges of one start that are listed; all are counted."""


class Track(msgspec.Struct, frozen=True, kw_only=True):
    """A track on its way: ``chunks`` reads while it is written."""

    media_type: str
    chunks: AsyncIterator[bytes]


class _JsonText:
    """An object with the records as published, and where the next page begins."""

    media_type = "application/json"

    def __init__(self, device: str) -> None:
        self._device = device
        self._separator = ""
        self.next_after: Cursor | None = None

    def begin(self) -> str:
        return '{"dev":' + encode(self._device).decode() + ',"fixes":['

    def write(self, fix: FixPayload) -> str:
        separator, self._separator = self._separator, ",\n"
        return separator + encode(fix).decode()

    def end(self) -> str:
        more = "" if self.next_after is None else f',"next_after":"{self.next_after}"'
        return f"]{more}}}\n"


class Archive:
    """One for the gateway. ``next_seq`` is the number that the next fix of a device will get."""

    def __init__(
        self,
        history: History,
        *,
        gateway: str,
        boot: str,
        next_seq: Callable[[str], int],
        losses: Losses,
    ) -> None:
        self._history = history
        self._gateway = gateway
        self._boot = boot
        self._next_seq = next_seq
        self._losses = losses

    async def track(
        self,
        device: str,
        *,
        form: str,
        from_utc_ns: int | None,
        until_utc_ns: int | None,
        after: Cursor | None,
        limit: int | None,
    ) -> Track:
        """Open a track; ``form`` is ``json``, ``csv``, ``geojson`` or ``gpx``.

        Raises:
            RangeTooLargeError: without a limit, more than ``FIXES_MAX`` fixes.
            UnknownBootError: nothing is kept of the start that ``after`` names.
            HistoryError: the history cannot be read.
        """
        query = FixQuery(
            device=device, from_utc_ns=from_utc_ns, until_utc_ns=until_utc_ns, after=after
        )
        await self._history.flush()
        if limit is None:
            n_at_most = await self._history.count(query)
            if n_at_most > FIXES_MAX:
                raise RangeTooLargeError(
                    f"some {n_at_most} fixes are in that range, and one answer gives up to "
                    f"{FIXES_MAX}: ask for less, or with limit and after"
                )
            limit = FIXES_MAX
        text = _text(form, device)
        chunks = self._chunks(text, query, limit)
        # What is wrong with the question is told by the first page, before the answer begins.
        first = await anext(chunks)
        return Track(media_type=text.media_type, chunks=_chained(first, chunks))

    async def _chunks(self, text: FixText, query: FixQuery, limit: int) -> AsyncIterator[bytes]:
        pieces = [text.begin()]
        has_more = True
        while has_more and limit:
            query = msgspec.structs.replace(query, limit=min(limit, _PAGE))
            page = await self._history.page(query)
            has_more = page.has_more
            limit -= len(page.fixes)
            pieces += [text.write(device_fix_value(self._gateway, item)) for item in page.fixes]
            if page.fixes:
                last = page.fixes[-1]
                query = msgspec.structs.replace(query, after=Cursor(last.boot, last.seq))
            yield "".join(pieces).encode()
            pieces = []
        if has_more and isinstance(text, _JsonText):
            text.next_after = query.after
        yield text.end().encode()

    async def gaps(self, device: str) -> dict[str, Any]:
        """Tell which numbers are missing, for each start that anything is kept of.

        And which of them the broker has not got and will not get by itself.

        Raises:
            HistoryError: the history cannot be read.
        """
        next_seq = self._next_seq(device)
        await self._history.flush()
        starts = [
            self._start_fields(start, next_seq)
            for start in await self._history.gaps(device, limit=_GAPS_MAX)
        ]
        if next_seq and not any(start["is_current"] for start in starts):
            lost = _range_fields(SeqRange(0, next_seq - 1))
            starts.append(
                {"boot": self._boot, "is_current": True, "n_missing": next_seq, "missing": [lost]}
            )
        return {
            "dev": device,
            "starts": starts,
            "n_undelivered": self._losses.n_undelivered(device),
            "undelivered": [
                {"boot": loss.boot, **_range_fields(loss.numbers), "reason": loss.reason}
                for loss in self._losses.undelivered(device)
            ],
        }

    def _start_fields(self, start: BootGaps, next_seq: int) -> dict[str, Any]:
        missing = [_range_fields(each) for each in start.missing]
        n_missing = start.n_missing
        is_current = start.boot == self._boot
        if is_current and next_seq - 1 > start.last_seq:
            missing.append(_range_fields(SeqRange(start.last_seq + 1, next_seq - 1)))
            n_missing += next_seq - 1 - start.last_seq
        return {
            "boot": start.boot,
            "is_current": is_current,
            "first_seq": start.first_seq,
            "last_seq": start.last_seq,
            "t_first": format_posix(start.first_utc_ns),
            "t_last": format_posix(start.last_utc_ns),
            "n_missing": n_missing,
            "missing": missing,
        }


def _text(form: str, device: str) -> FixText:
    if form == "csv":
        return CsvText(has_place=True)
    if form == "geojson":
        return GeoJsonText()
    return GpxText() if form == "gpx" else _JsonText(device)


def _range_fields(numbers: SeqRange) -> dict[str, int]:
    return {"from_seq": numbers.first, "to_seq": numbers.last}


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk
