"""When to ask a terminal what, politely: one question at a time, and none while it sends.

The card is the question that every terminal of every family answers, so its answers tell whether
anybody is there; the other questions are asked and not insisted on.
"""

from __future__ import annotations

import enum

import msgspec

__all__ = ["Inquiry", "InquiryPeriods", "Question"]


class Question(enum.StrEnum):
    """What a terminal can be asked, the most urgent first."""

    CARD = "card"
    SUBORDINATES = "subordinates"
    SIGNAL = "signal"
    SELF_CHECK = "self_check"
    VERSION = "version"


class InquiryPeriods(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds."""

    card_s: float = 300.0
    """A card that was swapped while nothing was said of it is noticed so late."""
    no_card_s: float = 30.0
    signal_s: float = 60.0
    """Without a report of beams for so long, one is asked for."""
    self_check_s: float = 300.0
    held_s: float = 60.0
    """Self-check while the terminal is suppressed or silent."""
    quiet_s: float = 90.0
    """Without a single frame for so long, the card is asked for, to see who is there."""
    dead_s: float = 30.0
    """Between two rows of questions to a terminal that answers none."""
    answer_s: float = 3.0
    """The card answers in 2 to 3 s (RDSS digest 7)."""
    gap_s: float = 1.0
    """From the end of one question or request to the next question."""

    def __post_init__(self) -> None:
        if not all(0.0 < value < float("inf") for value in msgspec.structs.astuple(self)):
            raise ValueError("periods must be above 0 and finite")


class Inquiry:
    """The questions of one connection."""

    def __init__(self, periods: InquiryPeriods, *, now: float) -> None:
        """Nothing is due until it is wanted."""
        self.periods = periods
        self._due_s: dict[Question, float] = {}
        self._asked: Question | None = None
        self._limit_s = now
        self._free_at_s = now

    @property
    def asked(self) -> Question | None:
        """The question whose answer is awaited."""
        return self._asked

    def want(self, question: Question, *, at_s: float) -> None:
        """Have a question asked at ``at_s``, or earlier where it is due earlier."""
        self._due_s[question] = min(at_s, self._due_s.get(question, at_s))

    def put_off(self, question: Question, *, until_s: float) -> None:
        """Have a question asked at ``until_s`` and not before, because its answer is known."""
        self._due_s[question] = until_s
        if self._asked is question:
            self._asked = None

    def next(self, *, now: float) -> Question | None:
        """Give the question to be asked now, if one is; its answer is awaited from here on."""
        if self._asked is not None or now < self._free_at_s:
            return None
        for question in Question:
            if self._due_s.get(question, float("inf")) <= now:
                del self._due_s[question]
                self._asked = question
                self._limit_s = now + self.periods.answer_s
                return question
        return None

    def answered(self, question: Question, *, now: float) -> bool:
        """An answer came; False where it was not the one that is awaited."""
        if self._asked is not question:
            return False
        self._asked = None
        self._free_at_s = now + self.periods.gap_s
        return True

    def expired(self, *, now: float) -> Question | None:
        """Give the question whose time is over, once."""
        question = self._asked
        if question is None or now < self._limit_s:
            return None
        self._asked = None
        self._free_at_s = now
        return question

    def drop(self) -> None:
        """The family has no such question."""
        self._asked = None

    def interrupt(self, *, now: float) -> None:
        """A request goes out: what was asked is asked again after it, and nobody is blamed."""
        if self._asked is not None:
            self._due_s.setdefault(self._asked, now)
            self._asked = None

    def resume(self, *, now: float) -> None:
        """The request is over."""
        self._free_at_s = now + self.periods.gap_s

    def deadline(self) -> float | None:
        """When something is due, None while nothing is wanted."""
        if self._asked is not None:
            return self._limit_s
        if not self._due_s:
            return None
        return max(self._free_at_s, min(self._due_s.values()))
