"""The queue before the store: it holds nobody up, it is bounded, and it counts."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from bdgw.history import FixQuery, HistoryError
from bdgw.hub import SkySeen
from bdgw.model import Sky
from bdgw.shortmsg.ledger_store import StoreError, StoreFullError
from bdgw.store.history import StoredHistory
from bdgw.store.history_backend import HistoryItem, HistoryLimits, Written
from bdgw.store.history_file import HistoryFile
from bdgw.store.history_reader import HistoryFileReader
from tests.publish.brokers import until
from tests.store.history_of import history_of
from tests.store.history_rig import fix


class Stuck(HistoryFile):
    """A real file whose disk hangs, or is full, while the test wants it."""

    def __init__(self, path: str) -> None:
        super().__init__(path, HistoryLimits())
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.error: StoreError | None = None
        self.batches: list[int] = []

    def write(self, items: Sequence[HistoryItem], *, trusted_utc_ns: int | None) -> Written:
        self.may_go_on.wait()
        if self.error is not None:
            raise self.error
        self.batches.append(len(items))
        return super().write(items, trusted_utc_ns=trusted_utc_ns)


def stored(path: Path, backend: HistoryFile, **settings: float) -> StoredHistory:
    history = StoredHistory(
        backend,
        HistoryFileReader(str(path / "history.db")),
        trusted_utc_ns=lambda: None,
        commit_s=0.0,
        backoff_s=(0.01, 0.02),
        **settings,  # type: ignore[arg-type] # numbers by name
    )
    history.start()
    return history


async def seqs(history: StoredHistory) -> list[int]:
    return [each.seq for each in (await history.page(FixQuery(device="a"))).fixes]


async def test_a_disk_that_hangs_holds_nobody_up_and_the_oldest_go(tmp_path: Path):
    backend = Stuck(str(tmp_path / "history.db"))
    backend.may_go_on.clear()
    history = stored(tmp_path, backend, queue_max=100)
    for seq in range(1000):
        history.offer(fix(seq))
    state = history.state()
    assert state.offered == 1000
    assert 800 <= state.dropped <= 900, "one batch may be with the writer"
    assert state.waiting == 1000 - state.dropped
    backend.may_go_on.set()
    await until(lambda: history.state().waiting == 0, "all is written")
    state = history.state()
    assert state.stored + state.dropped == state.offered
    kept = await seqs(history)
    assert kept[-100:] == list(range(900, 1000))
    assert len(kept) == state.stored
    await history.close()


async def test_a_full_disk_is_counted_told_and_recovered_from(tmp_path: Path):
    backend = Stuck(str(tmp_path / "history.db"))
    history = stored(tmp_path, backend)
    backend.error = StoreFullError("no room for more")
    for seq in range(50):
        history.offer(fix(seq))
    await until(lambda: history.state().n_failures >= 3, "it is tried again")
    state = history.state()
    assert (state.stored, state.dropped, state.waiting) == (0, 0, 50)
    assert state.error == "no room for more"
    await history.flush()  # and nobody waits for what cannot be
    backend.error = None
    await until(lambda: history.state().stored == 50, "all is written")
    assert history.state().error is None
    assert await seqs(history) == list(range(50))
    await history.close()


async def test_what_comes_together_is_written_together(tmp_path: Path):
    backend = Stuck(str(tmp_path / "history.db"))
    backend.may_go_on.clear()
    history = stored(tmp_path, backend)
    for seq in range(12_000):
        history.offer(fix(seq))
    backend.may_go_on.set()
    await until(lambda: history.state().stored == 12_000, "all is written")
    assert len(backend.batches) <= 5
    assert max(backend.batches) <= 5000
    await history.close()


async def test_what_waits_at_the_end_is_written(tmp_path: Path):
    path = str(tmp_path / "history.db")
    history = StoredHistory(
        HistoryFile(path, HistoryLimits()),
        HistoryFileReader(path),
        trusted_utc_ns=lambda: None,
        commit_s=3600.0,
    )
    history.start()
    for seq in range(7000):
        history.offer(fix(seq))
    await history.close()
    assert (history.state().stored, history.state().waiting) == (7000, 0)
    reader = HistoryFileReader(path)
    assert reader.count(FixQuery(device="a")) == 7000
    reader.close()


async def test_what_cannot_be_written_at_the_end_is_counted(tmp_path: Path):
    backend = Stuck(str(tmp_path / "history.db"))
    history = stored(tmp_path, backend)
    backend.error = StoreError("the disk is away")
    for seq in range(30):
        history.offer(fix(seq))
    await history.close()
    state = history.state()
    assert (state.stored, state.dropped, state.waiting) == (0, 30, 0)


async def test_other_events_are_no_history(tmp_path: Path):
    async with history_of(tmp_path, fix(1)) as history:
        history.offer(SkySeen(device="a", sky=Sky(satellites=(), used=())))
        assert history.state().offered == 1


async def test_one_that_was_never_started_can_be_closed(tmp_path: Path):
    path = str(tmp_path / "history.db")
    history = StoredHistory(
        HistoryFile(path, HistoryLimits()), HistoryFileReader(path), trusted_utc_ns=lambda: None
    )
    with pytest.raises(HistoryError, match="no history yet"):
        await history.page(FixQuery(device="a"))
    await history.close()
    assert not Path(path).exists()  # noqa: ASYNC240 - one look
