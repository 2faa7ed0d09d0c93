"""Joins the sentences of one instant into one epoch, and never across instants.

GGA RMC GNS GLL GST carry the time of day and open an epoch; GSA GSV VTG carry none and belong to
the epoch that is open when they come. An epoch is closed by the first of

* the sentence that has ended the last epochs (learned, so that a fix leaves at once),
* a sentence of another instant, or the same sentence again with other content,
* a quiet time, which also tells where the cycle of a receiver ends.

Sentences without a time that come while no epoch is open are kept for the next one only when
quiet times have shown that the receiver sends them first; otherwise nobody can know whose they
are, and they stay out of the fix. ZDA is not in an epoch: receivers stamp it with the moment of
sending. It only tells the day.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterator

import msgspec

from bdgw.model import Fix, Sky
from bdgw.nmea.merge import date_of, merge
from bdgw.nmea.sentence import Gga, Gll, Gns, Gsa, Gst, Gsv, Rmc, Sentence

__all__ = ["Epoch", "EpochAssembler", "LateSentence"]

_POSITIONS = (Gga, Rmc, Gns, Gll)
_TIMED = (Gga, Rmc, Gns, Gll, Gst)
_CONFIRMATIONS = 2
"""So many epochs in a row must end alike before the end is believed."""
_MAX_SENTENCES = 128
"""A receiver that never changes its time must not fill the memory."""
_MIN_GAP_S = 0.03
_GAP_PERIODS = 0.4
_ASSUMED_PERIOD_S = 0.5
_MAX_PERIOD_NS = 10_000_000_000

_Key = tuple[str, str, int]


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """One instant of one receiver: its fix (without time and day), its sky, its date."""

    tod_ns: int | None
    date: dt.date | None
    fix: Fix
    sky: Sky | None
    rx_s: float
    """When its last sentence came, on the caller's clock."""


class LateSentence(msgspec.Struct, frozen=True):
    """A sentence that came after its epoch had been given out, or twice; it is in no fix."""

    sentence: Sentence
    reason: str


class _Open:
    """The epoch that is being collected."""

    __slots__ = ("by_key", "counts", "last_key", "sentences", "tod_ns")

    def __init__(self, tod_ns: int | None) -> None:
        self.tod_ns = tod_ns
        self.sentences: list[Sentence] = []
        self.by_key: dict[tuple[str, str], Sentence] = {}
        self.counts: Counter[tuple[str, str]] = Counter()
        self.last_key: _Key | None = None

    def add(self, key: tuple[str, str], sentence: Sentence) -> None:
        self.sentences.append(sentence)
        self.by_key[key] = sentence
        self.counts[key] += 1
        self.last_key = (*key, self.counts[key])

    def has_position(self) -> bool:
        return any(isinstance(sentence, _POSITIONS) for sentence in self.sentences)


