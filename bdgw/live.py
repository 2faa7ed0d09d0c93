"""Fixes and short messages on the screen, kept up to date; JSON lines where there is no screen."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

__all__ = ["Screen", "live_screen"]

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


class Screen(NamedTuple):
    """What shows a published fix, and an event of a short message."""

    fix: Callable[[dict[str, Any]], None]
    message: Callable[[dict[str, Any]], None]


@contextlib.contextmanager
def live_screen(*, is_terminal: bool, write: Callable[[dict[str, Any]], None]) -> Iterator[Screen]:
    """Give what shows fixes and messages; on a terminal the latest of each device is a row."""
    if not is_terminal:
        yield Screen(write, write)
        return
    latest: dict[str, dict[str, Any]] = {}
    counts: dict[str, int] = {}
    talk = _Talk()
    with Live(Group(_table(latest, counts), *talk.lines()), refresh_per_second=8) as live:

        def show() -> None:
            live.update(Group(_table(latest, counts), *talk.lines()))

        def show_fix(fix: dict[str, Any]) -> None:
            latest[fix["dev"]] = fix
            counts[fix["dev"]] = counts.get(fix["dev"], 0) + 1
            show()

        def show_message(event: dict[str, Any]) -> None:
            talk.take(event)
            show()

        yield Screen(show_fix, show_message)


class _Talk:
    """The newest message out with its fate, and the newest one in."""

    def __init__(self) -> None:
        self._id = ""
        self._out = ""
        self._in = ""
        self._states: list[str] = []

    def take(self, event: dict[str, Any]) -> None:
        if "from" in event:
            self._in = f"{event['gw']} received from {event['from']}: {event.get('text', '')}"
        elif "state" in event:
            if event["id"] != self._id:
                self._id, self._states, self._in = event["id"], [], ""
                self._out = f"{event['gw']} sends a short message to {event['to']}: "
            if event["state"] not in self._states:
                self._states.append(event["state"])

    def lines(self) -> tuple[Text, ...]:
        out = self._out + " → ".join(self._states)
        return tuple(Text(line) for line in (out, self._in) if line)


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
