"""Fixes on the screen: a table that is kept up to date, or JSON lines where there is no screen."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from rich.live import Live
from rich.table import Table

__all__ = ["fix_table"]

_COLUMNS = (
    ("device", "dev", "s"),
    ("time (UTC)", "t_fix", "s"),
    ("fix", "fix", "s"),
    ("latitude °", "lat_deg", ".9f"),
    ("longitude °", "lon_deg", ".9f"),
    ("height m", "alt_hae_m", ".3f"),
    ("± m", "acc_h_m", ".3f"),
    ("speed m/s", "speed_m_s", ".2f"),
    ("satellites", "sats_used", "d"),
    ("corrections", "corr", "s"),
    ("grid code", "grid", "s"),
)


@contextlib.contextmanager
def fix_table(
    *, is_terminal: bool, write: Callable[[dict[str, Any]], None]
) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Give the function that shows a fix; on a terminal the latest of each device is a row."""
    if not is_terminal:
        yield write
        return
    latest: dict[str, dict[str, Any]] = {}
    counts: dict[str, int] = {}
    with Live(_table(latest, counts), refresh_per_second=8) as live:

        def show(fix: dict[str, Any]) -> None:
            latest[fix["dev"]] = fix
            counts[fix["dev"]] = counts.get(fix["dev"], 0) + 1
            live.update(_table(latest, counts))

        yield show


def _table(latest: dict[str, dict[str, Any]], counts: dict[str, int]) -> Table:
    table = Table(title="Live fixes, as an MQTT subscriber receives them")
    for title, _, form in _COLUMNS:
        table.add_column(title, justify="left" if form == "s" else "right", no_wrap=True)
    table.add_column("fixes", justify="right")
    for device, fix in sorted(latest.items()):
        shown = {**fix, "corr": _correction(fix.get("corr", {}))}
        cells = [format(shown[key], form) if key in shown else "" for _, key, form in _COLUMNS]
        table.add_row(*cells, str(counts[device]))
    return table


def _correction(corr: dict[str, Any]) -> str:
    """Write where the correction came from and how old it was."""
    source = corr.get("name") or (f"station {corr['station']}" if "station" in corr else "")
    return f"{source} {corr['age_s']:.1f} s" if "age_s" in corr else source
