"""Drill ``power-cut``: what a disk holds after a cut at any instant, unsynced writes torn or lost.

Every write and sync of the real outbox under load is recorded; from that the files are put
together as a cut may leave them, and opened. A disk that lies about its syncs is not found out.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bdgw.prove import item
from bdgw.prove.disk import Disk, Op, after_power_cut, disk, lay_out
from bdgw.prove.ground import Ground
from bdgw.prove.life import LifeSpec, outbox_item
from bdgw.prove.report import Outcome
from bdgw.publish.outbox import Entry
from bdgw.publish.outbox_chunk import decode_chunk
from bdgw.publish.outbox_pace import LanePace
from bdgw.store.outbox_file import OutboxFile

__all__ = ["run"]

N_CUTS, QUICK_CUTS = 500, 40
_LIFE = 1
_CHECKPOINTS_MIN = 2
_RECORD_S, _QUICK_RECORD_S = 60.0, 8.0
_LAG_S = 0.004


async def run(ground: Ground) -> Outcome:
    """Record, cut, and judge."""
    began_s = time.monotonic()
    n_cuts = QUICK_CUTS if ground.is_quick else N_CUTS
    record_s = _QUICK_RECORD_S if ground.is_quick else _RECORD_S
    with disk() as recorder:
        recorded = await _Recording(ground, recorder).run(record_s)
    n_safe, broken = sum(op.kind == "ack" and op.note[0] == "safe" for op in recorded), []
    n_lost, n_doubled = await asyncio.to_thread(_cut, recorded, ground, n_cuts)
    window = ground.settings.window
    if n_lost:
        broken.append(f"{n_lost} accepted items are not on the disk after {n_cuts} cuts")
    if n_doubled > window:
        broken.append(f"{n_doubled} items would be sent again after a cut, {window} are allowed")
    if not n_safe:
        broken.append("nothing was accepted: the drill has proved nothing")
    return Outcome(
        drill="power-cut",
        ok=not broken,
        broken=broken,
        took_s=round(time.monotonic() - began_s, 1),
        accepted=n_safe,
        lost=n_lost,
        duplicates=n_doubled,
        duplicates_allowed=window,
        cuts=n_cuts,
        notes={
            "writes": sum(op.kind == "write" for op in recorded),
            "syncs": sum(op.kind == "sync" for op in recorded),
        },
    )


class _Recording:
    """The outbox at its work: a broker that takes some, and is away at times."""

    def __init__(self, ground: Ground, recorder: Disk) -> None:
        self._rng = random.Random(ground.rng.random())  # noqa: S311 - a drill
        self._recorder = recorder
        self._spec = LifeSpec(
            number=_LIFE, gateway=ground.gateway, file="", url="mqtt://nowhere", client_id="none"
        )
        self._window = ground.settings.window
        pace = LanePace(
            lag_s=_LAG_S, backlog_after_s=0.3, history_per_s=10_000.0, window=self._window
        )
        self._outbox = ground.outbox_class(monotonic_s=time.monotonic, pace=pace)
        self._path = str(ground.folder / "outbox.db")
        self._flying: list[Entry] = []
        self._number = 0

    async def run(self, most_s: float) -> list[Op]:
        """Until there have been some checkpoints; give what the disk was told."""
        self._outbox.open(OutboxFile(self._path))
        end_s = time.monotonic() + most_s
        is_away, turn_s = False, 0.0
        while time.monotonic() < end_s and self._n_checkpoints() < _CHECKPOINTS_MIN:
            if time.monotonic() >= turn_s:
                is_away = not is_away
                turn_s = time.monotonic() + self._rng.uniform(0.1, 1.0)
            for _ in range(self._rng.randrange(20)):
                self._put()
            self._send(is_away=is_away)
            await asyncio.sleep(0.002)
        recorded = list(self._recorder.journal)
        await self._outbox.close()
        return recorded

    def _n_checkpoints(self) -> int:
        """Syncs of the database itself, the making of its tables excepted."""
        journal = self._recorder.journal
        return sum(op.kind == "sync" and op.path == self._path for op in journal[:]) - 2

    def _put(self) -> None:
        number = self._number
        self._number += 1
        entry_id = outbox_item(
            self._outbox, self._spec, number, utc_ns=time.time_ns(), now_s=time.monotonic()
        )
        if entry_id is not None:
            self._outbox.when_safe(entry_id, lambda: self._recorder.ack(("safe", number)))

    def _send(self, *, is_away: bool) -> None:
        if is_away:
            self._outbox.release(entry.id for entry in self._flying)
            self._flying.clear()
            return
        self._flying += self._outbox.take(self._window - len(self._flying))
        for entry in self._flying[: self._rng.randrange(40)]:
            self._flying.remove(entry)
            # The broker has it before we know.
            self._recorder.ack(("sent", _number(entry.payload)))
            self._outbox.ack(entry.id)


def _cut(recorded: list[Op], ground: Ground, n_cuts: int) -> tuple[int, int]:
    """Cut at random points: how many were lost in all, and at most sent again after one."""
    rng = random.Random(ground.rng.random())  # noqa: S311 - a drill
    first = next((i for i, op in enumerate(recorded) if op.kind == "ack"), len(recorded) - 1)
    n_lost = n_doubled = 0
    for _ in range(n_cuts):
        cut = rng.randrange(first, len(recorded)) + 1
        folder = ground.folder / "after"
        folder.mkdir()
        lay_out(after_power_cut(recorded[:cut], rng), folder)
        there = set(_numbers(folder / "outbox.db"))
        shutil.rmtree(folder)
        notes: list[Any] = [op.note for op in recorded[:cut] if op.kind == "ack"]
        safe = {number for kind, number in notes if kind == "safe"}
        sent = {number for kind, number in notes if kind == "sent"}
        n_lost += len(safe - sent - there)
        n_doubled = max(n_doubled, len(sent & there))
    return n_lost, n_doubled


def _numbers(path: Path) -> Iterator[int]:
    """The items that a file would have sent."""
    file = OutboxFile(str(path))
    chunks = file.urgent()
    after = 0
    while (chunk := file.next(after, ())) is not None:
        chunks.append(chunk)
        after = chunk.id
    file.close()
    for chunk in chunks:
        settled = int.from_bytes(chunk.settled, "little")
        for index, entry in enumerate(decode_chunk(chunk.data, accepted_s=0.0)):
            if not settled >> index & 1:
                yield _number(entry.payload)


def _number(payload: bytes) -> int:
    found = item.read(payload)
    return -1 if found is None else found.number
