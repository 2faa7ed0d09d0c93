"""Gateways over a satellite link, in virtual time: the real service on the real ledger and store.

The terminals here know their card's interval by themselves and refuse what is early, as terminals
do; the link loses, repeats and delays. Everything that was really on air is written down.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Mapping

from bdgw.shortmsg import terminal_event as says
from bdgw.shortmsg.compose import Security
from bdgw.shortmsg.inbox import Incoming, Lost
from bdgw.shortmsg.interval import FEEDBACK_LIMIT_S, SendMark
from bdgw.shortmsg.ledger import Ledger
from bdgw.shortmsg.ledger_store import StoreError, StoreFullError, Write
from bdgw.shortmsg.message import Message
from bdgw.shortmsg.outgoing import Dispatch, Receipt, Refusal, Submission
from bdgw.shortmsg.service import ServiceSpec, ShortMessageService
from bdgw.shortmsg.value_table import ValueTable
from bdgw.shortmsg.vocabulary import (
    Card,
    CardRead,
    NoCard,
    OutgoingFrame,
    Received,
    RefusalReason,
    Service,
)
from bdgw.store.direct import DirectStore

UTC0_NS = 1_763_800_000_000_000_000


def card(address: int, *, interval_s: int = 60, level: int = 3) -> Card:
    return Card(address=address, interval_s=interval_s, level=level, is_encrypted=False)


class Air:
    """Virtual time and the satellite."""

    def __init__(self, seed: int = 0) -> None:
        self.now = 1000.0
        self.rng = random.Random(seed)
        self.loss = 0.0
        self.repeat = 0.0
        self.delay_s: Callable[[], float] = lambda: 2.0
        self.gateways: dict[int, tuple[Gateway, str]] = {}
        """Where each card is."""
        self.log: list[tuple[float, int, OutgoingFrame]] = []
        self.n_sent: Counter[str] = Counter()
        """Transmissions by message."""
        self.too_early = 0
        self.arrived: set[str] = set()
        """The messages of which something came out of a terminal."""
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()

    def utc_ns(self) -> int:
        return UTC0_NS + round(self.now * 1e9)

    def later(self, wait_s: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (self.now + wait_s, next(self._count), act))

    def transmit(self, sender: int, frame: OutgoingFrame, message_id: str | None) -> None:
        self.log.append((self.now, sender, frame))
        if message_id is not None:
            self.n_sent[message_id] += 1
        copies = 0 if self.rng.random() < self.loss else 1
        copies += self.rng.random() < self.repeat
        for _ in range(copies):
            self.later(self.delay_s(), lambda: self._arrive(sender, frame, message_id))

    def _arrive(self, sender: int, frame: OutgoingFrame, message_id: str | None) -> None:
        there = self.gateways.get(frame.to)
        if there is not None:
            if message_id is not None:
                self.arrived.add(message_id)
            gateway, terminal = there
            gateway.hear(
                terminal,
                Received(
                    sender=sender,
                    form=frame.form,
                    content=frame.content,
                    n_bits=frame.n_bits,
                    raw=b"raw" + frame.content,
                    is_intact=True,
                ),
            )

    def run(self, seconds: float) -> None:
        """Let time pass: terminals, link and gateways act when they are due."""
        end_s = self.now + seconds
        gateways = {id(gateway): gateway for gateway, _ in self.gateways.values()}.values()
        for _ in range(200_000):
            for gateway in gateways:
                gateway.step()
            times = [gateway.service.deadline() for gateway in gateways]
            if self._queue:
                times.append(self._queue[0][0])
            next_s = min((time for time in times if time is not None), default=math.inf)
            if next_s > end_s:
                self.now = end_s
                return
            assert next_s > self.now or (self._queue and self._queue[0][0] <= self.now), (
                "a deadline that nothing meets is a busy loop"
            )
            self.now = max(self.now, next_s)
            while self._queue and self._queue[0][0] <= self.now:
                heapq.heappop(self._queue)[2]()
        raise AssertionError("time does not pass")

    def closest_s(self, address: int | None = None) -> float:
        """The smallest time between two transmissions of one card, or of this one."""
        by_card: dict[int, list[float]] = {}
        for at_s, sender, _ in self.log:
            by_card.setdefault(sender, []).append(at_s)
        if address is not None:
            by_card = {address: by_card.get(address, [])}
        gaps = [b - a for times in by_card.values() for a, b in itertools.pairwise(sorted(times))]
        return min(gaps, default=float("inf"))


class Disk(DirectStore):
    """A store whose disk can be full."""

    is_full = False

    def crash(self) -> None:
        """What it has not written is gone."""
        self._kept.clear()

    def idle(self) -> None:
        """What a store with a clock of its own does by itself."""
        self._write_kept()

    def _try(self, write: Write) -> StoreError | None:
        return StoreFullError("no room") if self.is_full else super()._try(write)


class Gateway:
    """A service with its ledger; it can be killed and started again."""

    def __init__(
        self,
        air: Air,
        spec: ServiceSpec,
        *,
        security: Callable[[ValueTable, Mapping[str, bytes]], Security] | None = None,
    ) -> None:
        self.air = air
        self.spec = spec
        self.security = security
        self.store = Disk()
        self.cards: dict[str, Card] = {}
        self.free_at_s: dict[int, float] = {}
        """By the terminal's own clock."""
        self.answer: Callable[[Dispatch], str] = lambda _dispatch: "accept"
        self.heard: list[Incoming] = []
        self.lost: list[Lost] = []
        self.ids: list[str] = []
        self._run = 0
        self.start()

    def start(self) -> None:
        self._run += 1
        self.store.crash()
        self.ledger = Ledger(self.store, entropy=self.air.rng.randbytes)
        self.service = ShortMessageService(
            self.spec,
            ledger=self.ledger,
            utc_ns=self.air.utc_ns,
            now=self.air.now,
            security=None
            if self.security is None
            else self.security(self.ledger.values, self.store.values()),
        )
        for terminal, inserted in self.cards.items():
            self.tell(terminal, CardRead(card=inserted))

    def insert(self, terminal: str, inserted: Card) -> None:
        for gateway, where in list(self.air.gateways.values()):
            if gateway is self and where == terminal and terminal in self.cards:
                self.air.gateways.pop(self.cards[terminal].address, None)
        self.cards[terminal] = inserted
        self.air.gateways[inserted.address] = (self, terminal)
        self.tell(terminal, CardRead(card=inserted))

    def eject(self, terminal: str) -> None:
        gone = self.cards.pop(terminal, None)
        if gone is not None:
            self.air.gateways.pop(gone.address, None)
            self.tell(terminal, NoCard())

    def tell(self, terminal: str, event: says.SessionEvent) -> None:
        self.service.terminal_event(terminal, event, now=self.air.now)

    def hear(self, terminal: str, received: Received) -> None:
        self.tell(terminal, received)
        self._collect()

    def submit(self, to: int, text: str | None = None, **more: object) -> Receipt | Refusal:
        return self.hand_in(Submission(to=to, text=text, **more))  # type: ignore[arg-type]

    def hand_in(self, submission: Submission) -> Receipt | Refusal:
        answer = self.service.submit(submission, now=self.air.now)
        if isinstance(answer, Receipt):
            assert answer.durable.is_durable
            if answer.id not in self.ids:
                self.ids.append(answer.id)
        return answer

    def message(self, message_id: str) -> Message:
        return self.ledger.get(message_id)

    def step(self) -> None:
        for _ in range(10):
            # What one terminal could not take another may have at once.
            dispatches = self.service.due(self.air.now)
            if not dispatches:
                break
            self._give(dispatches)
        self._collect()

    def _give(self, dispatches: list[Dispatch]) -> None:
        for dispatch in dispatches:
            if dispatch.durable.error is not None:
                self.service.undispatched(dispatch.terminal, now=self.air.now)
                continue
            assert dispatch.durable.is_durable, "nothing leaves before the ledger has it"
            self._request(dispatch)

    def _collect(self) -> None:
        for event in self.service.events():
            if isinstance(event, Incoming):
                self.heard.append(event)
            else:
                self.lost.append(event)

    def _request(self, dispatch: Dispatch) -> None:
        terminal, run = dispatch.terminal, self._run
        inserted = self.cards.get(terminal)
        mark = SendMark(service=Service.REGIONAL, at_s=self.air.now)
        said: says.SessionEvent
        how = self.answer(dispatch)
        if inserted is None:
            said = says.Refused(ticket=1, reason=RefusalReason.NO_CARD)
        elif self.air.now < self.free_at_s.get(inserted.address, 0.0):
            self.air.too_early += 1
            wait_s = self.free_at_s[inserted.address] - self.air.now
            said = says.Refused(ticket=1, reason=RefusalReason.TOO_EARLY, wait_s=wait_s)
        elif how in ("accept", "silent_sent"):
            self.free_at_s[inserted.address] = self.air.now + inserted.interval_s
            self.air.transmit(inserted.address, dispatch.frame, dispatch.message_id)
            said = says.Accepted(ticket=1, mark=mark)
        else:
            said = says.Refused(ticket=1, reason=RefusalReason.NO_LOCK)
        if how.startswith("silent"):
            late = SendMark(service=Service.REGIONAL, at_s=self.air.now + FEEDBACK_LIMIT_S)
            said = says.Unknown(ticket=1, mark=late, text="no feedback")

        def feedback() -> None:
            if self._run == run:
                self.tell(terminal, said)

        self.air.later(FEEDBACK_LIMIT_S if how.startswith("silent") else 3.0, feedback)
