"""How much waits for the broker, and for how long."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bdgw.config.value import Section

__all__ = ["OutboxConfig"]


class OutboxConfig(Section):
    """Bounds of what waits in ``state_dir``; alarms and short messages may go beyond them."""

    max_bytes: Annotated[int, Field(ge=1_000_000)] = 1024 * 1024 * 1024
    max_items: Annotated[int, Field(ge=10)] = 10_000_000
    max_age_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 7 * 86_400.0
    """Counted while the gateway runs, so that no clock step can empty the outbox."""
    commit_interval_ms: Annotated[float, Field(ge=1, le=10_000)] = 100.0
    """So old a live fix is written that the broker has not acknowledged yet."""
    backlog_after_s: Annotated[float, Field(ge=0.1, le=3600)] = 2.0
    """A fix that has waited so long, and that a newer one has superseded, goes to the history."""
    history_per_s: Annotated[float, Field(gt=0, le=100_000)] = 1000.0
    """How fast the history is sent, at most."""
