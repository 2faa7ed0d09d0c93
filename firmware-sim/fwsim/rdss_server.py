"""Simulated terminals on real ports, in real time."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from fwsim.build import build_port
from fwsim.ports import Port, count_loss
from fwsim.rdss_air import AirMessage
from fwsim.rdss_fault import fault_of
from fwsim.rdss_network import SimNetwork
from fwsim.rdss_scenario import RdssScenario, network_changes, parse_outage, scaled_card
from fwsim.rdss_terminal import SimTerminal
from fwsim.simulator import wait
from fwsim.spec import SpecError

POLL_S = 0.04
# What a UART of a terminal may hold back while its reader is slow.
MAX_BACKLOG_BYTES = 16_384
NS_PER_US = 1000

Say = Callable[[dict[str, object]], None]


class _Line:
    """A terminal and its port."""

    def __init__(self, terminal: SimTerminal, port: Port) -> None:
        self.terminal = terminal
        self.port = port
        self._backlog = b""

    def hear(self, mono_s: float, now_s: float) -> None:
        """Hand what the host sent to the terminal."""
        data = self.port.tick(mono_s)
        if data:
            self.terminal.receive(data, now_s)

    def speak(self) -> None:
        """Hand what the terminal said to the host; what nobody takes is lost."""
        self._backlog += self.terminal.data_to_send()
        if not self._backlog:
            return
        is_heard = self.port.is_heard()
        taken = self.port.write(self._backlog) if is_heard else 0
        self._backlog = self._backlog[taken:]
        room = MAX_BACKLOG_BYTES if is_heard else 0
        count_loss(self.port.counters, max(0, len(self._backlog) - room), is_heard=is_heard)
        self._backlog = self._backlog[:room]


class RdssServer:
    """Terminals, their ports and the network between them."""

    def __init__(self, scenario: RdssScenario, *, say: Say, truth: Say | None = None) -> None:
        """Build everything; nothing is open yet.

        Raises:
            SpecError: a terminal twice or none, a port or a line of the timeline makes no sense.
        """
        self._speed = scenario.speed
        self._scenario = scenario.scaled()
        self._say = say
        self._truth = truth
        self._start_mono_s = 0.0
        self._lines: dict[str, _Line] = {}
        self._network = SimNetwork(self._scenario.network)
        if not scenario.terminals:
            raise SpecError("at least one terminal is needed")
        # Made once for nothing: a wrong description must be found before anything is open.
        self._build(datetime(2026, 1, 1, tzinfo=UTC))
        for happening in scenario.timeline:
            try:
                self._check(happening.wish)
            except ValueError as error:
                msg = f"timeline at {happening.at_s} s: {error}"
                raise SpecError(msg) from error

    @property
    def network(self) -> SimNetwork:
        """The network with its terminals."""
        return self._network

    @property
    def addresses(self) -> dict[str, str]:
        """Where each terminal is: a path or host:port, known once open."""
        return {name: line.port.address for name, line in self._lines.items()}

    def _build(self, start_utc: datetime) -> None:
        self._network = SimNetwork(
            self._scenario.network, on_settled=self._settled, start_utc=start_utc
        )
        try:
            for spec in self._scenario.terminals:
                terminal = self._network.add(spec)
                self._lines[spec.name] = _Line(terminal, build_port(spec.port))
        except SpecError:
            raise
        except ValueError as error:
            raise SpecError(str(error)) from error

    async def run(self, stop: asyncio.Event, until_s: float) -> dict[str, object]:
        """Serve until stopped or so many seconds have passed; return the summary.

        Raises:
            OSError: a port cannot be opened.
        """
        start_ns = self._scenario.start_utc_ns
        start_ns = time.time_ns() if start_ns is None else start_ns
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        self._build(epoch + timedelta(microseconds=start_ns // NS_PER_US))
        for happening in self._scenario.timeline:
            self._network.agenda.at(happening.at_s, partial(self.obey, happening.wish))
        try:
            for line in self._lines.values():
                line.port.open()
            self._start_mono_s = time.monotonic()
            self._say(self._ready())
            while not stop.is_set() and self._now_s() < until_s:
                self._step()
                due_s = self._network.deadline()
                pause_s = POLL_S if due_s is None else min(POLL_S, due_s - self._now_s())
                # Many terminals with many reports: those that are due together go together.
                await wait(stop, max(pause_s, POLL_S / 4))
        finally:
            for line in self._lines.values():
                line.port.close()
            for message in self._network.under_way():
                self._settled(message)
        return self.summary()

    def _now_s(self) -> float:
        return time.monotonic() - self._start_mono_s

    def _step(self) -> None:
        mono_s = time.monotonic()
        now_s = mono_s - self._start_mono_s
        for line in self._lines.values():
            line.hear(mono_s, now_s)
        self._network.advance(now_s)
        for line in self._lines.values():
            line.speak()

    def obey(self, wish: Mapping[str, object]) -> None:
        """Do what a line of control says.

        ``{"terminal": "a", "fault": "deaf", "for_s": 9}``, ``{"network": {"loss": 0.2}}`` or
        ``{"outage": {"for_s": 30}}``.

        Raises:
            ValueError: it makes no sense.
        """
        self._check(wish)
        if "network" in wish:
            self._network.change(**network_changes(_table(wish["network"])))
        elif "outage" in wish:
            outage = parse_outage(_table(wish["outage"]), now_s=self._network.now_s)
            self._network.add_outage(outage)
        else:
            terminal, kind, parameters = self._fault(wish)
            self._network.fault(terminal, kind, **parameters)
        self._say({"event": "change", "t": round(self._network.now_s, 3), **wish})

    def _check(self, wish: Mapping[str, object]) -> None:
        if len({"network", "outage", "fault"} & set(wish)) != 1:
            raise SpecError("one of fault, network or outage is needed")
        if "network" in wish:
            replace(self._network.spec, **network_changes(_table(wish["network"])))
        elif "outage" in wish:
            parse_outage(_table(wish["outage"]))
        else:
            terminal, kind, parameters = self._fault(wish)
            if terminal not in {*self._lines, "*"}:
                msg = f"no terminal {terminal!r}"
                raise SpecError(msg)
            fault_of(kind, parameters)

    def _fault(self, wish: Mapping[str, object]) -> tuple[str, str, dict[str, object]]:
        """Return terminal, kind and parameters; a card that goes in is as fast as the others."""
        rest = dict(wish)
        terminal, kind = str(rest.pop("terminal", "*")), str(rest.pop("fault"))
        fault = fault_of(kind, rest)
        if fault.card is not None:
            rest["card"] = scaled_card(fault.card, self._speed)
        return terminal, kind, rest

    def _settled(self, message: AirMessage) -> None:
        if self._truth is not None:
            self._truth(message.record())

    def _ready(self) -> dict[str, object]:
        terminals = [
            {
                "name": name,
                "family": line.terminal.family.value,
                "port": line.port.address,
                "address": line.terminal.card.address if line.terminal.card is not None else None,
                "interval_s": line.terminal.card.interval_s if line.terminal.card else None,
            }
            for name, line in self._lines.items()
        ]
        return {"event": "ready", "terminals": terminals}

    def summary(self) -> dict[str, object]:
        """Return the counters of the network and of all terminals."""
        terminals = [
            {
                "name": name,
                **line.terminal.counters,
                "bad_commands": line.terminal.bad_commands(),
                "bytes_unheard_by_host": line.port.counters.bytes_unheard,
                "bytes_overrun": line.port.counters.bytes_overrun,
            }
            for name, line in self._lines.items()
        ]
        network = dict(self._network.counters)
        return {"event": "summary", "network": network, "terminals": terminals}


def _table(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise SpecError("expected a table")
    return value
