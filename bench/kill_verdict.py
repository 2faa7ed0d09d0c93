"""What became of every message of a busy hour: the ledger's word against what was witnessed."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field

from bdgw.errors import DecodeError
from bdgw.shortmsg.ledger_store import Store
from bdgw.shortmsg.message import FINAL_STATES, Message, State
from bdgw.shortmsg.outgoing import Submission
from bdgw.shortmsg.segment import Segment, parse
from bench.kill_child import SHORE
from fwsim.rdss_air import AirMessage

__all__ = ["Verdict", "Wish", "Witnessed"]


@dataclass
class Wish:
    """A message that a user wants to have sent."""

    tag: int
    at_s: float
    submission: Submission
    content: str
    message_id: str | None = None
    """Acknowledged under this id."""
    cause: str | None = None
    """Refused before it was queued."""


@dataclass
class Verdict:
    """What the witness has found; every list of names must be empty."""

    n_kills: int = 0
    n_accepted: int = 0
    n_on_air: int = 0
    states: Counter[str] = field(default_factory=Counter)
    n_possibly_sent: int = 0
    n_sent_again_in_flight: int = 0
    """Units that were in flight at a kill and were sent once more, marked as possibly sent."""
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    unmarked: list[str] = field(default_factory=list)
    """Sent, and the ledger does not say that it went or may have."""
    false: list[str] = field(default_factory=list)
    """Said to be sent or delivered, and is not."""
    open: list[str] = field(default_factory=list)
    """Without an outcome in the end."""
    n_inside_interval: int = 0
    n_too_early: int = 0

    @property
    def faults(self) -> list[str]:
        """Everything that must not be."""
        named = ("lost", "twice", "unmarked", "false", "open")
        found = [f"{name}: {one}" for name in named for one in getattr(self, name)]
        if self.n_inside_interval or self.n_too_early:
            found.append(f"inside an interval: {self.n_inside_interval}, {self.n_too_early}")
        return found


@dataclass
class Witnessed:
    """What happened outside of the gateway."""

    wishes: list[Wish]
    sent: list[AirMessage]
    """What its antennas sent."""
    heard: list[str | None]
    """The texts that the shore has heard."""
    kill_times_s: list[float]
    n_inside_interval: int
    n_too_early: int

    def judge(self, store: Store) -> Verdict:
        """Compare with what the ledger says in the end."""
        found = Verdict(
            n_kills=len(self.kill_times_s),
            n_on_air=len(self.sent),
            n_inside_interval=self.n_inside_interval,
            n_too_early=self.n_too_early,
        )
        units: dict[tuple[int, int], list[AirMessage]] = {}
        texts: dict[bytes, list[AirMessage]] = {}
        for one in self.sent:
            number = _unit_of(one)
            if number is not None:
                units.setdefault(number, []).append(one)
            else:
                texts.setdefault(one.content.data, []).append(one)
        for wish in self.wishes:
            if wish.message_id is None:
                continue
            found.n_accepted += 1
            message = store.message(wish.message_id)
            if message is None:
                found.lost.append(f"{wish.tag} {wish.message_id}")
                continue
            self._judge_one(found, wish, message, texts, units)
        for number, copies in units.items():
            self._judge_unit(found, number, copies)
        return found

    def _judge_one(
        self,
        found: Verdict,
        wish: Wish,
        message: Message,
        texts: dict[bytes, list[AirMessage]],
        units: dict[tuple[int, int], list[AirMessage]],
    ) -> None:
        name = f"{wish.tag} {message.state} {message.cause}"
        found.states[message.state.value] += 1
        found.n_possibly_sent += message.n_possibly_sent
        if not message.is_settled:
            found.open.append(name)
        if message.submission.payload != wish.content.encode():
            found.lost.append(f"{name}: another content")
        number = message.air_number
        is_plain = number is None or number > 0xFFFF
        gone = sum(unit.has_gone for unit in message.units)
        if is_plain:
            n_air = len(_copies(texts, wish.content))
            if n_air > 1:
                found.twice.append(f"{name}: {n_air} times on air")
        else:
            n_air = sum(len(copies) for key, copies in units.items() if key[0] == number)
        if n_air > gone:
            found.unmarked.append(f"{name}: {n_air} on air, {gone} in the ledger")
        n_sure = sum(unit.is_accepted for unit in message.units)
        if n_sure > n_air:
            found.false.append(f"{name}: {n_sure} accepted, {n_air} on air")
        if message.state is State.DELIVERED and wish.content not in self.heard:
            found.false.append(f"{name}: not at the peer")
        if message.state in FINAL_STATES and message.in_flight:
            found.open.append(f"{name}: ended and still in flight")

    def _judge_unit(
        self, found: Verdict, number: tuple[int, int], copies: list[AirMessage]
    ) -> None:
        """The same unit again is right only if it was in flight when the gateway was killed."""
        for before, after in itertools.pairwise(copies):
            if before.content.data != after.content.data:
                continue
            near = [at for at in self.kill_times_s if before.t_s - 1.0 <= at <= before.t_s + 16.0]
            if near:
                found.n_sent_again_in_flight += 1
            else:
                found.twice.append(f"unit {number} at {before.t_s:.0f} and {after.t_s:.0f} s")


def _unit_of(one: AirMessage) -> tuple[int, int] | None:
    """(message id, index) of a unit of a long message; None: it is a text or a word to a peer."""
    if one.to != SHORE or one.content.data[:1] != b"\xbd":
        return None
    try:
        unit = parse(one.content.data)
    except DecodeError:
        return None
    return (unit.message_id, unit.index) if isinstance(unit, Segment) else None


def _copies(texts: dict[bytes, list[AirMessage]], content: str) -> list[AirMessage]:
    gbk = content.encode("gbk")
    return [one for data in (gbk, b"\xa4" + gbk) for one in texts.get(data, ())]
