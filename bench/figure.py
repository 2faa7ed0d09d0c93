"""What a bench gives back: figures as JSON lines, and the table at the end."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Figure = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """How long a bench may take."""

    quick: bool


Bench = Callable[[Options], Iterable[Figure]]


def figure(
    bench: str,
    name: str,
    value: float,
    unit: str,
    *,
    ok: bool,
    peer: str | None = None,
    peer_value: float | None = None,
    ratio: float | None = None,
    target: str | None = None,
    met: bool | None = None,
    **more: Any,
) -> Figure:
    """One figure; ``ok`` says that the work was done, ``met`` that the target was reached.

    ``ratio`` is how many times better than the peer; it is given where it is not simply the
    quotient of the two values.
    """
    made: Figure = {"bench": bench, "figure": name, "value": rounded(value), "unit": unit}
    if peer is not None:
        made["peer"] = peer
    if peer_value is not None:
        made["peer_value"] = rounded(peer_value)
        quotient = ratio if ratio is not None else value / peer_value if peer_value else None
        if quotient is not None:
            made["ratio"] = rounded(quotient)
    made |= {"ok": ok} | {key: value for key, value in more.items() if value is not None}
    if target is not None:
        made |= {"target": target, "met": met}
    return made


def rounded(value: float) -> float:
    """Three significant digits, because more would not be repeatable."""
    return float(f"{value:.3g}") if abs(value) < 1000 else round(value)


def emit(one: Figure) -> Figure:
    """Print a figure at once."""
    print(json.dumps(one, ensure_ascii=False), flush=True)
    return one


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many percent do not exceed; not-a-number where there is none."""
    ordered = sorted(values)
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100.0))]


def middle(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values) if values else float("nan")


def table(figures: Iterable[Figure]) -> str:
    """All figures as a Markdown table."""
    head = ("bench", "figure", "value", "peer", "its value", "ratio", "target", "met", "work done")
    rows = [head] + [_row(one) for one in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _row(one: Figure) -> tuple[str, ...]:
    met = one.get("met")
    return (
        one["bench"],
        one["figure"],
        f"{one['value']:,} {one['unit']}",
        one.get("peer", ""),
        f"{one['peer_value']:,}" if "peer_value" in one else "",
        str(one.get("ratio", "")),
        one.get("target", ""),
        "" if met is None else "yes" if met else "NO",
        "yes" if one["ok"] else "NO",
    )
