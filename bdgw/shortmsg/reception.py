"""How a message gets from a submitter onto the disk and into the queue, or does not. Pure.

It is on the disk together with its place in the plan and its number, so what its submitter was
refused is nowhere, and what it was promised is complete. What it replaces ends only after that.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from bdgw.errors import BdgwError
from bdgw.shortmsg.budget import AirBudget, BudgetRefusal, Job
from bdgw.shortmsg.fleet import Fleet, units_kept
from bdgw.shortmsg.intention import Intentions
from bdgw.shortmsg.ledger import Ledger, LedgerFullError, Submitted
from bdgw.shortmsg.ledger_store import Query
from bdgw.shortmsg.outgoing import Receipt, Refusal, RefusalCause, Submission, to_ledger
from bdgw.shortmsg.pending import Pending
from bdgw.shortmsg.planner import Plan, Planner, job_for
from bdgw.shortmsg.submission import KeyConflictError, SubmissionError

__all__ = ["Reception"]

_TRIAL = "trial"
_CAUSES = {
    "deadline": RefusalCause.DEADLINE,
    "displaces": RefusalCause.DISPLACES,
    "queue_full": RefusalCause.QUEUE_FULL,
}


class Reception:
    """Accepts submissions."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        budget: AirBudget,
        planner: Planner,
        fleet: Fleet,
        intentions: Intentions,
        utc_ns: Callable[[], int],
    ) -> None:
        self._ledger = ledger
        self._budget = budget
        self._planner = planner
        self._fleet = fleet
        self._intentions = intentions
        self._utc_ns = utc_ns

    def submit(self, submission: Submission, *, now: float) -> Receipt | Refusal:
        """Accept a message or say why not; nothing of a refused one is kept."""
        problem = submission.problem()
        if problem is not None:
            return Refusal(cause=RefusalCause.BAD, explanation=problem)
        earlier = self._earlier(submission, now)
        if earlier is not None:
            return earlier
        plan = self._planner.plan(submission)
        if isinstance(plan, Refusal):
            return plan
        if plan.payload is not None and self._fleet.shelf.is_full:
            return Refusal(
                cause=RefusalCause.QUEUE_FULL, explanation="too many long messages are under way"
            )
        job = job_for(_TRIAL, submission, plan, now)
        refused = self._budget.offer(job, now=now, is_trial=True)
        if isinstance(refused, BudgetRefusal):
            return _refusal(refused)
        return self._accept(submission, plan, job, now)

    def _accept(
        self, submission: Submission, plan: Plan, job: Job, now: float
    ) -> Receipt | Refusal:
        at_utc_ns = self._utc_ns()
        kept = to_ledger(
            submission,
            at_utc_ns=at_utc_ns,
            wants_receipt=self._planner.peer(submission.to) is not None,
        )
        air_number, values = self._fleet.number_for(submission, plan)
        try:
            submitted = self._ledger.submit(
                kept,
                at_utc_ns=at_utc_ns,
                of=units_kept(plan),
                air_number=air_number,
                values=values,
            )
        except LedgerFullError as error:
            return Refusal(cause=RefusalCause.QUEUE_FULL, explanation=str(error))
        except SubmissionError as error:
            return Refusal(cause=RefusalCause.BAD, explanation=str(error))
        except BdgwError as error:
            return Refusal(cause=RefusalCause.STORE, explanation=str(error))
        if submitted.error is not None:
            return Refusal(cause=RefusalCause.STORE, explanation=str(submitted.error))
        if not submitted.value.is_new:
            # It has ended already, and the disk does not have it yet.
            return self._again(submitted, now)
        message_id = submitted.value.message.id
        job = msgspec.structs.replace(job, id=message_id)
        replaced = self._budget.replaced_by(job)
        offered = self._budget.offer(job, now=now)
        assert not isinstance(offered, BudgetRefusal), "refused a moment after its trial"  # noqa: S101
        self._fleet.launch(message_id, submission, plan, job, air_number=air_number)
        self._intentions.watch(
            submitted,
            undo=lambda: self._came_to_nothing(message_id, replaced),
            done=lambda: self._supersede(job, replaced),
        )
        promise = offered.promise
        return Receipt(
            id=message_id,
            t_send_s=None if promise is None else promise.t_send_s,
            t_arrival_s=None if promise is None else promise.t_arrival_s,
            n_slots=plan.n_slots,
            way=plan.way,
            explanation=plan.explanation,
            durable=Pending(submitted.value.message, *submitted.commits),
            superseded=offered.superseded,
        )

    def _supersede(self, job: Job, replaced: tuple[Job, ...]) -> None:
        """It is on the disk: what it replaces ends, also what came back meanwhile."""
        came_back = [other for other in self._budget.replaced_by(job) if other.id < job.id]
        for other in (*replaced, *came_back):
            self._fleet.superseded(other.id)

    def _came_to_nothing(self, message_id: str, replaced: tuple[Job, ...]) -> None:
        """The disk has not taken it, so its submitter was told no."""
        self._fleet.forget(message_id)
        for job in replaced:
            self._fleet.waits_again(job)

    def _earlier(self, submission: Submission, now: float) -> Receipt | Refusal | None:
        """The answer to a key that is known."""
        key = submission.idempotency_key
        if key is None:
            return None
        wants_receipt = self._planner.peer(submission.to) is not None
        kept = to_ledger(submission, at_utc_ns=self._utc_ns(), wants_receipt=wants_receipt)
        if self._fleet.id_of_key(key) is None and not self._ledger.find(Query(key=key)).messages:
            return None
        try:
            first = self._ledger.submit(kept, at_utc_ns=self._utc_ns())
        except KeyConflictError as error:
            return Refusal(cause=RefusalCause.KEY_CONFLICT, explanation=str(error))
        except SubmissionError as error:
            return Refusal(cause=RefusalCause.BAD, explanation=str(error))
        return self._again(first, now)

    def _again(self, first: Pending[Submitted], now: float) -> Receipt:
        message = first.value.message
        promise = self._budget.forecast(now).get(message.id)
        return Receipt(
            id=message.id,
            t_send_s=None if promise is None else promise.t_send_s,
            t_arrival_s=None if promise is None else promise.t_arrival_s,
            n_slots=message.n_units or 1,
            way="repeat",
            explanation=f"this key is known; the message is {message.state}",
            durable=first,
            is_repeat=True,
        )


def _refusal(refused: BudgetRefusal) -> Refusal:
    promise = refused.promise
    words = {
        "deadline": "it would arrive after its deadline",
        "displaces": f"message {refused.displaced} would miss the deadline it was promised",
        "queue_full": "the queue is full",
    }
    return Refusal(
        cause=_CAUSES[refused.reason],
        explanation=words[refused.reason],
        n_slots=None if promise is None else promise.n_slots,
        t_arrival_s=None if promise is None else promise.t_arrival_s,
    )
