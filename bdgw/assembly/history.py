"""Builds the history from the checked configuration: in a file, or in a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Callable

from bdgw.config import Config
from bdgw.errors import ConfigError
from bdgw.plan import history_limits, history_path, store_password
from bdgw.store.history import StoredHistory
from bdgw.store.history_backend import HistoryBackend, HistoryReader
from bdgw.store.history_file import HistoryFile
from bdgw.store.history_reader import HistoryFileReader

__all__ = ["build_history"]


def build_history(
    config: Config, *, trusted_utc_ns: Callable[[], int | None]
) -> StoredHistory | None:
    """Put the history together; nothing is opened yet. None where it is switched off.

    Raises:
        ConfigError: a secret is missing, or the driver of PostgreSQL is not installed.
    """
    if not config.history.enabled:
        return None
    if config.store is None:
        path = history_path(config)
        backend: HistoryBackend = HistoryFile(path, history_limits(config))
        reader: HistoryReader = HistoryFileReader(path)
    else:
        backend, reader = _postgres(config, config.store.url)
    return StoredHistory(backend, reader, trusted_utc_ns=trusted_utc_ns)


def _postgres(config: Config, url: str) -> tuple[HistoryBackend, HistoryReader]:
    try:
        from bdgw.store.history_postgres import PostgresHistory, PostgresServer
        from bdgw.store.history_postgres_reader import PostgresHistoryReader
    except ImportError as error:
        raise ConfigError(
            f"store.url: the driver is missing ({error}): pip install 'bdgw[postgresql]'"
        ) from None
    gateway = config.gateway.id
    server = PostgresServer(url, store_password(config), name=f"bdgw {gateway}")
    return (
        PostgresHistory(server, gateway, history_limits(config)),
        PostgresHistoryReader(server, gateway),
    )
