"""Long messages over a lossy link: 10 kB to a peer with 78-byte cards and one unit a minute.

Two cards with an interval of 60 s each, joined by a channel that loses units of both directions
with the same probability and delivers the others after a few seconds. Time is virtual, every run
has a seed of its own. What counts is units sent by both cards, acknowledgements included, until
the sender knows that the message has arrived.

The bound is n/(1-p) with n = 129 units, which is 10,000 bytes in units of 78 with no header at all:
no protocol can be below it, whatever its code. Against the same bound over the units of our own
format (141 of 77 bytes, of which 6 are header) the figure is ``ratio_to_own_bound``.
"""

from __future__ import annotations

import heapq
import random
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from bdgw.shortmsg.reassembly import Reassembler
from bdgw.shortmsg.reassembly_state import Completed
from bdgw.shortmsg.segment import split_payload
from bdgw.shortmsg.transfer import OutgoingTransfer
from bench.figure import Figure, Options, figure, percentile

PAYLOAD_BYTES = 10_000
CARD_BYTES = 78
UNIT_BYTES = CARD_BYTES - 1
"""In a mixed message the leading A4 counts."""
INTERVAL_S = 60.0
LATENCY_S = (2.0, 10.0)
LOSSES = (0.0, 0.05, 0.2, 0.4)
SEEDS, QUICK_SEEDS = 300, 40
TARGET_LOSS, TARGET = 0.2, 1.15
_SENDER = 1
_END_S = 14 * 86_400.0
_AFTERWARDS_S = 1800.0


@dataclass(frozen=True)
class Run:
    """What one message took."""

    n_data_sent: int
    n_controls_sent: int
    duration_s: float
    is_intact: bool
    """The peer has the same bytes, once, and the sender knows it."""

    @property
    def n_units(self) -> int:
        return self.n_data_sent + self.n_controls_sent


class Air:
    """A channel with two cards on it; events in the order of virtual time."""

    def __init__(self, loss: float, rng: random.Random) -> None:
        self._loss = loss
        self._rng = rng
        self._queue: list[tuple[float, int, Callable[[float], None]]] = []
        self._n = 0

    def at(self, due_s: float, action: Callable[[float], None]) -> None:
        self._n += 1
        heapq.heappush(self._queue, (due_s, self._n, action))

    def send(self, now: float, arrive: Callable[[float], None]) -> None:
        if self._rng.random() >= self._loss:
            self.at(now + self._rng.uniform(*LATENCY_S), arrive)

    def run(self, is_over: Callable[[], bool]) -> float:
        """Play on for a while after the end, as late units may cause others; when was the end?"""
        now, over_s = 0.0, None
        while self._queue and now < (_END_S if over_s is None else over_s + _AFTERWARDS_S):
            now, _n, action = heapq.heappop(self._queue)
            action(now)
            if over_s is None and is_over():
                over_s = now
        return now if over_s is None else over_s


class ErasureCoded:
    """One message with ``bdgw.shortmsg``: a sender and a receiver, each with a card."""

    def __init__(self, payload: bytes, loss: float, rng: random.Random) -> None:
        self._air = Air(loss, rng)
        self.transfer = OutgoingTransfer(rng.randrange(1 << 16), payload, unit_bytes=UNIT_BYTES)
        self._reassembler = Reassembler(control_bytes=UNIT_BYTES)
        self._may_reply_s = rng.uniform(0.0, INTERVAL_S)
        self._is_reply_set = False
        self.received: list[bytes] = []
        self.n_controls = 0

    def run(self) -> float:
        self._air.at(0.0, self._slot)
        self._air.at(0.0, self._watch)
        return self._air.run(lambda: self.transfer.outcome is not None)

    def _slot(self, now: float) -> None:
        """The sender's card may send."""
        unit = self.transfer.next_unit(now)
        if unit is not None:
            self._air.send(now, partial(self._arrived, unit))
            self._air.at(now + INTERVAL_S, self._slot)
        elif self.transfer.outcome is None:
            self._air.at(max(now + 1.0, self.transfer.deadline() or 0.0), self._slot)

    def _arrived(self, unit: bytes, now: float) -> None:
        events = self._reassembler.receive(_SENDER, unit, now)
        self.received += [one.payload for one in events if isinstance(one, Completed)]
        self._ask_to_reply(now)

    def _ask_to_reply(self, now: float) -> None:
        if self._reassembler.has_controls_due and not self._is_reply_set:
            self._is_reply_set = True
            self._air.at(max(now, self._may_reply_s), self._reply)

    def _reply(self, now: float) -> None:
        """The receiver's card may send."""
        self._is_reply_set = False
        for due in self._reassembler.controls_due(now, limit=1):
            self.n_controls += 1
            self._may_reply_s = now + INTERVAL_S
            self._air.send(now, partial(self._acknowledged, due.unit))
        self._ask_to_reply(now)

    def _acknowledged(self, unit: bytes, _now: float) -> None:
        self.transfer.receive_control(unit)

    def _watch(self, now: float) -> None:
        self._reassembler.tick(now)
        self._ask_to_reply(now)
        self._air.at(now + INTERVAL_S, self._watch)


