"""What the subscriber got, held against what the simulator has sent."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

__all__ = ["CorrectionTally", "Tally"]

# (key of the published fix, key of the simulator's truth, what binary rounding may add)
_COMPARED = (
    ("fix", "fix", None),
    ("lat_deg", "lat_deg", 1e-9),
    ("lon_deg", "lon_deg", 1e-9),
    ("alt_msl_m", "alt_msl_m", 1e-6),
    ("alt_hae_m", "alt_hae_m", 1e-6),
    ("hdop", "hdop", 1e-9),
    ("speed_m_s", "speed_m_s", 1e-3),
    ("course_deg", "course_deg", 1e-6),
)


class Tally:
    """Holds what the subscriber got against what the simulator has sent."""

    def __init__(self) -> None:
        self.received: dict[tuple[str, str], dict[str, Any]] = {}
        self.copies: Counter[tuple[str, str]] = Counter()
        self.arrived = asyncio.Event()

    def add(self, fix: dict[str, Any]) -> None:
        """Take a live fix from the subscriber."""
        key = (fix["dev"], fix.get("t_fix", ""))
        self.received.setdefault(key, fix)
        self.copies[key] += 1
        self.arrived.set()

    def missing(self, truth: list[dict[str, Any]]) -> int:
        """How many epochs that were sent have not come."""
        return sum((row["name"], row["t_utc"]) not in self.received for row in truth)

    def summary(self, truth: list[dict[str, Any]]) -> dict[str, Any]:
        """Judge: the summary object of ``bdgw demo --seconds``."""
        expected = {(row["name"], row["t_utc"]): row for row in truth}
        lost = self.missing(truth)
        invented = sum(key not in expected for key in self.received)
        wrong = sum(
            not _agrees(self.received[key], row)
            for key, row in expected.items()
            if key in self.received
        )
        duplicates = sum(count - 1 for count in self.copies.values())
        is_ok = bool(expected) and not (lost or wrong or invented or duplicates)
        return {
            "fixes_expected": len(expected),
            "fixes_received": sum(self.copies.values()),
            "duplicates": duplicates,
            "lost": lost,
            "wrong_values": wrong,
            "not_sent": invented,
            "ok": is_ok,
        }


def _agrees(fix: dict[str, Any], row: dict[str, Any]) -> bool:
    for key, name, tolerance in _COMPARED:
        got, sent = fix.get(key), row.get(name)
        if got is None or sent is None or tolerance is None:
            if got != sent:
                return False
        elif abs(got - sent) > tolerance:
            return False
    return True


class CorrectionTally:
    """Watches one rover: from alone to fixed when corrections flow, and back when they stop."""

    def __init__(self, device: str, correction: str) -> None:
        self._device = device
        self._correction = correction
        self.seen_alone = asyncio.Event()
        self._was_fixed = False
        self._is_cut = False
        self._is_proven = True
        """Nothing was cut, or the rover has been seen to fall back."""
        self._has_stranger = False

    def add(self, fix: dict[str, Any]) -> None:
        """Take a live fix from the subscriber."""
        if fix["dev"] != self._device:
            return
        if fix["fix"] == "single":
            self.seen_alone.set()
            self._is_proven = self._is_proven or self._is_cut
            return
        corr = fix.get("corr", {})
        is_ours = corr.get("name") == self._correction and "age_s" in corr
        self._has_stranger = self._has_stranger or not is_ours
        self._was_fixed = self._was_fixed or (
            self.seen_alone.is_set() and fix["fix"] == "rtk_fixed"
        )

    def cut(self) -> None:
        """The caster has fallen silent, for long enough to see the end of it."""
        self._is_cut = True
        self._is_proven = False

    def cut_short(self) -> None:
        """The end came before the rover could fall back: this silence proves nothing."""
        self._is_proven = True

    def restored(self) -> None:
        """The caster speaks again."""
        self._is_cut = False

    @property
    def is_ok(self) -> bool:
        """Whether all of it was seen, and every corrected fix named our correction."""
        return self._was_fixed and self._is_proven and not self._has_stranger
