"""What an earlier run of the gateway left unfinished goes on. Pure."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from bdgw.shortmsg.compose import pack_body
from bdgw.shortmsg.fleet import Fleet
from bdgw.shortmsg.ledger import Ledger
from bdgw.shortmsg.message import Message
from bdgw.shortmsg.outgoing import Refusal, Submission, from_ledger
from bdgw.shortmsg.planner import Plan, Planner, job_for
from bdgw.shortmsg.segment import ID_MAX

__all__ = ["take_up"]

_NS_PER_S = 1_000_000_000


def take_up(
    *, ledger: Ledger, planner: Planner, fleet: Fleet, utc_ns: Callable[[], int], now: float
) -> None:
    """After a restart: what was in flight is possibly sent, the rest goes on."""
    ledger.recover(at_utc_ns=utc_ns())
    replaced = _replaced(ledger)
    for message in list(ledger.unfinished()):
        try:
            submission = from_ledger(message.submission)
        except (msgspec.DecodeError, ValueError):
            fleet.refuse(message.id, "not readable any more", is_retryable=False)
            continue
        if message.id in replaced:
            fleet.refuse(message.id, "superseded", is_retryable=False)
            continue
        shelved = fleet.shelf.get(message.id)
        deadline_ns = message.submission.deadline_utc_ns
        age_s = max(0.0, (utc_ns() - message.submitted_utc_ns) / _NS_PER_S)
        left_s = None if deadline_ns is None else (deadline_ns - utc_ns()) / _NS_PER_S
        plan = _plan_again(planner, submission, message)
        if isinstance(plan, Refusal):
            fleet.refuse(message.id, plan.cause.value, is_retryable=plan.is_retryable)
            continue
        job = msgspec.structs.replace(
            job_for(message.id, submission, plan, now - age_s),
            deadline_s=None if left_s is None else now + left_s,
        )
        fleet.relaunch(message, submission, plan, job, shelved, now=now)


def _replaced(ledger: Ledger) -> set[str]:
    """What a newer message was to end when the run before ended first."""
    newest: dict[tuple[int, str], str] = {}
    waiting = []
    for message in ledger.unfinished():
        key = message.submission.supersede_key
        if key is None:
            continue
        newest[message.submission.to, key] = message.id
        if not message.units:
            waiting.append((message.id, (message.submission.to, key)))
    return {message_id for message_id, place in waiting if newest[place] != message_id}


def _plan_again(planner: Planner, submission: Submission, message: Message) -> Plan | Refusal:
    """The plan that the ledger tells: whoever has a number of a long message is one."""
    number = message.air_number
    if number is None and not message.units:
        return planner.plan(submission)
    is_long = number is not None and number <= ID_MAX
    return Plan(
        way="long" if is_long else "plain",
        n_slots=_slots(planner, submission, message) if is_long else 1,
        n_units=(message.n_units or 1) if is_long else 1,
        payload=pack_body(submission) if is_long else None,
        cards=None if submission.card is None else frozenset([submission.card]),
        explanation="",
        digest=None if is_long else number,
    )


def _slots(planner: Planner, submission: Submission, message: Message) -> int:
    """Of a long message; the units of one that has begun hold what was lost already."""
    peer = planner.peer(submission.to)
    n_units = message.n_units or 1
    if peer is None or message.units:
        return n_units
    return planner.losses.outlook(peer.name, n_units)[0]
