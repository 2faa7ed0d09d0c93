"""Finds out, round after round, which family a terminal speaks."""

from __future__ import annotations

from bdgw.shortmsg.family import ProbeMachine
from bdgw.shortmsg.family.port import is_binary
from bdgw.shortmsg.vocabulary import Family

__all__ = ["FamilyFinder"]


class FamilyFinder:
    """One round of questions, begun at its time."""

    def __init__(self, *, at_s: float) -> None:
        """The first question is due at ``at_s``, monotonic seconds."""
        self._at_s = at_s
        self._probe = ProbeMachine()
        self._has_begun = False
        self._is_binary = False

    @property
    def has_begun(self) -> bool:
        """The first question has been asked."""
        return self._has_begun

    @property
    def is_finished(self) -> bool:
        """A family was found, or none answered."""
        return self._probe.is_finished

    @property
    def family(self) -> Family | None:
        """What was found.

        A 4.0 terminal without a card answers the question for it with a failure; no other family
        has frames of that kind.
        """
        if self._probe.family is None and self._probe.is_finished and self._is_binary:
            return Family.BD1
        return self._probe.family

    def receive_frame(self, frame: bytes, *, now: float) -> None:
        """Take a whole frame of any family."""
        if self._has_begun:
            self._is_binary |= is_binary(frame)
            self._probe.receive_frame(frame, now=now)

    def advance(self, *, now: float) -> None:
        """Begin, or go on to the next family."""
        if not self._has_begun and now >= self._at_s:
            self._has_begun = True
            self._probe.start(now=now)
        elif self._has_begun:
            self._probe.tick(now=now)

    def hurry(self, *, now: float) -> None:
        """Somebody speaks: do not wait for the next round."""
        self._at_s = min(self._at_s, now)

    def data_to_send(self) -> bytes:
        """Drain the question."""
        return self._probe.data_to_send()

    def deadline(self) -> float | None:
        """When ``advance`` is due."""
        return self._probe.deadline() if self._has_begun else self._at_s
