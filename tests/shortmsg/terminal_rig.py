"""A terminal session on the line of a simulated terminal, in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bdgw.shortmsg import terminal_event as says
from bdgw.shortmsg.terminal import TerminalSession, TerminalSpec
from bdgw.shortmsg.terminal_health import TerminalStatus
from bdgw.shortmsg.vocabulary import Family, Form, OutgoingFrame
from fwsim.rdss_card import Card as SimCard
from fwsim.rdss_card import Family as SimFamily
from fwsim.rdss_manner import PLAIN, Manner
from fwsim.rdss_network import SimNetwork
from fwsim.rdss_spec import TerminalSpec as SimSpec
from fwsim.rdss_terminal import SimTerminal

FAMILIES = tuple(Family)
CARD = SimCard(address=175607, broadcast=11, interval_s=60, level=3)
OTHER_CARD = SimCard(address=142020, broadcast=12, interval_s=90, level=2)
PEER = 142019
TEXT = OutgoingFrame(to=PEER, form=Form.MIXED, content=b"\xa4hello", n_bits=48)
_EPSILON_S = 1e-6


class Rig:
    """One gateway, one terminal, nothing in between but the time that passes."""

    def __init__(
        self,
        family: Family,
        *,
        spec: TerminalSpec | None = None,
        manner: Manner = PLAIN,
        card: SimCard | None = CARD,
        network: SimNetwork | None = None,
        name: str = "ship",
        **session: Any,
    ) -> None:
        self.network = SimNetwork() if network is None else network
        self.sim: SimTerminal = self.network.add(
            SimSpec(name=name, family=SimFamily(family.value), card=card, manner=manner)
        )
        self.spec = TerminalSpec(family=family) if spec is None else spec
        self.now = self.network.now_s
        self.session = TerminalSession(self.spec, now=self.now, **session)
        self.log: list[tuple[float, object]] = []
        self.writes: list[tuple[float, bytes]] = []
        self._pump()

    def run(self, seconds: float) -> None:
        """Let time pass, waking for each deadline of both sides and for nothing else."""
        until_s = self.now + seconds
        while True:
            due = [self.session.deadline(), self.sim.deadline()]
            next_s = min((at_s for at_s in due if at_s is not None), default=until_s)
            if next_s > until_s:
                break
            self.now = max(self.now, next_s)
            self._pump()
        self.now = until_s
        self._pump()

    def send(self, frame: OutgoingFrame = TEXT) -> int:
        """Submit now."""
        ticket = self.session.submit(frame, now=self.now)
        self._pump()
        return ticket

    def send_when_possible(self, frame: OutgoingFrame = TEXT, patience_s: float = 900.0) -> int:
        """Wait until the session allows a request, and submit it."""
        until_s = self.now + patience_s
        while self.now < until_s:
            at_s = self.session.can_send_at(self.now)
            if at_s is not None and at_s <= self.now + _EPSILON_S:
                self.now = max(self.now, at_s)
                return self.send(frame)
            self.run(1.0 if at_s is None else at_s - self.now)
        raise AssertionError(f"no request allowed: {self.session.status} {self.session.reason}")

    def events(self, kind: type) -> list[Any]:
        """All events of a kind so far."""
        return [event for _, event in self.log if isinstance(event, kind)]

    def outcome(self, ticket: int) -> Any:
        """The one outcome of a ticket."""
        kinds = (says.Accepted, says.Refused, says.Unknown)
        found = [e for _, e in self.log if isinstance(e, kinds) and e.ticket == ticket]
        assert len(found) == 1, found
        return found[0]

    def status(self) -> TerminalStatus:
        """What the terminal is doing, by the session."""
        return self.session.status

    def statuses(self) -> list[str]:
        """The statuses that were told, one after the other."""
        return [event.status.value for event in self.events(says.StatusChanged)]

    def _pump(self) -> None:
        for _ in range(20):
            self.network.advance(self.now)
            self.session.tick(now=self.now)
            said = self.sim.data_to_send()
            if said:
                self.session.receive(said, now=self.now)
            self.log += ((self.now, event) for event in self.session.events())
            data = self.session.data_to_send()
            if data:
                self.writes.append((self.now, data))
                self.sim.receive(data, self.now)
            elif not said:
                return
        raise AssertionError("the two never stop talking")

    def __iter__(self) -> Iterator[tuple[float, object]]:
        return iter(self.log)