class EpochAssembler:
    """Sentences in, epochs out. ``idle_s`` without a sentence closes what is open."""

    def __init__(self, *, idle_s: float = 1.0) -> None:
        self._idle_s = idle_s
        self._open: _Open | None = None
        self._leading: list[Sentence] = []
        self._closed: _Open | None = None
        self._out: list[Epoch | LateSentence] = []
        self._last_at = -math.inf
        self._period_s = _ASSUMED_PERIOD_S
        self._end_key: _Key | None = None
        self._end_candidate: _Key | None = None
        self._end_seen = 0
        self._gaps_in_a_row = 0

    def add(self, sentence: Sentence, *, now: float) -> None:
        """Take a sentence other than ZDA."""
        key = _key(sentence)
        if isinstance(sentence, _TIMED):
            self._add_timed(sentence, key)
        else:
            self._add_untimed(sentence, key, now=now)
        self._last_at = now
        open_ = self._open
        if open_ is not None and (
            open_.last_key == self._end_key or len(open_.sentences) >= _MAX_SENTENCES
        ):
            self._close()

    def tick(self, *, now: float) -> None:
        """Close what is open when nothing has come for the idle time."""
        due = self.deadline()
        if due is not None and now >= due:
            self._close_at_gap()

    def deadline(self) -> float | None:
        """When the idle time of the open epoch is over."""
        if self._open is None:
            return None
        return self._last_at + self._idle_s

    def finish(self) -> None:
        """The stream has ended: give out what is open."""
        self._close()
        self._leading.clear()

    def events(self) -> Iterator[Epoch | LateSentence]:
        """Drain the epochs closed and the sentences refused."""
        out, self._out = self._out, []
        return iter(out)

    def _add_timed(self, sentence: Gga | Rmc | Gns | Gll | Gst, key: tuple[str, str]) -> None:
        tod_ns = sentence.tod_ns
        open_ = self._open
        if open_ is not None:
            is_other = tod_ns is not None and open_.tod_ns is not None and tod_ns != open_.tod_ns
            previous = open_.by_key.get(key)
            if not is_other and previous == sentence and tod_ns is not None:
                self._out.append(LateSentence(sentence, "repeated"))
                return
            if is_other or previous is not None:
                self._learn_end(open_.last_key)
                self._gaps_in_a_row = 0
                self._close()
                open_ = None
        elif self._is_late(sentence, key):
            return
        if open_ is None:
            open_ = self._open = _Open(tod_ns)
            self._take_leading(open_)
        elif open_.tod_ns is None:
            open_.tod_ns = tod_ns
        open_.add(key, sentence)

    def _is_late(self, sentence: Gga | Rmc | Gns | Gll | Gst, key: tuple[str, str]) -> bool:
        closed = self._closed
        if closed is None or sentence.tod_ns is None or sentence.tod_ns != closed.tod_ns:
            return False
        previous = closed.by_key.get(key)
        if previous == sentence:
            self._out.append(LateSentence(sentence, "repeated"))
            return True
        if previous is not None:
            return False  # a receiver whose time has no fractions: another epoch of that second
        # The end was learned too early: forget it, so that the next epoch waits for this one.
        self._end_key = self._end_candidate = None
        self._end_seen = 0
        self._out.append(LateSentence(sentence, "late"))
        return True

    def _add_untimed(self, sentence: Sentence, key: tuple[str, str], *, now: float) -> None:
        if self._open is not None and self._is_gap(now) and self._open.has_position():
            self._close_at_gap()
        if self._open is not None:
            self._open.add(key, sentence)
        elif len(self._leading) < _MAX_SENTENCES:
            self._leading.append(sentence)

    def _take_leading(self, open_: _Open) -> None:
        is_proven = self._gaps_in_a_row > _CONFIRMATIONS
        for sentence in self._leading:
            # What is in view moves slowly and may be of the neighbour epoch; a speed may not.
            if is_proven or type(sentence) is Gsv:
                open_.add(_key(sentence), sentence)
            else:
                self._out.append(LateSentence(sentence, "of no known epoch"))
        self._leading.clear()

    def _is_gap(self, now: float) -> bool:
        return now - self._last_at > max(_MIN_GAP_S, _GAP_PERIODS * self._period_s)

    def _close_at_gap(self) -> None:
        open_ = self._open
        if open_ is not None:
            self._gaps_in_a_row += 1
            self._learn_end(open_.last_key)
            self._close()

    def _learn_end(self, key: _Key | None) -> None:
        if key is not None and key == self._end_candidate:
            self._end_seen += 1
        else:
            self._end_candidate, self._end_seen = key, 1
        self._end_key = key if self._end_seen >= _CONFIRMATIONS else None

    def _close(self) -> None:
        open_ = self._open
        if open_ is None:
            return
        self._open = None
        before = self._closed.tod_ns if self._closed else None
        if before is not None and open_.tod_ns is not None:
            period_ns = open_.tod_ns - before
            if 0 < period_ns <= _MAX_PERIOD_NS:
                self._period_s = period_ns / 1e9
        self._closed = open_
        if open_.has_position():
            self._out.append(
                Epoch(
                    tod_ns=open_.tod_ns,
                    date=date_of(open_.sentences),
                    fix=merge(open_.sentences),
                    sky=_sky(open_.sentences),
                    rx_s=self._last_at,
                )
            )


def _key(sentence: Sentence) -> tuple[str, str]:
    kind = type(sentence)
    if kind is Gsv:
        assert isinstance(sentence, Gsv)  # noqa: S101 - narrows the type
        # Only the last part of a group can be the end of a cycle.
        part = "end" if sentence.index == sentence.total else str(sentence.index)
        return sentence.talker, f"Gsv/{sentence.signal}/{part}"
    return sentence.talker, kind.__name__


def _sky(sentences: list[Sentence]) -> Sky | None:
    satellites = tuple(
        satellite
        for sentence in sentences
        if type(sentence) is Gsv
        for satellite in sentence.satellites
    )
    used = dict.fromkeys(
        satellite for sentence in sentences if type(sentence) is Gsa for satellite in sentence.used
    )
    if not satellites and not used:
        return None
    return Sky(satellites=satellites, used=tuple(used))
