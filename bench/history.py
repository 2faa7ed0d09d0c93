"""The history: fixes kept a second, what they take, and how long a question takes among a million.

500 devices at 10 Hz, a batch a second, as a gateway writes them; then ranges of one device, and of
one that has a million fixes alone. The same in a PostgreSQL server where one is installed.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bdgw.history import FixQuery, SeqRange
from bdgw.model import DeviceFix
from bdgw.store.history_backend import HistoryBackend, HistoryLimits, HistoryReader
from bdgw.store.history_file import HistoryFile
from bdgw.store.history_reader import HistoryFileReader
from bench.figure import Figure, Options, figure, middle
from tests.store.history_rig import T0_NS, fix

_DEVICES = 500
_HZ = 10
_SECONDS = 40
_ALONE = 1_000_000
_PAGE = 1000
_ROUNDS = 9


def run(options: Options) -> Iterator[Figure]:
    """Measure on the disk of the working folder."""
    share = 5 if options.quick else 1
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-history-") as folder:
        path = str(Path(folder) / "history.db")
        file = HistoryFile(path, HistoryLimits())
        yield from _fleet("sqlite", file, share)
        yield from _alone("sqlite", file, HistoryFileReader(path), share)
        file.close()
    yield from _postgres(share)


def _fleet(kind: str, store: HistoryBackend, share: int) -> Iterator[Figure]:
    used_before = store.used_bytes() or 0
    n_seconds = _SECONDS // share
    cpu_s = took_s = 0.0
    written = _written_bytes()
    for second in range(n_seconds):
        batch = [
            fix(second * _HZ + tenth, device=f"d{device}")
            for tenth in range(_HZ)
            for device in range(_DEVICES)
        ]
        began_s, cpu_began_s = time.perf_counter(), time.thread_time()
        store.write(batch, trusted_utc_ns=T0_NS + second * 10**9)
        took_s += time.perf_counter() - began_s
        cpu_s += time.thread_time() - cpu_began_s
    n = n_seconds * _HZ * _DEVICES
    used = store.used_bytes()
    to_disk = _written_bytes() - written
    yield figure(
        "history",
        f"{kind}: fixes kept, batches of {_DEVICES * _HZ}",
        n / took_s,
        "1/s",
        ok=True,
        target=f"{_DEVICES * _HZ}/s",
        met=n / took_s > _DEVICES * _HZ,
        cpu_us_per_fix=round(cpu_s / n * 1e6, 1),
    )
    if used is not None:
        yield figure("history", f"{kind}: a fix takes", (used - used_before) / n, "B", ok=True)
        yield figure("history", f"{kind}: written to the disk for it", to_disk / n, "B", ok=True)


def _alone(kind: str, store: HistoryBackend, reader: HistoryReader, share: int) -> Iterator[Figure]:
    n = _ALONE // share
    for start in range(0, n, 5000):
        store.write([_alone_fix(seq) for seq in range(start, start + 5000)], trusted_utc_ns=None)
    middle_ns = T0_NS + n // 2 * 100_000_000
    hour = FixQuery(
        device="alone",
        from_utc_ns=middle_ns,
        until_utc_ns=middle_ns + 3600 * 10**9,
        limit=_PAGE,
    )
    questions = (
        (f"a page of {_PAGE} from the middle", lambda: len(reader.page(hour).fixes) == _PAGE),
        ("how many an hour has", lambda: reader.count(hour) >= min(36_000, n // 2)),
        ("what is missing", lambda: reader.gaps("alone", limit=9)[0].n_missing == 0),
        (
            "100 fixes by number",
            lambda: len(reader.numbered("alone", "b1", SeqRange(n // 2, n), limit=100)) == 100,
        ),
    )
    for name, ask in questions:
        times_ms = []
        is_right = True
        for _ in range(_ROUNDS):
            began_s = time.perf_counter()
            is_right &= ask()
            times_ms.append((time.perf_counter() - began_s) * 1e3)
        yield figure(
            "history",
            f"{kind}: {name}, of {n:,} fixes",
            middle(times_ms),
            "ms",
            ok=is_right,
            worst_ms=round(max(times_ms), 1),
        )
    reader.close()


def _alone_fix(seq: int) -> DeviceFix:
    return fix(seq, device="alone")


def _postgres(share: int) -> Iterator[Figure]:
    from bdgw.store.history_postgres import PostgresHistory, PostgresServer
    from bdgw.store.history_postgres_reader import PostgresHistoryReader
    from tests.store.postgres import PASSWORD, PostgresProcess, is_installed

    if not is_installed():
        return
    process = PostgresProcess()
    try:
        process.start()
        server = PostgresServer(process.url(), PASSWORD, name="bench")
        store = PostgresHistory(server, "bench", HistoryLimits())
        yield from _fleet("postgresql", store, share)
        yield from _alone("postgresql", store, PostgresHistoryReader(server, "bench"), share)
        store.close()
    finally:
        process.remove()


def _written_bytes() -> int:
    """What this process has sent to disks, by the kernel's count."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes:"))
