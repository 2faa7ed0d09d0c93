"""The message ledger: durable submissions a second, alone and together, and what a life writes.

Every submission is awaited until it is synced. The peer is the least that durable means on this
disk: one table, one row of the same payload, one commit each, in plain sqlite3 (WAL, FULL).
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bdgw.shortmsg.ledger import Ledger
from bdgw.shortmsg.ledger_store import Query
from bdgw.shortmsg.message import Submission
from bdgw.store.sqlite import SqliteStore
from bench.figure import Figure, Options, figure

_PAYLOAD = bytes(78)
_TOGETHER = (1, 10, 100)
_PER_ROUND = {1: 1000, 10: 5000, 100: 20000}
_HISTORY = 100_000
_LIVES = 500
_CARD = 123456


def run(options: Options) -> Iterator[Figure]:
    """Measure on the disk of the working folder."""
    share = 5 if options.quick else 1
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-ledger-") as folder:
        plain = _plain_per_s(Path(folder), _PER_ROUND[1] // share)
        yield from asyncio.run(_gateway(str(Path(folder) / "ledger.db"), plain, share))


def _plain_per_s(folder: Path, n: int) -> float:
    connection = sqlite3.connect(folder / "plain.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE row (payload BLOB)")
    began_s = time.perf_counter()
    for _ in range(n):
        connection.execute("INSERT INTO row VALUES (?)", (_PAYLOAD,))
    took_s = time.perf_counter() - began_s
    connection.close()
    return n / took_s


async def _gateway(path: str, plain_per_s: float, share: int) -> list[Figure]:
    figures = []
    async with SqliteStore(path) as store:
        ledger = Ledger(store, entropy=os.urandom, max_unfinished=10_000_000)
        for together in _TOGETHER:
            n = _PER_ROUND[together] // share
            n_before = store.n_commits
            took_s, waits_ms = await _submit(ledger, n, together)
            figures.append(
                figure(
                    "ledger",
                    f"durable submissions, {together} at a time",
                    n / took_s,
                    "1/s",
                    ok=True,
                    peer="plain sqlite3, one by one",
                    peer_value=plain_per_s,
                    commits_per_s=round((store.n_commits - n_before) / took_s),
                    p50_ms=round(statistics.median(waits_ms), 2),
                    p99_ms=round(statistics.quantiles(waits_ms, n=100)[98], 2),
                )
            )
        figures.append(await _lives(ledger, _LIVES // share))
        await _submit(ledger, _HISTORY // share, 1000)
        took_s, _waits_ms = await _submit(ledger, 500, 1)
        figures.append(
            figure(
                "ledger", "the same alone, behind 100,000 messages", 500 / took_s, "1/s", ok=True
            )
        )
        began_s = time.perf_counter()
        page = await store.fetch(lambda reader: reader.find(Query(limit=100)))
        figures.append(
            figure(
                "ledger",
                "the newest 100 of them",
                (time.perf_counter() - began_s) * 1e3,
                "ms",
                ok=len(page.messages) == 100,
            )
        )
    return figures


async def _submit(ledger: Ledger, n: int, together: int) -> tuple[float, list[float]]:
    waits_ms: list[float] = []

    async def one_after_the_other() -> None:
        for _ in range(n // together):
            began_s = time.perf_counter()
            await ledger.submit(Submission(to=1, payload=_PAYLOAD), at_utc_ns=time.time_ns())
            waits_ms.append((time.perf_counter() - began_s) * 1e3)

    began_s = time.perf_counter()
    await asyncio.gather(*(one_after_the_other() for _ in range(together)))
    return time.perf_counter() - began_s, waits_ms


def _written_bytes() -> int:
    """What this process has sent to disks, by the kernel's count."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes:"))


async def _lives(ledger: Ledger, n: int) -> Figure:
    """Submitted, sent, accepted by the terminal, one after the other: four commits each."""
    before = _written_bytes()
    for _ in range(n):
        at_utc_ns = time.time_ns()
        submitted = await ledger.submit(Submission(to=1, payload=_PAYLOAD), at_utc_ns=at_utc_ns)
        message_id = submitted.message.id
        await ledger.queue(message_id, at_utc_ns=at_utc_ns)
        await ledger.on_air(message_id, unit=1, of=1, card=_CARD, at_utc_ns=at_utc_ns)
        await ledger.unit_accepted(message_id, unit=1, at_utc_ns=at_utc_ns)
    kbytes = (_written_bytes() - before) / 1000
    return figure(
        "ledger",
        "written to the disk for the life of a message",
        kbytes / n,
        "kB",
        ok=kbytes > 0,
    )
