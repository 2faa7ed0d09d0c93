"""Tells from what a terminal prints and shows unasked that it has started anew.

A restart in the middle of a transmission looks like a lost feedback: the current of a transmission
pulls a weak supply down (RDSS digest 7).
"""

from __future__ import annotations

import re

__all__ = ["RestartWatch"]

_BANNER = re.compile(
    r"boot|reset|power.?on|start(?:ed|ing|.?up)|self.?test|\binit|terminal|\bv(?:er\S*)?\s*\d+\.\d",
    re.IGNORECASE,
)
_BANNER_S = 10.0
"""Several lines within this time are one restart."""
_HABIT_S = 600.0
"""A card that shows itself more often than this does so by habit."""
_LATE_S = 15.0
"""An answer about the card that comes so late is still an answer."""


class RestartWatch:
    """One connection; each fact gives the reason in words where it means a restart."""

    def __init__(self) -> None:
        self._card_asked_at_s: float | None = None
        self._unasked_at_s: float | None = None
        self._at_s: float | None = None
        self._text_in_flight: str | None = None

    def sending(self) -> None:
        """A request has left."""
        self._text_in_flight = None

    def card_asked(self, now: float) -> None:
        """The card was asked for."""
        self._card_asked_at_s = now

    def printed(self, text: str, now: float, *, is_sending: bool) -> str | None:
        """The terminal printed a line that is no frame."""
        if _BANNER.search(text):
            return self._restart(f"it printed {text!r}", now)
        is_damaged_frame = text.startswith("$")
        if is_sending and not is_damaged_frame and self._text_in_flight is None:
            self._text_in_flight = text
        return None

    def card_shown(self, now: float, *, is_feedback_missing: bool) -> str | None:
        """The terminal showed its card."""
        asked_s = self._card_asked_at_s
        if asked_s is not None and now - asked_s < _LATE_S:
            return None
        if self._at_s is not None and now - self._at_s < _BANNER_S:
            return None
        last_s, self._unasked_at_s = self._unasked_at_s, now
        if is_feedback_missing:
            return self._restart("it showed its card unasked in the place of a feedback", now)
        if last_s is None or now - last_s >= _HABIT_S:
            return self._restart("it showed its card unasked", now)
        return None

    def feedback_lost(self, now: float) -> str | None:
        """A request got no feedback."""
        text, self._text_in_flight = self._text_in_flight, None
        if text is None:
            return None
        return self._restart(f"it printed {text!r} in the place of a feedback", now)

    def _restart(self, why: str, now: float) -> str | None:
        if self._at_s is not None and now - self._at_s < _BANNER_S:
            return None
        self._at_s = now
        return f"restarted: {why}"
