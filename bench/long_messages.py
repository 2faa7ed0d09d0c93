"""Long messages through whole gateways: service, ledger, sessions, terminals, satellites, and back.

10 kB to a peer, cards of 78 bytes and 60 s on both sides, loss in both directions. What counts is
everything on air, receipts and controls included, until the sender's ledger says ``delivered``.
The bound is n/(1-p) with n = 129, the bytes in units of 78 without any header. ``segments`` asks
the same of the transfer machines alone, over many more seeds.
"""

from __future__ import annotations

import itertools
import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bdgw.shortmsg.budget import Priority
from bdgw.shortmsg.message import State
from bdgw.shortmsg.outgoing import Peer, Receipt
from bench.figure import Figure, Options, figure
from bench.segments import CARD_BYTES, LOSSES, PAYLOAD_BYTES, send_stop_and_wait
from bench.short_link import Side, Yard
from fwsim.rdss_card import Card, Family
from fwsim.rdss_network import SimNetwork
from fwsim.rdss_spec import NetworkSpec, TerminalSpec

__all__ = ["Passage", "run", "send"]

INTERVAL_S, MARGIN_S = 60, 2.0
SLOT_S = INTERVAL_S + MARGIN_S
SEEDS, QUICK_SEEDS = 25, 4
TARGET_LOSS, TARGET = 0.2, 1.15
SHIP, SHORE, HANDSET = 175607, 210001, 300001
N_SINGLE = 60
_WARM_UP_S = 30.0
_STEP_S = 300.0
_END_S = 3 * 86_400.0
_PAUSE_S = 600.0


@dataclass(frozen=True)
class Passage:
    """What one message took."""

    n_ship: int
    n_shore: int
    hours: float
    is_intact: bool
    eta_error_slots: float
    """How much later than promised it arrived."""
    half_way_error_slots: float
    """The same of what was forecast when half of the time had gone."""
    slots_promised: int
    n_early: int
    """Requests inside an interval, seen by anybody."""

    @property
    def n_slots(self) -> int:
        return self.n_ship + self.n_shore


def sides(loss: float, seed: object) -> tuple[Yard, Side, Side]:
    """Two gateways with a card each."""
    network = SimNetwork(NetworkSpec(seed=f"{loss} {seed}", loss=loss, delay_s=(2.0, 10.0)))
    yard = Yard(network, seed=seed)
    made = [
        Side(
            yard,
            {"t1": network.add(_terminal(name, family, address))},
            peers=(Peer(name="other", addresses=frozenset([other])),),
        )
        for name, family, address, other in (
            ("ship", Family.BD1, SHIP, SHORE),
            ("shore", Family.BD1, SHORE, SHIP),
        )
    ]
    yard.run(_WARM_UP_S)
    return yard, made[0], made[1]


def _terminal(name: str, family: Family, address: int) -> TerminalSpec:
    card = Card(address=address, interval_s=INTERVAL_S, level=3)
    return TerminalSpec(name=name, family=family, card=card, power_every_s=0.0)


def send(loss: float, seed: int) -> Passage:
    """One message of 10 kB, until its sender knows that the peer has it."""
    return next(send_in_turn(loss, seed))


def send_in_turn(loss: float, seed: int) -> Iterator[Passage]:
    """One message after the other by the same gateways: all but the first with experience."""
    yard, ship, shore = sides(loss, seed)
    for n in itertools.count():
        yield _send(yard, ship, shore, random.Random(f"{seed} {n}").randbytes(PAYLOAD_BYTES))
        yard.run(_PAUSE_S)


