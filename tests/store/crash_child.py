"""A gateway that is killed: lives over one ledger file, forked one after the other.

Run as a program: ``crash_child.py LEDGER MODE``. A line on stdin begins a life, whose lines on
stdout are what the outside sees at that moment:

    pid PID · ack KEY ID · air ID UNIT · refused ID UNIT · end ID STATE · marked ID UNIT …

``dead`` follows the last one. MODE ``careless`` sends before the ledger has it on the disk.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys

from bdgw.shortmsg.fate import IllegalTransitionError
from bdgw.shortmsg.ledger import Ledger
from bdgw.shortmsg.message import Message, State, Submission, UnitFate
from bdgw.shortmsg.vocabulary import RefusalReason
from bdgw.store.sqlite import SqliteStore

CARDS = (101, 102, 103)
N_SUBMITTERS = 4
N_UNITS_MAX = 3
SLOT_NS = 60_000_000_000


def say(*words: object) -> None:
    """Tell the outside; a pipe keeps lines of this length whole and in order."""
    os.write(1, (" ".join(str(word) for word in words) + "\n").encode())


def submission(key: str) -> Submission:
    """The same key always wants the same."""
    rng = random.Random(key)
    return Submission(
        to=rng.randrange(1000),
        payload=rng.randbytes(rng.randrange(1, 200)),
        key=key,
        wants_receipt=rng.random() < 0.5,
        options=f'{{"units":{rng.randint(1, N_UNITS_MAX)}}}',
    )


class Gateway:
    """One life."""

    def __init__(self, ledger: Ledger, life: int, *, is_careless: bool) -> None:
        self.ledger = ledger
        self.life = life
        self.is_careless = is_careless
        self.rng = random.Random(life)
        self.at_utc_ns = 1_800_000_000_000_000_000 + life * 3600 * 10**9
        self.taken: set[str] = set()
        """Messages that a card is busy with."""

    def now(self) -> int:
        self.at_utc_ns += 1000
        return self.at_utc_ns

    async def submit(self, first: int) -> None:
        # What the life before may have taken without having said so is submitted again.
        for number in range(first, 30, N_SUBMITTERS):
            await self.submit_one(f"{self.life - 1}-{number}")
        number = first
        while True:
            await self.submit_one(f"{self.life}-{number}")
            number += N_SUBMITTERS

    async def submit_one(self, key: str) -> None:
        answer = await self.ledger.submit(submission(key), at_utc_ns=self.now())
        say("ack", key, answer.message.id)

    async def send(self, card: int) -> None:
        while True:
            await asyncio.sleep(0)
            message = self.choose()
            if message is None:
                continue
            self.taken.add(message.id)
            try:
                await self.send_one(message, card)
            finally:
                self.taken.discard(message.id)

    def choose(self) -> Message | None:
        """Mostly what waits; now and then what waits for a receipt, or for its end."""
        free = [each for each in self.ledger.unfinished() if each.id not in self.taken]
        return self.rng.choice(free[:20]) if free else None

    async def send_one(self, message: Message, card: int) -> None:
        n_units = int(message.submission.options[len('{"units":') : -1])
        unit = next(
            (
                number
                for number in range(1, n_units + 1)
                if (known := message.unit(number)) is None or known.fate is UnitFate.REFUSED
            ),
            None,
        )
        if unit is None:
            await self.end(message)
            return
        if message.state is State.ACCEPTED:
            self.ledger.queue(message.id, at_utc_ns=self.now(), of=n_units)
        if self.is_careless:
            say("air", message.id, unit)
        self.at_utc_ns += SLOT_NS
        on_air = self.ledger.on_air(
            message.id, unit=unit, of=n_units, card=card, at_utc_ns=self.at_utc_ns
        )
        await on_air
        if not self.is_careless:
            say("air", message.id, unit)
        for _ in range(self.rng.randrange(4)):
            await asyncio.sleep(0)
        await self.answer(message.id, unit)

    async def answer(self, message_id: str, unit: int) -> None:
        at_utc_ns, chance = self.now(), self.rng.random()
        if chance < 0.6:
            heard = self.ledger.unit_accepted(message_id, unit=unit, at_utc_ns=at_utc_ns)
        elif chance < 0.8:
            say("refused", message_id, unit)
            heard = self.ledger.unit_refused(
                message_id, unit=unit, reason=RefusalReason.BUSY, at_utc_ns=at_utc_ns
            )
        else:
            heard = self.ledger.unit_unknown(
                message_id, unit=unit, at_utc_ns=at_utc_ns, cause="silence"
            )
        if self.rng.random() < 0.5:
            await heard

    async def end(self, message: Message) -> None:
        act = self.rng.choice((self.ledger.delivered, self.ledger.expire, self.ledger.cancel))
        try:
            ended = await act(message.id, at_utc_ns=self.now(), cause="end")
        except IllegalTransitionError:
            return
        say("end", ended.id, ended.state)


async def live(path: str, life: int, *, is_careless: bool) -> None:
    """Until somebody kills it."""
    async with SqliteStore(path) as store:
        ledger = Ledger(store, entropy=os.urandom, max_unfinished=1_000_000)
        gateway = Gateway(ledger, life, is_careless=is_careless)
        for message in await ledger.recover(at_utc_ns=gateway.now()):
            for unit in message.units:
                if unit.fate is UnitFate.POSSIBLY_SENT:
                    say("marked", message.id, unit.number)
        async with asyncio.TaskGroup() as group:
            for first in range(N_SUBMITTERS):
                group.create_task(gateway.submit(first))
            for card in CARDS:
                group.create_task(gateway.send(card))


def main() -> None:
    """Fork a life for every line, and say when it is dead."""
    path, mode = sys.argv[1:]
    for life, _line in enumerate(sys.stdin, 1):
        pid = os.fork()
        if pid == 0:
            say("pid", os.getpid())
            asyncio.run(live(path, life, is_careless=mode == "careless"))
            os._exit(1)
        os.waitpid(pid, 0)
        say("dead")


if __name__ == "__main__":
    main()
