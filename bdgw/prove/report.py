"""What a drill gives back: figures, and the promises that it has seen broken. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

__all__ = ["Outcome", "percentile", "text"]


class Outcome(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One drill. Keys carry units; what a drill does not measure is absent."""

    drill: str
    ok: bool
    broken: list[str] = []
    """Promises that it has seen broken, in plain words."""
    skipped: str | None = None
    """Why it was not done."""
    took_s: float = 0.0
    broker: str | None = None
    accepted: int | None = None
    lost: int | None = None
    duplicates: int | None = None
    duplicates_allowed: int | None = None
    redelivered_by_broker: int | None = None
    out_of_order: int | None = None
    kills: int | None = None
    restarts: int | None = None
    cuts: int | None = None
    latency_p50_ms: float | None = None
    latency_p99_ms: float | None = None
    latency_worst_ms: float | None = None
    items_per_s: float | None = None
    written_bytes_per_day: int | None = None
    """At this rate, by the gateway; the broker's own are not in it."""
    written_bytes_per_item: float | None = None
    notice_s: float | None = None
    """From the fault until it is noticed, at most."""
    recovery_s: float | None = None
    """From the end of the fault until things go on, at most."""
    notes: dict[str, Any] = {}


_LABELS = {
    "accepted": "accepted",
    "lost": "lost",
    "duplicates": "duplicates",
    "duplicates_allowed": "duplicates allowed",
    "redelivered_by_broker": "given twice by the broker itself",
    "out_of_order": "out of order",
    "kills": "kills",
    "restarts": "restarts",
    "cuts": "power cuts",
    "items_per_s": "items/s",
    "latency_p50_ms": "latency p50, ms",
    "latency_p99_ms": "latency p99, ms",
    "latency_worst_ms": "latency worst, ms",
    "written_bytes_per_day": "written at this rate, bytes/day",
    "written_bytes_per_item": "written, bytes/item",
    "notice_s": "noticed after, s",
    "recovery_s": "recovered after, s",
}


def text(outcome: Outcome) -> str:
    """Write a drill's report for people."""
    if outcome.skipped is not None:
        return f"{outcome.drill}: skipped: {outcome.skipped}\n"
    verdict = "kept" if outcome.ok else "BROKEN"
    where = "" if outcome.broker is None else f", {outcome.broker}"
    lines = [f"{outcome.drill}: {verdict} ({outcome.took_s:.1f} s{where})"]
    lines += [f"  ! {each}" for each in outcome.broken]
    for key, label in _LABELS.items():
        value = getattr(outcome, key)
        if value is not None:
            lines.append(f"  {label:34} {_number(value)}")
    lines += [f"  {key.replace('_', ' '):34} {value}" for key, value in outcome.notes.items()]
    return "\n".join(lines) + "\n"


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The value that so many percent do not exceed; None where there is none."""
    ordered = sorted(values)
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))], 1)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