def _send(yard: Yard, ship: Side, shore: Side, payload: bytes) -> Passage:
    began_s, n_heard = yard.now, len(shore.heard)
    receipt = ship.submit(SHORE, data=payload)
    assert isinstance(receipt, Receipt)
    assert receipt.t_arrival_s is not None
    forecasts = {yard.now: receipt.t_arrival_s}
    while ship.ledger.get(receipt.id).state is not State.DELIVERED and yard.now < began_s + _END_S:
        yard.run(_STEP_S)
        promise = ship.service.forecast(yard.now).get(receipt.id)
        if promise is not None:
            forecasts[yard.now] = promise.t_arrival_s
    done_ns = ship.ledger.get(receipt.id).state_utc_ns
    on_air = [
        one
        for one in yard.network.truth
        if one.t_s >= began_s and Yard.utc_ns_at(one.t_s) <= done_ns
    ]
    counters = yard.network.counters
    heard = [(at_s, one.data) for at_s, one in shore.heard[n_heard:]]
    arrival_s = heard[0][0] if heard else float("inf")
    half_way_s = min(forecasts, key=lambda at_s: abs(at_s - (began_s + arrival_s) / 2))
    return Passage(
        n_ship=sum(one.sender == SHIP for one in on_air),
        n_shore=sum(one.sender == SHORE for one in on_air),
        hours=(done_ns - Yard.utc_ns_at(began_s)) / 3.6e12,
        is_intact=[data for _, data in heard] == [payload],
        eta_error_slots=(arrival_s - receipt.t_arrival_s) / SLOT_S,
        half_way_error_slots=(arrival_s - forecasts[half_way_s]) / SLOT_S,
        slots_promised=receipt.n_slots,
        n_early=counters["interval_violations"]
        + counters["refused_too_early"]
        + ship.service.n_misplanned
        + shore.service.n_misplanned,
    )


def eta_errors_slots(seed: int) -> list[float]:
    """Single messages to handsets, handed in at random: how late each was, in slots."""
    yard, ship, _ = sides(0.0, f"eta {seed}")
    rng = random.Random(seed)
    promised: dict[bytes, float] = {}
    for n in range(N_SINGLE):
        text = f"第{n}号"
        receipt = ship.submit(HANDSET, text, priority=Priority.DATA)
        assert isinstance(receipt, Receipt)
        assert receipt.t_send_s is not None
        promised[text.encode("gbk")] = receipt.t_send_s
        yard.run(rng.uniform(0.0, 1.9 * SLOT_S))
    yard.run(N_SINGLE * SLOT_S)
    sent = {one.content.data.removeprefix(b"\xa4"): one.t_s for one in yard.network.truth}
    return [(sent[content] - at_s) / SLOT_S for content, at_s in promised.items()]


def run(options: Options) -> Iterator[Figure]:
    """All losses, then promised times."""
    n_seeds = QUICK_SEEDS if options.quick else SEEDS
    n_bare = -(-PAYLOAD_BYTES // CARD_BYTES)
    for loss in LOSSES:
        pairs = [tuple(itertools.islice(send_in_turn(loss, seed), 2)) for seed in range(n_seeds)]
        made = [one for pair in pairs for one in pair]
        bound = n_bare / (1.0 - loss)
        slots = [one.n_slots for one in made]
        waits = [
            send_stop_and_wait(bytes(PAYLOAD_BYTES), loss, random.Random(f"{loss} {seed}")).n_units
            for seed in range(n_seeds)
        ]
        median = statistics.median(slots)
        is_target = loss == TARGET_LOSS
        yield figure(
            "long messages",
            f"10 kB through both services, {loss:.0%} lost: slots of both, median",
            median,
            "slots",
            peer="stop-and-wait",
            peer_value=statistics.median(waits),
            ratio=statistics.median(waits) / median,
            ok=all(one.is_intact and not one.n_early for one in made),
            target=f"≤ {TARGET} × n/(1-p)" if is_target else None,
            met=median <= TARGET * bound if is_target else None,
            bound=round(bound, 1),
            ratio_to_bound=_spread([one / bound for one in slots]),
            slots=_spread(slots),
            of_the_peer=_spread([one.n_shore for one in made]),
            hours=_spread([one.hours for one in made]),
            **_promises("first", [first for first, _ in pairs]),
            **_promises("second", [second for _, second in pairs]),
            runs=len(made),
        )
    errors = [error for seed in range(max(2, n_seeds // 5)) for error in eta_errors_slots(seed)]
    yield figure(
        "long messages",
        "single messages: sent later than promised, the worst",
        max(abs(error) for error in errors),
        "slots",
        ok=True,
        target="≤ 1 slot",
        met=max(abs(error) for error in errors) <= 1.0,
        error_slots=_spread(errors),
        runs=len(errors),
    )


def _promises(which: str, made: Sequence[Passage]) -> dict[str, object]:
    """How well the first messages were promised, and those after them, with experience."""
    return {
        f"{which}_promised": _spread([one.slots_promised for one in made]),
        f"{which}_eta_error_slots": _spread([one.eta_error_slots for one in made]),
        f"{which}_half_way_error_slots": _spread([one.half_way_error_slots for one in made]),
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    named = {"min": min(values), "median": statistics.median(values), "max": max(values)}
    return {name: round(value, 3) for name, value in named.items()}
