"""Which alarm an outage of a stream raises, and when it is taken back. Pure."""

from __future__ import annotations

from bdgw.corrections.source_event import SourceState

__all__ = ["Outage"]

_STEADY_S = 10.0
"""A stream must be live for so long before an alarm is taken back."""


class Outage:
    """One stream over all its outages; ``began_s`` is monotonic seconds."""

    def __init__(self, began_s: float, *, alarm_s: float) -> None:
        """Begin as if an outage had begun; after ``alarm_s`` of one an alarm is raised."""
        self._alarm_s = alarm_s
        self._bad_since_s: float | None = began_s
        self._alarmed: set[str] = set()

    def seen(self, state: SourceState, live_for_s: float | None, now: float) -> str | None:
        """Look at the state; gives the kind of alarm that is due, each once an outage."""
        if state is SourceState.LIVE:
            if live_for_s is None or live_for_s < _STEADY_S:
                return None
            self._bad_since_s = None
            has_alarmed = bool(self._alarmed)
            self._alarmed.clear()
            return "correction_restored" if has_alarmed else None
        if state is SourceState.HELD:
            return None  # the guard has raised its own
        if self._bad_since_s is None:
            self._bad_since_s = now
        # Each kind once an outage: a stream may go to and fro between the two.
        kind = "correction_stale" if state is SourceState.STALE else "correction_lost"
        if now - self._bad_since_s < self._alarm_s or kind in self._alarmed:
            return None
        self._alarmed.add(kind)
        return kind
