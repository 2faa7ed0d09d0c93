"""A gateway that is killed: the real service on a real ledger file, its terminals at a socket.

Run as a program: ``kill_child.py LEDGER SOCKET MODE``. A line on stdin begins a life, forked so
that it begins at once; it connects to the socket and answers requests until somebody kills it. The
next line buries it, and ``dead`` on stdout follows: until then its process id is nobody else's.
MODE ``careless`` answers and sends before the disk has it. Time comes with the requests, and each
life has a monotonic clock of its own.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

import msgspec

from bdgw.errors import BdgwError, EncodeError
from bdgw.shortmsg.ledger import Ledger
from bdgw.shortmsg.outgoing import Dispatch, Peer, Receipt, Submission
from bdgw.shortmsg.pending import Pending
from bdgw.shortmsg.service import ServiceSpec, ShortMessageService
from bdgw.shortmsg.terminal import TerminalSession, TerminalSpec
from bdgw.shortmsg.vocabulary import Family
from bdgw.store.sqlite import SqliteStore

SHORE = 210001
TERMINALS: dict[str, Family | None] = {"t1": Family.BD1, "t2": Family.BD2, "t3": Family.BD3}
UTC0_NS = 1_767_225_600_000_000_000
_BORN_S = 7.0
_OPS_A_TICK = 20
"""Steps of SQLite's machine between two looks at whether it is time to die."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange: what terminals say, and what users want."""

    now: float
    heard: dict[str, bytes] = {}
    submissions: list[tuple[int, Submission]] = []
    cancels: list[str] = []
    die_after_ticks: int | None = None
    """It kills itself after so many ticks of SQLite's machine, wherever it is then."""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What leaves the gateway: all of it is durable, or needs not be."""

    said: dict[str, bytes]
    accepted: list[tuple[int, str]]
    refused: list[tuple[int, str]]
    cancelled: list[str]
    deadline_s: float | None
    n_misplanned: int


def packed(value: object) -> bytes:
    """A value with its length before it."""
    data = msgspec.msgpack.encode(value)
    return len(data).to_bytes(4, "big") + data


class Life:
    """One run of the gateway."""

    def __init__(self, store: SqliteStore, first: Asked, *, is_careless: bool) -> None:
        self.is_careless = is_careless
        self.born_s = first.now
        self.now = _BORN_S
        self.store = store
        self.ledger = Ledger(store, entropy=os.urandom)
        peer = Peer(name="shore", addresses=frozenset([SHORE]))
        self.service = ShortMessageService(
            ServiceSpec(terminals=TERMINALS, peers=(peer,)),
            ledger=self.ledger,
            utc_ns=lambda: UTC0_NS + round((self.now - _BORN_S + self.born_s) * 1e9),
            now=self.now,
        )
        self.sessions = {
            name: TerminalSession(TerminalSpec(family=family), now=self.now)
            for name, family in TERMINALS.items()
        }
        self.ticks_left: int | None = None

    async def answer(self, asked: Asked) -> Answered:
        """Do what is asked and due; return once what leaves may leave."""
        self._arm(asked.die_after_ticks)
        self.now = max(self.now, asked.now - self.born_s + _BORN_S)
        for name, session in self.sessions.items():
            session.tick(now=self.now)
            if name in asked.heard:
                session.receive(asked.heard[name], now=self.now)
            self._tell(name)
        receipts: list[tuple[int, Receipt]] = []
        refused: list[tuple[int, str]] = []
        for tag, submission in asked.submissions:
            answer = self.service.submit(submission, now=self.now)
            if isinstance(answer, Receipt):
                receipts.append((tag, answer))
            else:
                refused.append((tag, answer.cause.value))
        cancels = self._cancel(asked.cancels)
        dispatches = self.service.due(self.now)
        await asyncio.gather(*(self._dispatch(one) for one in dispatches))
        await asyncio.gather(*(self._durable(one.durable) for _, one in receipts))
        await asyncio.gather(*(self._durable(pending) for _, pending in cancels))
        for _event in self.service.events():
            pass
        times = [self.service.deadline(), *(one.deadline() for one in self.sessions.values())]
        due_s = min((at_s for at_s in times if at_s is not None), default=None)
        said = {name: session.data_to_send() for name, session in self.sessions.items()}
        return Answered(
            said={name: data for name, data in said.items() if data},
            accepted=[(tag, receipt.id) for tag, receipt in receipts],
            refused=refused,
            cancelled=[name for name, _ in cancels],
            deadline_s=None if due_s is None else due_s - _BORN_S + self.born_s,
            n_misplanned=self.service.n_misplanned,
        )

    async def _dispatch(self, dispatch: Dispatch) -> None:
        await self._durable(dispatch.durable)
        try:
            self.sessions[dispatch.terminal].submit(dispatch.frame, now=self.now)
        except EncodeError as error:
            self.service.undeliverable(dispatch.terminal, str(error), now=self.now)
        self._tell(dispatch.terminal)

    def _cancel(self, names: list[str]) -> list[tuple[str, Pending[Any]]]:
        done: list[tuple[str, Pending[Any]]] = []
        for name in names:
            try:
                done.append((name, self.service.cancel(name)))
            except BdgwError:
                continue
        return done

    async def _durable(self, pending: Pending[Any]) -> None:
        if not self.is_careless:
            await pending

    def _tell(self, name: str) -> None:
        for event in self.sessions[name].events():
            self.service.terminal_event(name, event, now=self.now)

    def _arm(self, n_ticks: int | None) -> None:
        if n_ticks is None:
            return
        self.ticks_left = n_ticks
        # Reaches into the store on purpose: no public door leads into the middle of a commit.
        self.store._file._connection.set_progress_handler(self._tick, _OPS_A_TICK)

    def _tick(self) -> int:
        if self.ticks_left is not None:
            self.ticks_left -= 1
            if self.ticks_left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return 0


async def live(path: str, address: str, *, is_careless: bool) -> None:
    """Until somebody kills it. The loop goes on between requests, and with it the writer."""
    reader, writer = await asyncio.open_unix_connection(address)

    async def request() -> Asked:
        n = int.from_bytes(await reader.readexactly(4), "big")
        return msgspec.msgpack.decode(await reader.readexactly(n), type=Asked)

    asked = await request()
    async with SqliteStore(path) as store:
        life = Life(store, asked, is_careless=is_careless)
        while True:
            writer.write(packed(await life.answer(asked)))
            asked = await request()


def main() -> None:
    """Fork a life for every other line, and bury it at the next."""
    path, address, mode = sys.argv[1:]
    while sys.stdin.readline():
        pid = os.fork()
        if pid == 0:
            asyncio.run(live(path, address, is_careless=mode == "careless"))
            os._exit(1)
        os.write(1, f"{pid}\n".encode())
        sys.stdin.readline()
        os.waitpid(pid, 0)
        os.write(1, b"dead\n")


if __name__ == "__main__":
    main()
