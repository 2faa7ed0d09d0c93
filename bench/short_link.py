"""Whole gateways over simulated terminals and a simulated satellite network, in virtual time.

The real service, ledger and terminal sessions on one side of the serial line, the simulator on the
other; nothing in between but bytes and the time. An hour of air takes a second.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from bdgw.errors import EncodeError
from bdgw.shortmsg.inbox import Incoming, Lost
from bdgw.shortmsg.ledger import Ledger
from bdgw.shortmsg.ledger_store import Store
from bdgw.shortmsg.outgoing import Receipt, Refusal, Submission
from bdgw.shortmsg.service import ServiceSpec, ShortMessageService
from bdgw.shortmsg.terminal import TerminalSession, TerminalSpec
from bdgw.shortmsg.terminal_event import SessionEvent
from bdgw.shortmsg.vocabulary import Family
from bdgw.store.direct import DirectStore
from fwsim.rdss_network import SimNetwork
from fwsim.rdss_terminal import SimTerminal

__all__ = ["Side", "Yard"]

UTC0_NS = 1_767_225_600_000_000_000
_TALKS_MAX = 200
_LEAST_STEP_S = 1e-3


class Side:
    """One gateway: a service, and a session for each of its terminals."""

    def __init__(
        self,
        yard: Yard,
        terminals: dict[str, SimTerminal],
        *,
        spec: ServiceSpec | None = None,
        store: Store | None = None,
        **more: object,
    ) -> None:
        """``terminals`` by the name that the service knows; ``more`` of ``ServiceSpec``."""
        self.yard = yard
        self.sims = terminals
        families = {name: Family(sim.family.value) for name, sim in terminals.items()}
        self.spec = spec or ServiceSpec(terminals={**families}, **more)  # type: ignore[arg-type]
        self.store = DirectStore() if store is None else store
        self.heard: list[tuple[float, Incoming]] = []
        self.lost: list[Lost] = []
        self.said: list[tuple[float, str, SessionEvent]] = []
        yard.sides.append(self)
        self.start()

    def start(self) -> None:
        """Begin, or begin again over the same store and the same terminals."""
        rng = random.Random(f"{self.yard.seed} {self.yard.now}")
        self.ledger = Ledger(self.store, entropy=rng.randbytes)
        self.service = ShortMessageService(
            self.spec, ledger=self.ledger, utc_ns=self.yard.utc_ns, now=self.yard.now
        )
        self.sessions = {
            name: TerminalSession(TerminalSpec(family=self.spec.terminals[name]), now=self.yard.now)
            for name in self.sims
        }

    def submit(self, to: int, text: str | None = None, **more: object) -> Receipt | Refusal:
        """Hand a message in, now."""
        submission = Submission(to=to, text=text, **more)  # type: ignore[arg-type]
        return self.service.submit(submission, now=self.yard.now)

    def step(self) -> bool:
        """Talk to the terminals, and send what is due; True: something was said."""
        now, is_busy = self.yard.now, False
        for name, session in self.sessions.items():
            session.tick(now=now)
            said = self.sims[name].data_to_send()
            if said:
                session.receive(said, now=now)
            is_busy |= bool(said)
            self._tell(name, session)
        for dispatch in self.service.due(now):
            assert dispatch.durable.is_durable, "nothing leaves before the ledger has it"
            session = self.sessions[dispatch.terminal]
            try:
                session.submit(dispatch.frame, now=now)
            except EncodeError as error:
                self.service.undeliverable(dispatch.terminal, str(error), now=now)
            self._tell(dispatch.terminal, session)
            is_busy = True
        for name, session in self.sessions.items():
            data = session.data_to_send()
            if data:
                self.sims[name].receive(data, now)
        for event in self.service.events():
            if isinstance(event, Incoming):
                self.heard.append((now, event))
            else:
                self.lost.append(event)
        return is_busy

    def deadlines(self) -> Iterator[float | None]:
        """When something of it is due."""
        yield self.service.deadline()
        yield from (session.deadline() for session in self.sessions.values())

    def _tell(self, name: str, session: TerminalSession) -> None:
        for event in session.events():
            self.said.append((self.yard.now, name, event))
            self.service.terminal_event(name, event, now=self.yard.now)


class Yard:
    """Virtual time, the network, and the gateways on it."""

    def __init__(self, network: SimNetwork, *, seed: object = 0) -> None:
        """Begin at the time of the network."""
        self.network = network
        self.seed = seed
        self.now = network.now_s
        self.sides: list[Side] = []

    def utc_ns(self) -> int:
        """The clock of all hosts."""
        return self.utc_ns_at(self.now)

    @staticmethod
    def utc_ns_at(at_s: float) -> int:
        """The same at another time."""
        return UTC0_NS + round(at_s * 1e9)

    def run(self, seconds: float) -> None:
        """Let time pass, waking for what is due and for nothing else."""
        until_s = self.now + seconds
        while True:
            self._settle()
            times = [self.network.deadline()]
            for side in self.sides:
                times += side.deadlines()
            next_s = min((at_s for at_s in times if at_s is not None), default=until_s)
            if next_s > until_s:
                break
            self.now = max(next_s, self.now + _LEAST_STEP_S)
        self.now = max(self.now, until_s)
        self._settle()

    def _settle(self) -> None:
        """Until nobody has anything to say at this instant."""
        for _ in range(_TALKS_MAX):
            self.network.advance(self.now)
            said = [side.step() for side in self.sides]
            if not any(said):
                return
        raise AssertionError("they never stop talking")
