"""Short messages in and out, over all terminals of a gateway: submit, send, account, receive. Pure.

The service decides, sessions speak to terminals, the ledger keeps. Nothing leaves before the ledger
has it: a ``Dispatch`` goes to its terminal, and a ``Receipt`` to the submitter, once what they
carry is durable. ``now`` is monotonic seconds, ``utc_ns`` the clock for what outlives the process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec

from bdgw.shortmsg import terminal_event as says
from bdgw.shortmsg.authority import AllowList, Permission
from bdgw.shortmsg.budget import AirBudget, BudgetLimits, Promise
from bdgw.shortmsg.capacity import Override
from bdgw.shortmsg.card_desk import CardDesk
from bdgw.shortmsg.card_pool import CardPool
from bdgw.shortmsg.compose import Security
from bdgw.shortmsg.courier import Courier
from bdgw.shortmsg.courier_rules import CourierRules
from bdgw.shortmsg.feedback_desk import FeedbackDesk
from bdgw.shortmsg.fleet import Fleet
from bdgw.shortmsg.inbox import Inbox, Incoming, Lost
from bdgw.shortmsg.intention import Intentions
from bdgw.shortmsg.ledger import Ledger
from bdgw.shortmsg.loss_memory import LossMemory
from bdgw.shortmsg.message import Message
from bdgw.shortmsg.outgoing import (
    Dispatch,
    Peer,
    Receipt,
    Refusal,
    Submission,
)
from bdgw.shortmsg.peer_answer import PeerAnswers
from bdgw.shortmsg.peer_word import PeerWord
from bdgw.shortmsg.pending import Pending
from bdgw.shortmsg.planner import Planner
from bdgw.shortmsg.reception import Reception
from bdgw.shortmsg.resumption import take_up
from bdgw.shortmsg.sorting import SortingOffice
from bdgw.shortmsg.terminal_health import TerminalStatus
from bdgw.shortmsg.vocabulary import CardRead, Family, NoCard, Received

__all__ = ["ServiceSpec", "ShortMessageService"]

_SENDING = frozenset({TerminalStatus.READY, TerminalStatus.BUSY})


class ServiceSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator says."""

    terminals: dict[str, Family | None]
    """By name; None where the family is to be found out."""
    peers: tuple[Peer, ...] = ()
    permissions: tuple[Permission, ...] = ()
    """Who may command what; what none of them names is refused."""
    overrides: tuple[Override, ...] = ()
    budget: BudgetLimits = BudgetLimits()
    rules: CourierRules = CourierRules()
    control_bytes: int = 45
    """What the smallest card that answers peers carries; level 2 of an encrypted card."""


