"""A history in a real file, written at once, and read as the gateway reads."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from bdgw.model import DeviceFix
from bdgw.store.history import StoredHistory
from bdgw.store.history_backend import HistoryLimits
from bdgw.store.history_file import HistoryFile
from bdgw.store.history_reader import HistoryFileReader


@contextlib.asynccontextmanager
async def history_of(folder: Path, *fixes: DeviceFix) -> AsyncIterator[StoredHistory]:
    """Run a history that holds these fixes."""
    path = str(folder / "history.db")
    history = StoredHistory(
        HistoryFile(path, HistoryLimits()),
        HistoryFileReader(path),
        trusted_utc_ns=lambda: None,
        commit_s=0.0,
    )
    history.start()
    for each in fixes:
        history.offer(each)
    await history.flush()
    try:
        yield history
    finally:
        await history.close()
