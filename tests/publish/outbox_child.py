"""A gateway that is killed: lives over one outbox file.

``outbox_child.py FILE LIFE roomy|tight [drain]``. Lines on stdout are what the outside knows at
that moment: ``safe NAME``, ``sent NAME`` (the broker has it), ``told NAME`` (it will not get it).
With ``drain`` it sends what is left, tells, and ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time

from bdgw.publish import loss
from bdgw.publish.durable_outbox import DurableOutbox
from bdgw.publish.outbox import FIX_SCHEMA, Entry, Lane, Outgoing
from bdgw.publish.outbox_pace import Bounds, LanePace
from bdgw.store.outbox_file import OutboxFile

WINDOW = 20
DEVICES = ("d0", "d1", "d2")
_next_seq = dict.fromkeys(DEVICES, 0)
BOUNDS = {"roomy": Bounds(), "tight": Bounds(max_items=150)}


def say(*words: str) -> None:
    os.write(1, (" ".join(words) + "\n").encode())


async def live(path: str, life: int, bounds: Bounds, *, is_draining: bool) -> None:
    rng = random.Random(life)
    pace = LanePace(lag_s=0.002, backlog_after_s=0.005, history_per_s=1e5, window=WINDOW)
    outbox = DurableOutbox(monotonic_s=time.monotonic, pace=pace, bounds=bounds)
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
                say("sent", name_of(entry), entry.lane)
                outbox.ack(entry.id)
        await asyncio.sleep(rng.choice((0, 0.001)))
    await outbox.close()
    for device in DEVICES if is_draining else ():
        for lost in outbox.losses.undelivered(device):
            for seq in range(lost.numbers.first, lost.numbers.last + 1):
                say("told", f"{lost.boot}-{device}-{seq}")


def name_of(entry: Entry) -> str:
    if entry.lane is Lane.ALARM:
        return entry.payload.decode()
    fix = json.loads(entry.payload)
    return f"{fix['boot']}-{fix['dev']}-{fix['seq']}"


def put(outbox: DurableOutbox, life: int, number: int) -> None:
    is_alarm = number % 10 == 0
    device = DEVICES[number % 3]
    seq = _next_seq[device]
    _next_seq[device] += not is_alarm
    name = f"{life}-alarm-{number}" if is_alarm else f"{life}-{device}-{seq}"
    fix = {"dev": device, "boot": str(life), "seq": seq}
    entry_id = outbox.put(
        Outgoing(
            topic="t",
            payload=name.encode() if is_alarm else json.dumps(fix).encode(),
            lane=Lane.ALARM if is_alarm else Lane.LIVE,
            supersede_key=None if is_alarm else device,
            schema=None if is_alarm else FIX_SCHEMA,
            late_topic=None if is_alarm else "late",
        ),
        now_s=time.monotonic(),
    )
    if entry_id is not None:
        outbox.when_safe(entry_id, lambda: say("safe", name))


if __name__ == "__main__":
    file, number, room, *more = sys.argv[1:]
    # A fast disk gives up more ranges than are listed; here each fix must be named.
    loss.RANGES_MAX = 1_000_000
    asyncio.run(live(file, int(number), BOUNDS[room], is_draining=more == ["drain"]))
