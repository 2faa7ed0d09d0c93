"""The simulated satellites: joins terminals, loses, delays, reorders and repeats messages. Pure.

Time is explicit: ``advance(to_s)`` lets it pass, ``deadline()`` says when something is due. The
same seed and the same calls give the same messages.
"""

import math
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from fwsim.rdss_agenda import Agenda
from fwsim.rdss_air import UNDER_WAY, AirMessage, Arrival
from fwsim.rdss_card import Card, Family
from fwsim.rdss_fault import TerminalFault, fault_of
from fwsim.rdss_gate import OnAir, interval_of
from fwsim.rdss_spec import NetworkSpec, Outage, TerminalSpec
from fwsim.rdss_terminal import SimTerminal
from fwsim.rdss_word import AskMessages, Delivery, Fix, Locate, Outcome, Query, Receipts, Send

MAX_STORED = 10
MAX_RECEIPTS = 5
MAX_TRUTH = 100_000
OLD_MESSAGE_BITS = 1680
# Clocks of terminals do not run apart here; this is for sums of floating-point seconds.
SLACK_S = 1e-6


class SimNetwork:
    """Terminals and what is between them, on one agenda."""

    def __init__(
        self,
        spec: NetworkSpec | None = None,
        *,
        on_settled: Callable[[AirMessage], None] | None = None,
        start_utc: datetime = datetime(2026, 1, 1, tzinfo=UTC),
    ) -> None:
        """Begin at zero seconds without terminals.

        ``on_settled`` hears of every message on air once nothing more can become of it.
        """
        self.spec = spec if spec is not None else NetworkSpec()
        self.agenda = Agenda()
        self.terminals: dict[str, SimTerminal] = {}
        self.counters: Counter[str] = Counter()
        self.truth: deque[AirMessage] = deque(maxlen=MAX_TRUTH)
        self._on_settled = on_settled
        self._start_utc = start_utc
        self._rng = random.Random(f"rdss-air:{self.spec.seed}")  # noqa: S311
        self._n = 0
        self._last_air_s: dict[tuple[int, bool], float] = {}
        self._stored: dict[int, deque[AirMessage]] = {}
        self._outages: list[Outage] = list(self.spec.outages)

    def add(self, spec: TerminalSpec) -> SimTerminal:
        """Power up one more terminal.

        Raises:
            ValueError: the name is taken.
        """
        if spec.name in self.terminals:
            msg = f"terminal {spec.name!r} is there already"
            raise ValueError(msg)
        terminal = SimTerminal(
            spec,
            seed=self.spec.seed,
            agenda=self.agenda,
            air=self,
            start_utc=self._start_utc,
        )
        self.terminals[spec.name] = terminal
        return terminal

    @property
    def now_s(self) -> float:
        """The time, in seconds since the beginning."""
        return self.agenda.now_s

    def deadline(self) -> float | None:
        """Return when something is due."""
        return self.agenda.deadline()

    def advance(self, to_s: float) -> None:
        """Let time pass up to an instant; terminals then have what they said meanwhile."""
        self.agenda.advance(to_s)

    def under_way(self) -> list[AirMessage]:
        """Return the messages whose fate is still open."""
        return [message for message in self.truth if message.fate == UNDER_WAY]

    def fault(self, terminal: str, kind: str, **parameters: object) -> TerminalFault:
        """Make something go wrong with a terminal, ``*`` for all; ``none`` ends it.

        Raises:
            KeyError: no such terminal.
            ValueError: no such fault, or parameters that make no sense.
        """
        fault = fault_of(kind, parameters)
        hit = list(self.terminals.values()) if terminal == "*" else [self.terminals[terminal]]
        for each in hit:
            each.change(fault)
        return fault

    def change(self, **changes: object) -> None:
        """Change how the satellites carry: the fields of ``NetworkSpec`` except seed and outages.

        Raises:
            ValueError: an unknown field, or a value that makes no sense.
        """
        if set(changes) & {"seed", "outages"}:
            raise ValueError("seed and outages cannot be changed")
        try:
            self.spec = replace(self.spec, **changes)  # type: ignore[arg-type]
        except TypeError as error:
            raise ValueError(str(error)) from error

    def add_outage(self, outage: Outage) -> None:
        """Take beams away from one time to another."""
        self._outages = [one for one in self._outages if one.to_s > self.now_s]
        self._outages.append(outage)

    def lost_beams(self, terminal: str) -> frozenset[int] | None:
        """Return the beams that are gone for a terminal now; None is all of them."""
        lost: frozenset[int] = frozenset()
        for outage in self._outages:
            is_now = outage.from_s <= self.now_s < outage.to_s
            if is_now and (not outage.terminals or terminal in outage.terminals):
                if not outage.beams:
                    return None
                lost |= outage.beams
        return lost

    def refused(self, terminal: SimTerminal, request: OnAir, outcome: Outcome) -> None:
        """Count a request that did not leave its terminal."""
        del terminal, request
        self.counters[f"refused_{outcome.value}"] += 1

    def transmit(self, terminal: SimTerminal, card: Card, request: OnAir) -> None:
        """Take a request that leaves an antenna now; the interval of the card is the law."""
        is_global = isinstance(request, Send) and request.is_global
        key = (card.address, is_global)
        last_s = self._last_air_s.get(key, -math.inf)
        is_early = self.now_s - last_s < interval_of(card, is_global=is_global) - SLACK_S
        self._last_air_s[key] = self.now_s
        self.counters["on_air"] += 1
        self.counters["interval_violations"] += is_early
        if isinstance(request, Send):
            self._send(terminal, card, request, is_early=is_early)
        elif is_early or self._rng.random() < self.spec.loss:
            self.counters["questions_lost"] += 1
        else:
            self._answer(terminal, card, request)

    def _send(self, terminal: SimTerminal, card: Card, request: Send, *, is_early: bool) -> None:
        self._n += 1
        message = AirMessage(
            n=self._n,
            t_s=self.now_s,
            sender=card.address,
            to=request.to,
            content=request.content,
            is_express=request.is_express,
            is_global=request.is_global,
        )
        self.truth.append(message)
        if is_early:
            self._settle(message, "interval_violation")
        elif not terminal.beams():
            self._settle(message, "no_lock")
        else:
            self._store(message)
            receivers = self._receivers(message)
            for receiver, is_copy in receivers:
                self._carry(message, receiver, is_copy=is_copy)
            if not message.n_open:
                self._settle(message)

    def _receivers(self, message: AirMessage) -> list[tuple[SimTerminal, bool]]:
        """Return who gets it, and whether as a copy.

        For a broadcast address that is every card that holds it; a 指挥机 also gets what goes to
        and comes from its subordinates.
        """
        found = []
        for terminal in self.terminals.values():
            card = terminal.card
            if card is None:
                continue
            is_own = card.address == message.to
            is_called = card.broadcast == message.to != 0 and card.address != message.sender
            if is_own or is_called:
                found.append((terminal, False))
            elif card.address != message.sender and self._is_copied(card, message):
                found.append((terminal, True))
        return found

    def _is_copied(self, card: Card, message: AirMessage) -> bool:
        copies = self.spec.copies
        is_to = copies in {"both", "to"} and message.to in card.subordinates
        return is_to or (copies in {"both", "from"} and message.sender in card.subordinates)

    def _carry(self, message: AirMessage, receiver: SimTerminal, *, is_copy: bool) -> None:
        """Draw the fate of a message on its way to one receiver."""
        rng, spec = self._rng, self.spec
        # All draws are made for every receiver: one fate does not shift those that follow.
        draws = [rng.random() for _ in range(4)]
        delay_s = rng.uniform(*spec.delay_s)
        late_s, second_s = rng.uniform(0.0, spec.reorder_s), rng.uniform(*spec.delay_s)
        is_damaged = draws[3] < spec.damage
        n_copies = 0 if draws[0] < spec.loss else 2 if draws[1] < spec.duplicate else 1
        delay_s += late_s if draws[2] < spec.reorder else 0.0
        card = receiver.card.address if receiver.card is not None else 0
        arrival = Arrival(terminal=receiver.spec.name, card=card, is_copy=is_copy)
        message.arrivals.append(arrival)
        if not n_copies:
            arrival.fate = "lost"
            return
        self.counters["duplicated"] += n_copies - 1
        for i in range(n_copies):
            message.n_open += 1
            at_s = self.now_s + delay_s + i * second_s
            self.agenda.at(
                at_s, lambda: self._arrive(message, arrival, receiver, is_damaged=is_damaged)
            )

    def _arrive(
        self, message: AirMessage, arrival: Arrival, receiver: SimTerminal, *, is_damaged: bool
    ) -> None:
        fate = self._hand_over(message, arrival, receiver, is_damaged=is_damaged)
        if arrival.fate != "delivered":
            arrival.fate = fate
            arrival.at_s = self.now_s if fate in {"delivered", "damaged"} else None
        message.n_open -= 1
        if not message.n_open:
            self._settle(message)

    def _hand_over(
        self, message: AirMessage, arrival: Arrival, receiver: SimTerminal, *, is_damaged: bool
    ) -> str:
        # A card that has left its terminal takes what is for it along.
        if receiver.card is not None and receiver.card.address != arrival.card:
            return "card_gone"
        is_old = receiver.family is not Family.BD3
        if is_old and message.content.air_bits > OLD_MESSAGE_BITS:
            return "too_long_for_receiver"
        if is_damaged and receiver.family is not Family.BD1:
            return "damaged"
        delivery = self._delivery(message)
        if is_damaged:
            flipped = bytes([message.content.data[0] ^ 0x01]) + message.content.data[1:]
            content = replace(message.content, data=flipped)
            delivery = replace(delivery, content=content, is_damaged=True)
        elif not arrival.is_copy and message.to != arrival.card:
            delivery = replace(delivery, is_broadcast=True)
        fate = receiver.hear(delivery)
        return "damaged" if is_damaged and fate == "delivered" else fate

    def _delivery(self, message: AirMessage, query: Query | None = None) -> Delivery:
        return Delivery(
            sender=message.sender,
            to=message.to,
            content=message.content,
            at_utc=self._utc(self.now_s),
            sent_utc=self._utc(message.t_s),
            query=query,
            is_express=message.is_express,
            is_global=message.is_global,
        )

    def _settle(self, message: AirMessage, fate: str | None = None) -> None:
        """Say what became of a message: the best of what became of it at those it was for."""
        fates = [arrival.fate for arrival in message.arrivals if not arrival.is_copy]
        if fate is None:
            fate = fates[0] if fates else "no_such_card"
            fate = "delivered" if "delivered" in fates else fate
        message.fate = fate
        self.counters[f"fate_{fate}"] += 1
        if self._on_settled is not None:
            self._on_settled(message)

    def _store(self, message: AirMessage) -> None:
        """Keep the newest messages to an address for those who ask later."""
        if any(
            terminal.card is not None and terminal.card.address == message.to
            for terminal in self.terminals.values()
        ):
            self._stored.setdefault(message.to, deque(maxlen=MAX_STORED)).append(message)

    def _answer(self, terminal: SimTerminal, card: Card, request: AskMessages | Locate) -> None:
        """Answer a question after the time of both ways."""
        said: Delivery | Receipts | Fix | None
        if isinstance(request, Locate):
            spec = terminal.spec
            said = Fix(
                address=card.address,
                at_utc=self._utc(self.now_s),
                lat_deg=spec.lat_deg,
                lon_deg=spec.lon_deg,
                height_m=spec.height_m,
            )
        elif request.query is Query.RECEIPT:
            said = self._receipts(card.address, request.address)
        else:
            said = self._found(card.address, request)
        delay_s = self._rng.uniform(*self.spec.delay_s)
        if said is None:
            return
        answer = said
        self.agenda.at(self.now_s + delay_s, lambda: self._reply(terminal, answer))

    def _reply(self, terminal: SimTerminal, said: Delivery | Receipts | Fix) -> None:
        self.counters[f"answer_{terminal.hear(said)}"] += 1

    def _found(self, address: int, request: AskMessages) -> Delivery | None:
        is_any = request.query is not Query.BY_SENDER
        stored = [
            message
            for message in self._stored.get(address, ())
            if is_any or message.sender == request.address
        ]
        return self._delivery(stored[-1], request.query) if stored else None

    def _receipts(self, sender: int, to: int) -> Receipts:
        times = [
            (self._utc(message.t_s), self._utc(arrival.at_s))
            for message in self._stored.get(to, ())
            if message.sender == sender
            for arrival in message.arrivals
            if arrival.fate == "delivered" and not arrival.is_copy and arrival.at_s is not None
        ]
        return Receipts(address=to, times=tuple(times[-MAX_RECEIPTS:]))

    def _utc(self, at_s: float) -> datetime:
        return self._start_utc + timedelta(seconds=at_s)
