"""What the outbox is told."""

from __future__ import annotations

from pathlib import Path

from bdgw.config import Config
from bdgw.publish.outbox_pace import Bounds, LanePace

__all__ = ["outbox_bounds", "outbox_pace", "outbox_path"]


def outbox_path(config: Config) -> Path:
    """Where the outbox's file is."""
    return config.gateway.state_dir / "outbox.db"


def outbox_bounds(config: Config) -> Bounds:
    """Give how much may wait."""
    outbox = config.outbox
    return Bounds(
        max_items=outbox.max_items, max_bytes=outbox.max_bytes, max_age_s=outbox.max_age_s
    )


def outbox_pace(config: Config) -> LanePace:
    """Give how fast what has waited is written and sent."""
    outbox = config.outbox
    return LanePace(
        lag_s=outbox.commit_interval_ms / 1000.0,
        backlog_after_s=outbox.backlog_after_s,
        history_per_s=outbox.history_per_s,
    )
