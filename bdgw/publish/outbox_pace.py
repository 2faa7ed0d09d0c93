"""How much the outbox holds, and how fast what has waited is written and sent: plain values."""

from __future__ import annotations

import msgspec

__all__ = ["Bounds", "LanePace"]


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """How much the outbox holds; alarms and messages may go beyond it."""

    max_items: int = 10_000_000
    max_bytes: int = 1024 * 1024 * 1024
    max_age_s: float = 7 * 86_400.0
    memory_items: int = 100_000
    memory_bytes: int = 64 * 1024 * 1024
    """For what is not on the disk: reached only when the disk takes nothing."""


class LanePace(msgspec.Struct, frozen=True, kw_only=True):
    """When an entry is written, when it becomes history, and how fast history goes."""

    lag_s: float = 0.1
    backlog_after_s: float = 2.0
    history_per_s: float = 1000.0
    window: int = 100
    """Entries that a crash may make arrive twice."""