class ShortMessageService:
    """All messages of one gateway."""

    def __init__(
        self,
        spec: ServiceSpec,
        *,
        ledger: Ledger,
        utc_ns: Callable[[], int],
        now: float,
        security: Security | None = None,
    ) -> None:
        """Take up where an earlier run ended: what was on its way then, and what was heard."""
        self._spec = spec
        self._ledger = ledger
        self._utc_ns = utc_ns
        self._pool = CardPool(spec.terminals)
        self._budget = AirBudget(spec.budget)
        self._planner = Planner(
            pool=self._pool,
            peers=spec.peers,
            ledger=ledger,
            security=security,
            overrides=spec.overrides,
            losses=LossMemory(ledger.values, options=spec.rules.transfer, utc_ns=utc_ns),
        )
        self._inbox = Inbox(
            ledger=ledger,
            peer_of=self._planner.peer,
            security=security,
            allowed=AllowList(spec.permissions),
            control_bytes=spec.control_bytes,
            own_addresses=self._pool.own_addresses,
            receipt_wait_s=spec.rules.receipt_batch_s,
            utc_ns=utc_ns,
            now=now,
        )
        self._fleet = Fleet(
            rules=spec.rules,
            ledger=ledger,
            budget=self._budget,
            planner=self._planner,
            utc_ns=utc_ns,
        )
        answers = PeerAnswers(self._inbox)
        self._cards = CardDesk(
            ledger=ledger, pool=self._pool, budget=self._budget, fleet=self._fleet, utc_ns=utc_ns
        )
        self._feedback = FeedbackDesk(
            rules=spec.rules,
            ledger=ledger,
            pool=self._pool,
            budget=self._budget,
            fleet=self._fleet,
            cards=self._cards,
            answers=answers,
            utc_ns=utc_ns,
        )
        self._courier = Courier(
            rules=spec.rules,
            ledger=ledger,
            pool=self._pool,
            budget=self._budget,
            planner=self._planner,
            inbox=self._inbox,
            fleet=self._fleet,
            answers=answers,
            feedback=self._feedback,
            utc_ns=utc_ns,
        )
        self._sorting = SortingOffice(
            planner=self._planner,
            inbox=self._inbox,
            word=PeerWord(
                ledger=ledger,
                budget=self._budget,
                fleet=self._fleet,
                losses=self._planner.losses,
            ),
        )
        self._events: list[Incoming | Lost] = []
        self._intentions = Intentions()
        self._reception = Reception(
            ledger=ledger,
            budget=self._budget,
            planner=self._planner,
            fleet=self._fleet,
            intentions=self._intentions,
            utc_ns=utc_ns,
        )
        take_up(ledger=ledger, planner=self._planner, fleet=self._fleet, utc_ns=utc_ns, now=now)

    # In from integrators

    def submit(self, submission: Submission, *, now: float) -> Receipt | Refusal:
        """Accept a message or say why not; nothing of a refused one is kept."""
        self._intentions.settle()
        return self._reception.submit(submission, now=now)

    def cancel(self, message_id: str) -> Pending[Message]:
        """Call a message back.

        Raises:
            UnknownMessageError: there is none of this id.
            IllegalTransitionError: all of it may have gone out, or its outcome is known.
        """
        self._intentions.settle()
        done = self._ledger.cancel(message_id, at_utc_ns=self._utc_ns(), cause="cancelled")
        flight = self._fleet.get(message_id)
        self._fleet.forget(message_id)
        if flight is not None:
            self._intentions.watch(done, lambda: self._fleet.bring_back(flight))
        return done

    def forecast(self, now: float) -> Mapping[str, Promise]:
        """When each waiting message goes, as things are now."""
        return self._budget.forecast(now)

    # Terminals

    def terminal_event(self, terminal: str, event: says.SessionEvent, *, now: float) -> None:
        """Take what the session of a terminal says.

        Raises:
            KeyError: there is no such terminal.
        """
        self._intentions.settle()
        seat = self._pool[terminal]
        match event:
            case CardRead(card=card) | says.CardChanged(card=card):
                self._cards.card_in(terminal, card, now=now)
            case NoCard():
                self._cards.card_out(terminal, now=now)
            case says.FamilyFound(family=family):
                seat.family = family
                self._cards.refresh(terminal, now=now)
            case says.StatusChanged(status=status):
                may_send = status in _SENDING if event.may_send is None else event.may_send
                seat.is_alive = may_send or status is TerminalStatus.SUPPRESSED
                seat.is_suppressed = status is TerminalStatus.SUPPRESSED
                self._cards.refresh(terminal, now=now)
            case says.Accepted():
                self._feedback.accepted(terminal, event.mark, now=now)
                self._cards.marked(terminal, event.mark)
            case says.Refused():
                self._feedback.refused(
                    terminal,
                    event.reason,
                    event.wait_s,
                    event.mark,
                    now=now,
                    is_by_terminal=event.is_by_terminal,
                )
                self._cards.marked(terminal, event.mark)
            case says.Unknown():
                self._feedback.unknown(terminal, event.text, event.mark, now=now)
                self._cards.marked(terminal, event.mark)
            case says.SentElsewhere() | says.LateFeedback():
                self._cards.marked(terminal, event.mark)
            case Received():
                self._events += self._sorting.received(terminal, event, now=now)
            case _:
                pass

    def undeliverable(self, terminal: str, why: str, *, now: float) -> None:
        """The session cannot carry what was dispatched to it (its ``EncodeError``)."""
        self._feedback.undeliverable(terminal, why, now=now)

    def undispatched(self, terminal: str, *, now: float) -> None:
        """What was dispatched did not reach the session; it goes again after a pause.

        Its ``durable`` raised, or the gateway stops.
        """
        self._feedback.undispatched(terminal, now=now)

    def due(self, now: float) -> list[Dispatch]:
        """Let timers act, and give what is to be sent now, one for a terminal at most."""
        self._intentions.settle()
        self._events += self._courier.tick(now)
        return self._courier.due(now)

    def deadline(self) -> float | None:
        """When ``due`` has something to do that it has not now; None: nothing waits."""
        return self._courier.deadline()

    @property
    def n_misplanned(self) -> int:
        """Dispatches that a session refused because it counts the interval otherwise; 0."""
        return self._feedback.n_misplanned

    @property
    def n_too_early(self) -> int:
        """Requests that terminals refused as too early."""
        return self._feedback.n_too_early

    def events(self) -> Iterator[Incoming | Lost]:
        """Drain what came in."""
        events, self._events = self._events, []
        return iter(events)
