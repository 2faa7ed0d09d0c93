"""What was acknowledged is there after a power cut, whatever the disk did with unsynced writes."""

from __future__ import annotations

import random
from pathlib import Path

from bdgw.shortmsg.fate import fold
from bdgw.shortmsg.ledger import Ledger
from bdgw.shortmsg.message import Event, Submission
from bdgw.store.direct import DirectStore
from tests.store.disk import Disk, Op, after_power_cut, disk, lay_out

SEED = 651
N_MESSAGES = 60
N_CUTS = 120
CARD = 123456


def busy(store: DirectStore, journal: Disk, rng: random.Random) -> None:
    """Submit and send; mark in the journal what was acknowledged, by revision."""
    # Checkpoints in the middle of it all, and not only at the end.
    store.file._connection.execute("PRAGMA wal_autocheckpoint = 15")
    ledger = Ledger(store, entropy=rng.randbytes)
    for number in range(N_MESSAGES):
        submission = Submission(to=number, payload=rng.randbytes(rng.choice((20, 78, 3000))))
        submitted = ledger.submit(submission, at_utc_ns=number * 10**9)
        assert submitted.is_durable
        message_id = submitted.value.message.id
        journal.ack((message_id, 1))
        if rng.random() < 0.7:
            ledger.queue(message_id, at_utc_ns=number)
            on_air = ledger.on_air(message_id, unit=1, of=1, card=CARD, at_utc_ns=number)
            assert on_air.is_durable
            journal.ack((message_id, 3))
            accepted = ledger.unit_accepted(message_id, unit=1, at_utc_ns=number)
            assert accepted.is_durable
            journal.ack((message_id, 4))


def n_lost(journal: list[Op], folder: Path, rng: random.Random) -> int:
    """Cut the power after the journal; how much of what was acknowledged is not there?"""
    folder.mkdir()
    lay_out(after_power_cut(journal, rng), folder)
    acked: dict[str, int] = {}
    for op in journal:
        if op.kind == "ack":
            acked[op.note[0]] = op.note[1]
    store = DirectStore(str(folder / "ledger.db"))
    lost = 0
    for message_id, revision in acked.items():
        message = store.message(message_id)
        lost += message is None or message.revision < revision
        if message is not None:
            steps = store.steps(message_id)
            assert fold(message_id, message.submission, steps) == message
            assert (steps[0].event, len(steps)) == (Event.SUBMITTED, message.revision)
    store.close()
    return lost


def record(folder: Path, rng: random.Random, *, synchronous: str | None = None) -> list[Op]:
    with disk() as journal:
        store = DirectStore(str(folder / "ledger.db"))
        if synchronous is not None:
            store.file._connection.execute(f"PRAGMA synchronous = {synchronous}")
        busy(store, journal, rng)
        recorded = list(journal.journal)
        store.close()
    return recorded


def cuts(recorded: list[Op], rng: random.Random) -> list[int]:
    """Where to cut: anywhere behind the making of the tables."""
    first = next(index for index, op in enumerate(recorded) if op.kind == "ack")
    return [rng.randrange(first, len(recorded)) for _ in range(N_CUTS)]


def test_nothing_acknowledged_is_lost(tmp_path: Path):
    rng = random.Random(SEED)
    recorded = record(tmp_path, rng)
    assert sum(op.kind == "truncate" or op.path.endswith(".db") for op in recorded) > N_MESSAGES
    for cut in cuts(recorded, rng):
        assert n_lost(recorded[:cut], tmp_path / f"{cut}-{rng.random()}", rng) == 0, f"cut {cut}"


def test_the_disk_does_forget_what_nobody_synced(tmp_path: Path):
    rng = random.Random(SEED)
    recorded = record(tmp_path, rng, synchronous="NORMAL")
    lost = [
        n_lost(recorded[:cut], tmp_path / f"{cut}-{rng.random()}", rng)
        for cut in cuts(recorded, rng)
    ]
    assert sum(lost) > N_CUTS // 10


def test_a_cut_while_the_file_is_made_leaves_one_that_opens(tmp_path: Path):
    with disk() as journal:
        DirectStore(str(tmp_path / "ledger.db")).close()
        recorded = list(journal.journal)
    rng = random.Random(SEED)
    for cut in range(len(recorded) + 1):
        folder = tmp_path / f"after {cut}"
        folder.mkdir()
        lay_out(after_power_cut(recorded[:cut], rng), folder)
        DirectStore(str(folder / "ledger.db")).close()
