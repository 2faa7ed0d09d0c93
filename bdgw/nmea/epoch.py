"""Joins the sentences of one instant into one epoch, and never across instants.

GGA RMC GNS GLL GST carry the time of day and open an epoch; GSA GSV VTG carry none and belong to
the epoch that is open when they come. But sentences may have been lost in between, so a GSA or
VTG counts only when it follows the same sentence with a time as in the cycles before, with no
damaged bytes between the two. An epoch is closed by the first of

* the sentence that has ended the last epochs (learned, so that a fix leaves at once),
* a sentence of another instant, or the same sentence again with other content,
* a quiet time, which also tells where the cycle of a receiver ends.

Sentences without a time that come while no epoch is open are kept for the next one only when
quiet times have shown that the receiver sends them first; otherwise nobody can know whose they
are, and they stay out of the fix. The same holds for a GGA, RMC, GNS, GLL or GST whose time is
empty: it never joins one that has a time. ZDA is not in an epoch: receivers stamp it with the
moment of sending. It only tells the day.
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
_SKY = (Gsv, Gsa)
_CONFIRMATIONS = 2
"""So many epochs in a row must end alike before the end is believed."""
_MAX_SENTENCES = 128
"""A receiver that never changes its time must not fill the memory."""
_MIN_GAP_S = 0.03
_GAP_PERIODS = 0.4
_ASSUMED_PERIOD_S = 0.5
_MAX_PERIOD_NS = 10_000_000_000
_UNKNOWN_EPOCH = "of no known epoch"

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

    __slots__ = ("by_key", "counts", "last_key", "neighbours", "sentences", "timed_key", "tod_ns")

    def __init__(self, tod_ns: int | None) -> None:
        self.tod_ns = tod_ns
        self.sentences: list[Sentence] = []
        self.neighbours: list[Sentence] = []
        """Satellites told between two epochs: good for a view of the sky, not for a fix."""
        self.by_key: dict[tuple[str, str], Sentence] = {}
        self.counts: Counter[tuple[str, str]] = Counter()
        self.last_key: _Key | None = None
        self.timed_key: tuple[str, str] | None = None
        """The last sentence with a time."""

    def add(self, key: tuple[str, str], sentence: Sentence) -> None:
        self.sentences.append(sentence)
        self.by_key[key] = sentence
        self.note(key)

    def note(self, key: tuple[str, str]) -> None:
        """Remember what came last, be it in the fix or not: it may end the cycle."""
        self.counts[key] += 1
        self.last_key = (*key, self.counts[key])

    def has_position(self) -> bool:
        return any(isinstance(sentence, _POSITIONS) for sentence in self.sentences)


class _Place:
    """The timed sentence that one without a time has been seen to follow."""

    __slots__ = ("candidate", "learned", "seen")

    def __init__(self) -> None:
        self.learned: tuple[str, str] | None = None
        self.candidate: tuple[str, str] | None = None
        self.seen = 0

    def is_after(self, timed_key: tuple[str, str] | None) -> bool:
        """Tell whether it is in its place; another place is believed only after some cycles."""
        if timed_key == self.learned:
            self.seen = 0
            return timed_key is not None
        if timed_key != self.candidate:
            self.candidate, self.seen = timed_key, 0
        self.seen += 1
        if self.seen < _CONFIRMATIONS + (self.learned is not None):
            return False
        self.learned = timed_key
        return True


class EpochAssembler:
    """Sentences in, epochs out. ``idle_s`` without a sentence closes what is open."""

    def __init__(self, *, idle_s: float = 1.0) -> None:
        self._idle_s = idle_s
        self._open: _Open | None = None
        self._leading: list[Sentence] = []
        self._closed: _Open | None = None
        self._out: list[Epoch | LateSentence] = []
        self._last_at = -math.inf
        self._period_ns: int | None = None
        self._last_ns = 0
        self._gap_s = _GAP_PERIODS * _ASSUMED_PERIOD_S
        self._end_key: _Key | None = None
        self._end_candidate: _Key | None = None
        self._end_seen = 0
        self._leads_in_a_row = 0
        self._is_torn = False
        self._neighbours: list[Sentence] = []
        self._places: dict[tuple[str, str], _Place] = {}

    def add(self, sentence: Sentence, *, now: float) -> None:
        """Take a sentence other than ZDA."""
        key = _key(sentence)
        pause_s = now - self._last_at
        is_after_gap = pause_s > self._gap_s
        if pause_s > _MIN_GAP_S and self._period_ns is None:
            self._is_torn = True  # how long a cycle may pause is not known yet
        if is_after_gap and self._leading:
            self._end_leading()
        if isinstance(sentence, _TIMED):
            self._is_torn = False
            if is_after_gap:
                self._leads_in_a_row = 0
            self._add_timed(sentence, key, is_after_gap=is_after_gap)
        else:
            self._add_untimed(sentence, key, is_after_gap=is_after_gap)
        self._last_at = now
        open_ = self._open
        if open_ is not None and (
            open_.last_key == self._end_key or len(open_.sentences) >= _MAX_SENTENCES
        ):
            self._close()

    def damage(self) -> None:
        """Bytes were lost: what comes next without a time may be of another epoch."""
        self._is_torn = True

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

    def _add_timed(
        self, sentence: Gga | Rmc | Gns | Gll | Gst, key: tuple[str, str], *, is_after_gap: bool
    ) -> None:
        tod_ns = sentence.tod_ns
        open_ = self._open
        if open_ is not None:
            previous = open_.by_key.get(key)
            is_other = tod_ns != open_.tod_ns
            if not is_other and previous == sentence and tod_ns is not None:
                self._out.append(LateSentence(sentence, "repeated"))
                return
            is_same_burst = previous is None and not is_after_gap
            if is_other and tod_ns is None and is_same_burst:
                self._out.append(LateSentence(sentence, _UNKNOWN_EPOCH))
                return
            if is_other and open_.tod_ns is None and is_same_burst:
                self._leading = open_.sentences
                self._open = open_ = None
                self._end_leading()
            elif is_other or previous is not None or (tod_ns is None and is_after_gap):
                self._learn_end(open_.last_key)
                self._close()
                open_ = None
        elif self._is_late(sentence, key):
            return
        if open_ is None:
            self._learn_period(tod_ns)
            open_ = self._open = _Open(tod_ns)
            self._take_leading(open_)
        open_.add(key, sentence)
        open_.timed_key = key

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
        if not closed.has_position():
            return False  # nothing has been given out yet
        # The end was learned too early: forget it, so that the next epoch waits for this one.
        self._end_key = self._end_candidate = None
        self._end_seen = 0
        self._out.append(LateSentence(sentence, "late"))
        return True

    def _add_untimed(self, sentence: Sentence, key: tuple[str, str], *, is_after_gap: bool) -> None:
        if is_after_gap:
            self._leads_in_a_row += 1
            if self._open is not None and self._open.has_position():
                self._close_at_gap()
        open_ = self._open
        if open_ is None:
            if len(self._leading) < _MAX_SENTENCES:
                self._leading.append(sentence)
        elif type(sentence) is Gsv or self._is_in_place(key, open_):
            open_.add(key, sentence)
        else:
            open_.note(key)
            self._set_aside(sentence, open_.neighbours)

    def _is_in_place(self, key: tuple[str, str], open_: _Open) -> bool:
        if self._is_torn:
            return False
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = _Place()
        return place.is_after(open_.timed_key)

    def _take_leading(self, open_: _Open) -> None:
        open_.neighbours, self._neighbours = self._neighbours, []
        is_proven = self._leads_in_a_row > _CONFIRMATIONS
        for sentence in self._leading:
            if is_proven:
                open_.add(_key(sentence), sentence)
            else:
                self._set_aside(sentence, open_.neighbours)
        self._leading.clear()

    def _end_leading(self) -> None:
        """A quiet time lies between them and the next sentence: they belong to what was before."""
        for sentence in self._leading:
            self._set_aside(sentence, self._neighbours)
        self._leading.clear()

    def _set_aside(self, sentence: Sentence, neighbours: list[Sentence]) -> None:
        if isinstance(sentence, _SKY) and len(neighbours) < _MAX_SENTENCES:
            neighbours.append(sentence)
        else:
            self._out.append(LateSentence(sentence, _UNKNOWN_EPOCH))

    def _close_at_gap(self) -> None:
        open_ = self._open
        if open_ is not None:
            self._learn_end(open_.last_key)
            self._close()

    def _learn_end(self, key: _Key | None) -> None:
        if key is not None and key == self._end_candidate:
            self._end_seen += 1
        else:
            self._end_candidate, self._end_seen = key, 1
        self._end_key = key if self._end_seen >= _CONFIRMATIONS else None

    def _learn_period(self, tod_ns: int | None) -> None:
        before = self._closed.tod_ns if self._closed else None
        if before is None or tod_ns is None:
            return
        period_ns = tod_ns - before
        if not 0 < period_ns <= _MAX_PERIOD_NS:
            return
        # A longer one is believed when it comes twice: an epoch that was lost makes one, too.
        if self._period_ns is None or period_ns < self._period_ns or period_ns == self._last_ns:
            self._period_ns = period_ns
            self._gap_s = max(_MIN_GAP_S, _GAP_PERIODS * period_ns / 1e9)
        self._last_ns = period_ns

    def _close(self) -> None:
        open_ = self._open
        if open_ is None:
            return
        self._open = None
        self._closed = open_
        if open_.has_position():
            self._out.append(
                Epoch(
                    tod_ns=open_.tod_ns,
                    date=date_of(open_.sentences),
                    fix=merge(open_.sentences),
                    sky=_sky(open_.neighbours + open_.sentences),
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
