"""A gateway that is killed: lives over one outbox file. ``outbox_child.py FILE LIFE [drain]``.

Lines on stdout are what the outside knows at that moment: ``safe NAME``, ``sent NAME`` (the broker
has it). With ``drain`` it sends what is left and ends.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time

from bdgw.publish.durable_outbox import DurableOutbox
from bdgw.publish.outbox import Entry, Lane, Outgoing
from bdgw.publish.outbox_pace import LanePace
from bdgw.store.outbox_file import OutboxFile

WINDOW = 20


def say(*words: str) -> None:
    os.write(1, (" ".join(words) + "\n").encode())


async def live(path: str, life: int, *, is_draining: bool) -> None:
    rng = random.Random(life)
    pace = LanePace(lag_s=0.002, backlog_after_s=0.005, history_per_s=1e5, window=WINDOW)
    outbox = DurableOutbox(monotonic_s=time.monotonic, pace=pace)
    outbox.open(OutboxFile(path))
    say("open")
    flying: list[Entry] = []
    number = 0
    while not is_draining or outbox.snapshot(now_s=0.0).depth:
        for _ in range(0 if is_draining else rng.randrange(20)):
            put(outbox, life, number)
            number += 1
        if is_draining or number // 200 % 2:
            flying += outbox.take(WINDOW - len(flying))
            rng.shuffle(flying)
            for _ in range(rng.randrange(len(flying) + 1)):
                entry = flying.pop()
                say("sent", entry.payload.decode(), entry.lane)
                outbox.ack(entry.id)
        await asyncio.sleep(rng.choice((0, 0.001)))
    await outbox.close()


def put(outbox: DurableOutbox, life: int, number: int) -> None:
    name = f"{life}-{number}"
    is_alarm = number % 10 == 0
    entry_id = outbox.put(
        Outgoing(
            topic="t",
            payload=name.encode(),
            lane=Lane.ALARM if is_alarm else Lane.LIVE,
            supersede_key=None if is_alarm else f"d{number % 3}",
            late_topic=None if is_alarm else "late",
        ),
        now_s=time.monotonic(),
    )
    if entry_id is not None:
        outbox.when_safe(entry_id, lambda: say("safe", name))


if __name__ == "__main__":
    asyncio.run(live(sys.argv[1], int(sys.argv[2]), is_draining=sys.argv[3:] == ["drain"]))