def send_erasure_coded(payload: bytes, loss: float, rng: random.Random) -> Run:
    """Send a message until its sender knows that it has arrived."""
    link = ErasureCoded(payload, loss, rng)
    took_s = link.run()
    is_intact = link.transfer.is_complete and link.received == [payload]
    return Run(link.transfer.n_sent, link.n_controls, took_s, is_intact)


def send_stop_and_wait(payload: bytes, loss: float, rng: random.Random) -> Run:
    """The same message in the same units, each repeated every slot until it is acknowledged."""
    air = Air(loss, rng)
    chunks = split_payload(payload, UNIT_BYTES)
    stored: dict[int, bytes] = {}
    current = n_data = n_acks = 0

    def slot(now: float) -> None:
        nonlocal n_data
        if current == len(chunks):
            return
        index = current
        n_data += 1
        air.send(now, partial(arrived, index))
        air.at(now + INTERVAL_S, slot)

    def arrived(index: int, now: float) -> None:
        nonlocal n_acks
        stored[index] = chunks[index]
        n_acks += 1
        air.send(now, partial(acknowledged, index))

    def acknowledged(index: int, _now: float) -> None:
        nonlocal current
        current = max(current, index + 1)

    air.at(0.0, slot)
    took_s = air.run(lambda: current == len(chunks))
    is_intact = [stored[i] for i in range(len(chunks))] == chunks
    return Run(n_data, n_acks, took_s, is_intact)


def run(options: Options) -> Iterator[Figure]:
    """All losses, both ways."""
    n_seeds = QUICK_SEEDS if options.quick else SEEDS
    n_bare = -(-PAYLOAD_BYTES // CARD_BYTES)
    for loss in LOSSES:
        ours, theirs = [], []
        for seed in range(n_seeds):
            payload = random.Random(seed).randbytes(PAYLOAD_BYTES)
            ours.append(send_erasure_coded(payload, loss, random.Random(f"{loss} {seed}")))
            theirs.append(send_stop_and_wait(payload, loss, random.Random(f"{loss} {seed}")))
        n_own = len(split_payload(payload, UNIT_BYTES))
        units = [one.n_units for one in ours]
        mean, mean_theirs = statistics.mean(units), statistics.mean(o.n_units for o in theirs)
        bound, own_bound = n_bare / (1.0 - loss), n_own / (1.0 - loss)
        is_target = loss == TARGET_LOSS
        yield figure(
            "segments",
            f"10 kB, {loss:.0%} lost: units of both ways, mean",
            mean,
            "units",
            peer="stop-and-wait",
            peer_value=mean_theirs,
            ratio=mean_theirs / mean,
            ok=all(one.is_intact for one in (*ours, *theirs)),
            target=f"≤ {TARGET} × n/(1-p)" if is_target else None,
            met=mean <= TARGET * bound if is_target else None,
            p95=percentile(units, 95),
            bound=round(bound, 1),
            ratio_to_bound=round(mean / bound, 3),
            ratio_to_own_bound=round(mean / own_bound, 3),
            p95_to_bound=round(percentile(units, 95) / bound, 3),
            controls=round(statistics.mean(one.n_controls_sent for one in ours), 2),
            hours=round(statistics.mean(one.duration_s for one in ours) / 3600.0, 2),
            hours_stop_and_wait=round(
                statistics.mean(one.duration_s for one in theirs) / 3600.0, 2
            ),
            runs=n_seeds,
        )
