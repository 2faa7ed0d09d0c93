"""How much of the past is kept, and where."""

from __future__ import annotations

from bdgw.config import Config
from bdgw.plan.secret import fetch
from bdgw.store.history_backend import HistoryLimits

__all__ = ["history_limits", "history_path", "store_password"]

_DAY_NS = 86_400 * 1_000_000_000


def history_limits(config: Config) -> HistoryLimits:
    """Give the bounds of the history."""
    history = config.history
    return HistoryLimits(
        max_age_ns=int(history.max_age_days * _DAY_NS),
        max_bytes=history.max_size_mib * 1024 * 1024,
    )


def history_path(config: Config) -> str:
    """Give the file of the history in SQLite."""
    return str(config.gateway.state_dir / "history.db")


def store_password(config: Config) -> str | None:
    """Fetch the password of the PostgreSQL server.

    Raises:
        ConfigError: it is missing; names the key and never the secret.
    """
    store = config.store
    if store is None or store.password is None:
        return None
    return fetch("store.password", store.password)
