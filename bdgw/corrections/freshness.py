"""How old a correction is, judged by the epoch inside it and never by the gap between packets.

An RTK correction is worth something for seconds. What is older than ``max_age_s`` is dropped; what
a newer whole epoch has overtaken is dropped; nothing waits. Only observations are judged so:
positions, ephemerides and texts are as old as their arrival, which is now.

Whom to believe about the time, for one stream:

1. host and receivers agree within 2 s: the host;
2. they disagree: the one by which the stream is neither late nor early, receivers first, since it
   is the receiver that will judge the age;
3. one alone: that one, except where the stream would come from the future by it, or where it is
   the host and has stepped;
4. else nobody: the fastest delivery of the last two minutes counts as age 0. Lumps still stand out.

So a step of the host's clock stops nothing, and a stream that is really late is really dropped as
soon as one clock is right.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

from bdgw.corrections.timekeeper import SECOND_NS, Opinions
from bdgw.rtcm.epoch import epoch_gpst_ns
from bdgw.rtcm.head import Head, MessageKind
from bdgw.timescale import DAY_NS

__all__ = ["Basis", "Freshness", "Judgement"]

_EARLY_NS = 2 * SECOND_NS
"""An epoch may be ahead of the time by so much before the clock is doubted: receivers' own clocks
and fixes that come late."""
_OVERTAKEN_NS = SECOND_NS
"""Epochs of one read closer together than this are a fast stream; further apart, a lump."""
_BUCKET_S = 60.0
"""The fastest delivery is that of this bucket and of the one before it."""
_CONFIRM_EPOCHS = 3
"""So many epochs must follow each other at a new time before it is believed."""
_SOME_DAY_NS = 2400 * 7 * DAY_NS
"""A GPST to place epochs near, while nobody knows the day; only differences are used then."""
_HALF_DAY_NS = DAY_NS // 2
_KEYS_MAX = 256


class Basis(enum.StrEnum):
    """Which time an age is counted by."""

    HOST = "host"
    RECEIVER = "receiver"
    DELIVERY = "delivery"
    ARRIVAL = "arrival"
    """No epoch can be read; what comes counts as new when it comes."""


class Judgement(enum.StrEnum):
    """What becomes of a frame; all but FRESH are dropped and counted under this word."""

    FRESH = "fresh"
    STALE = "stale"
    OVERTAKEN = "overtaken"
    FUTURE = "future"


class _Pace:
    """The fastest delivery: the greatest offset of an epoch against its arrival."""

    __slots__ = ("_bucket_s", "_candidate_ns", "_earlier_ns", "_latest_ns", "_n_candidates")

    def __init__(self) -> None:
        self._earlier_ns: int | None = None
        self._latest_ns: int | None = None
        self._bucket_s = 0.0
        self._candidate_ns: int | None = None
        self._n_candidates = 0

    @property
    def offset_ns(self) -> int | None:
        """GPST minus the monotonic clock if the fastest delivery took no time."""
        if self._earlier_ns is None or self._latest_ns is None:
            return self._latest_ns if self._earlier_ns is None else self._earlier_ns
        return max(self._earlier_ns, self._latest_ns)

    def seen(self, offset_ns: int, now: float, jump_ns: int) -> None:
        """Take a delivery; one far ahead of all others must be followed by more of its kind."""
        best = self.offset_ns
        if (
            best is not None
            and offset_ns > best + jump_ns
            and not self._confirms(offset_ns, jump_ns)
        ):
            return
        if best is None or offset_ns > best + jump_ns:
            self._earlier_ns, self._latest_ns, self._bucket_s = None, offset_ns, now
            return
        self._n_candidates = 0
        if now - self._bucket_s >= _BUCKET_S:
            self._earlier_ns, self._latest_ns, self._bucket_s = self._latest_ns, None, now
        if self._latest_ns is None or offset_ns > self._latest_ns:
            self._latest_ns = offset_ns

    def _confirms(self, offset_ns: int, jump_ns: int) -> bool:
        candidate = self._candidate_ns
        if self._n_candidates and candidate is not None and abs(offset_ns - candidate) <= jump_ns:
            self._n_candidates += 1
        else:
            self._candidate_ns, self._n_candidates = offset_ns, 1
        return self._n_candidates >= _CONFIRM_EPOCHS


class Freshness:
    """Judges the frames of one stream, a read at a time."""

    def __init__(self, max_age_s: float) -> None:
        self._max_age_ns = round(max_age_s * SECOND_NS)
        self._near_ns: int | None = None
        self._has_day = False
        self._has_weeks = False
        self._pace = _Pace()
        self._newest: dict[tuple[int, int | None], int] = {}
        self._offset_ns: int | None = None
        self._last_ns: int | None = None
        self.basis: Basis | None = None
        """What the last age was counted by."""
        self.delay_s: float | None = None
        """Of the newest epoch of the last read: how late it came."""

    def judge(
        self, heads: Sequence[Head | None], now: float, opinions: Opinions
    ) -> list[tuple[Judgement, int | None]]:
        """Judge the frames of one read together, and tell the GPST nanoseconds of their epochs.

        The epoch is None for a frame that is judged by its arrival, and for one whose epoch is
        out of range.
        """
        now_ns = round(now * SECOND_NS)
        near_ns = self._near(heads, opinions, now_ns)
        epochs = [
            epoch_gpst_ns(head, now_ns + near_ns)
            if head is not None and head.kind is MessageKind.OBSERVATION
            else None
            for head in heads
        ]
        observed = [
            (head, epoch)
            for head, epoch in zip(heads, epochs, strict=True)
            if head is not None and epoch is not None
        ]
        if not observed:
            return [(Judgement.FRESH, None)] * len(heads)
        newest_ns = self._note(observed, now, now_ns)
        offset_ns = self._believe(opinions)
        if self._offset_ns is None or abs(offset_ns - self._offset_ns) > _EARLY_NS:
            self._newest.clear()
        self._offset_ns = offset_ns
        time_ns = now_ns + offset_ns
        self.delay_s = (time_ns - newest_ns) / SECOND_NS
        overtaken_by = self._overtaken_by(observed, time_ns)
        return [
            (self._judge_one(head, epoch, time_ns, overtaken_by), epoch)
            for head, epoch in zip(heads, epochs, strict=True)
        ]

    def age_s(self, now: float) -> float | None:
        """How old the newest epoch that passed is at ``now``; None while none did."""
        if self._last_ns is None or self._offset_ns is None:
            return None
        return max(0.0, (round(now * SECOND_NS) + self._offset_ns - self._last_ns) / SECOND_NS)

    def _near(self, heads: Sequence[Head | None], opinions: Opinions, now_ns: int) -> int:
        """An offset that is right to the half day, to tell weeks and days of epochs."""
        clocks = [ns for ns in (opinions.receiver_ns, opinions.host_ns) if ns is not None]
        if not clocks:
            near_ns = self._near_without_clock(heads, now_ns)
        else:
            self._has_day = True
            near_ns = clocks[0]
            if abs(clocks[-1] - near_ns) > _HALF_DAY_NS:
                near_ns = self._near_of_two(heads, clocks, now_ns)
        if self._near_ns is None or abs(near_ns - self._near_ns) > _HALF_DAY_NS:
            # Another day: what was learnt in the old one does not compare.
            self._pace = _Pace()
            self._has_weeks = False
            self._newest.clear()
            self._last_ns = None
            self._near_ns = near_ns
        return near_ns

    def _near_of_two(
        self, heads: Sequence[Head | None], offsets: Sequence[int], now_ns: int
    ) -> int:
        """Choose between two clocks that are days apart: the one by which the stream is live.

        A receiver that replays a recording says the day of the recording.
        """
        for offset_ns in offsets:
            epochs = [
                epoch_gpst_ns(head, now_ns + offset_ns)
                for head in heads
                if head is not None and head.kind is MessageKind.OBSERVATION
            ]
            newest_ns = max((epoch for epoch in epochs if epoch is not None), default=None)
            if newest_ns is not None and self._is_plausible(now_ns + offset_ns - newest_ns):
                return offset_ns
        known_ns = self._near_ns
        if known_ns is None:
            return offsets[0]
        return min(offsets, key=lambda offset_ns: abs(offset_ns - known_ns))

    def _near_without_clock(self, heads: Sequence[Head | None], now_ns: int) -> int:
        """Take the day from the first epoch that names the time of a week, whatever the week."""
        known_ns = _SOME_DAY_NS if self._near_ns is None else self._near_ns
        if self._has_day:
            return known_ns
        for head in heads:
            if head is None or head.system == "R" or head.kind is not MessageKind.OBSERVATION:
                continue
            epoch = epoch_gpst_ns(head, now_ns + known_ns)
            if epoch is not None:
                self._has_day = True
                return epoch - now_ns
        return known_ns

    def _note(self, observed: list[tuple[Head, int]], now: float, now_ns: int) -> int:
        """Remember how fast the newest epoch of the read came, and give it."""
        # GLONASS counts only where there is nothing else: some bases get its leap seconds wrong.
        of_weeks = [epoch for head, epoch in observed if head.system != "R"]
        newest_ns = max(of_weeks or [epoch for _, epoch in observed])
        if of_weeks and not self._has_weeks:
            self._has_weeks = True
            self._pace = _Pace()
        if of_weeks or not self._has_weeks:
            self._pace.seen(newest_ns - now_ns, now, self._max_age_ns)
        return newest_ns

    def _believe(self, opinions: Opinions) -> int:
        """Choose the offset to count ages by."""
        delivery_ns = self._pace.offset_ns
        assert delivery_ns is not None  # noqa: S101 - an observation has just been noted
        receiver_ns, host_ns = opinions.receiver_ns, opinions.host_ns
        if host_ns is not None and opinions.agree:
            return self._by(Basis.HOST, host_ns)
        is_host_live = host_ns is not None and self._is_plausible(host_ns - delivery_ns)
        if receiver_ns is not None:
            late_ns = receiver_ns - delivery_ns
            if host_ns is not None and is_host_live and not self._is_plausible(late_ns):
                return self._by(Basis.HOST, host_ns)
            if late_ns >= -_EARLY_NS:
                return self._by(Basis.RECEIVER, receiver_ns)
        elif host_ns is not None:
            is_early = host_ns - delivery_ns < -_EARLY_NS
            if is_host_live or not (opinions.is_host_in_doubt or is_early):
                return self._by(Basis.HOST, host_ns)
        return self._by(Basis.DELIVERY, delivery_ns)

    def _is_plausible(self, late_ns: int) -> bool:
        return -_EARLY_NS <= late_ns <= self._max_age_ns

    def _by(self, basis: Basis, offset_ns: int) -> int:
        self.basis = basis
        return offset_ns

    def _overtaken_by(
        self, observed: list[tuple[Head, int]], time_ns: int
    ) -> dict[tuple[int, int | None], int]:
        """The newest epoch of each message that lies in a whole epoch of this read."""
        believed = [
            (head, epoch) for head, epoch in observed if epoch <= time_ns + self._max_age_ns
        ]
        whole_ns = max((epoch for head, epoch in believed if not head.has_more), default=None)
        newest: dict[tuple[int, int | None], int] = {}
        if whole_ns is not None:
            for head, epoch in believed:
                key = (head.number, head.station)
                if epoch <= whole_ns and epoch >= newest.get(key, epoch):
                    newest[key] = epoch
        return newest

    def _judge_one(
        self,
        head: Head | None,
        epoch: int | None,
        time_ns: int,
        overtaken_by: dict[tuple[int, int | None], int],
    ) -> Judgement:
        if head is None or epoch is None:
            return Judgement.FRESH
        if time_ns - epoch > self._max_age_ns:
            return Judgement.STALE
        if epoch - time_ns > self._max_age_ns:
            return Judgement.FUTURE
        key = (head.number, head.station)
        if epoch <= overtaken_by.get(key, epoch) - _OVERTAKEN_NS:
            return Judgement.OVERTAKEN
        if epoch < self._newest.get(key, epoch):
            return Judgement.OVERTAKEN
        if key not in self._newest and len(self._newest) >= _KEYS_MAX:
            self._newest.clear()
        self._newest[key] = epoch
        if self._last_ns is None or epoch > self._last_ns:
            self._last_ns = epoch
        return Judgement.FRESH
