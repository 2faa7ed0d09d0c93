"""The air budget: who may use the next slot of which card, and when that will be. Pure.

A slot is one transmission of one card and comes round once in an interval (服务频度) and a margin;
a request that is early is lost in the terminal. Slots go by priority. Within a priority the oldest
deadline is first, and while single messages wait a transfer gets every other slot only. The same
rule that hands out slots is run ahead to promise times, so promise and deed cannot drift apart.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from bdgw.shortmsg.job import BudgetLimits, BudgetRefusal, Job, Offered, Priority, Promise
from bdgw.shortmsg.slot import SlotTimer, Turns
from bdgw.shortmsg.vocabulary import Service

__all__ = [
    "AirBudget",
    "BudgetLimits",
    "BudgetRefusal",
    "Job",
    "Offered",
    "Priority",
    "Promise",
]

_PLAN_SLOTS_MAX = 20_000
"""How far a forecast runs ahead; two weeks of one card at 60 s."""


class AirBudget:
    """The queue and the timers of all cards. ``now`` is the caller's monotonic seconds."""

    def __init__(self, limits: BudgetLimits | None = None) -> None:
        self.limits = limits or BudgetLimits()
        self._timers: dict[tuple[int, Service], SlotTimer] = {}
        self._usable: set[int] = set()
        self._jobs: dict[str, Job] = {}
        self._turns = Turns()

    # Cards

    def set_card(self, card: int, intervals_s: Mapping[Service, float]) -> None:
        """A card is there and may send, with the services that it names.

        Its timers outlive it: a card that comes back, in whatever terminal, goes on where it was.
        """
        for service in Service:
            interval_s = intervals_s.get(service)
            timer = self._timers.get((card, service))
            if interval_s is None:
                if timer is not None:
                    timer.is_offered = False
            elif timer is None:
                self._timers[card, service] = SlotTimer(interval_s, self.limits.margin_s)
            else:
                timer.interval_s = interval_s
                timer.is_offered = True
        self._usable.add(card)

    def unset_card(self, card: int) -> None:
        """The card is away or may not send; whoever was bound to it alone stays so."""
        self._usable.discard(card)

    def restore_sent(
        self,
        card: int,
        service: Service,
        sent_s: float,
        interval_s: float,
        *,
        not_before_s: float = -math.inf,
    ) -> None:
        """Take over, after a restart, when this card sent last; before it has been read."""
        timer = self._timers.setdefault(
            (card, service), SlotTimer(interval_s, self.limits.margin_s)
        )
        timer.sent(sent_s)
        timer.hold_until(not_before_s)

    def timer(self, card: int, service: Service) -> SlotTimer | None:
        """The timer of a service of a card; None where there is none."""
        return self._timers.get((card, service))

    def usable_cards(self) -> frozenset[int]:
        """The cards that may send."""
        return frozenset(self._usable)

    # Queue

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, job_id: object) -> bool:
        return job_id in self._jobs

    def job(self, job_id: str) -> Job | None:
        """A queued job."""
        return self._jobs.get(job_id)

    def offer(self, job: Job, *, now: float, is_trial: bool = False) -> Offered | BudgetRefusal:
        """Queue a job, or say why its deadline cannot be met.

        It takes the place of what it supersedes, so that something renewed faster than its turn
        comes is sent all the same. A job of its own priority is never made late; a lower one may
        be. Distress is refused only when its own queue is full. A trial changes nothing.

        Raises:
            ValueError: the id is queued already.
        """
        if job.id in self._jobs:
            raise ValueError(f"{job.id} is queued already")
        replaced = self._replaced_by(job)
        if not replaced and self._is_full_for(job.priority):
            return BudgetRefusal(reason="queue_full")
        turns = [_turn_s(self._jobs[name], self.limits) for name in replaced]
        job = msgspec.structs.replace(job, turn_s=min([_turn_s(job, self.limits), *turns]))
        kept = [other for name, other in self._jobs.items() if name not in replaced]
        plan = self._plan([*kept, job], now)
        promise = plan.get(job.id)
        if job.priority is not Priority.DISTRESS:
            refusal = self._refusal(job, promise, plan, now)
            if refusal is not None:
                return refusal
        if not is_trial:
            for name in replaced:
                del self._jobs[name]
            self._jobs[job.id] = job
        return Offered(promise=promise, superseded=replaced)

    def requeue(self, job: Job) -> None:
        """Put back what was accepted before: after a restart, or to be sent again."""
        turn_s = _turn_s(job, self.limits)
        self._jobs[job.id] = msgspec.structs.replace(job, turn_s=turn_s)

    def remove(self, job_id: str) -> Job | None:
        """Take a job out: it is sent, cancelled or expired."""
        return self._jobs.pop(job_id, None)

    def change(
        self,
        job_id: str,
        *,
        n_slots: int | None = None,
        cards: frozenset[int] | None = None,
        not_before_s: float | None = None,
        has_started: bool | None = None,
    ) -> None:
        """Change what is given of a queued job; unknown ids are nobody's."""
        job = self._jobs.get(job_id)
        if job is None:
            return
        self._jobs[job_id] = msgspec.structs.replace(
            job,
            n_slots=job.n_slots if n_slots is None else max(1, n_slots),
            cards=job.cards if cards is None else cards,
            not_before_s=job.not_before_s if not_before_s is None else not_before_s,
            has_started=job.has_started if has_started is None else has_started,
        )

    def release(self, job_id: str, cards: frozenset[int] | None) -> None:
        """Let a job that was bound to a card use these; None: any."""
        job = self._jobs.get(job_id)
        if job is not None:
            self._jobs[job_id] = msgspec.structs.replace(job, cards=cards)

    def overdue(self, now: float) -> list[str]:
        """The jobs whose deadline has passed, oldest first."""
        late = [
            (job.deadline_s, job.id)
            for job in self._jobs.values()
            if job.deadline_s is not None and job.deadline_s <= now
        ]
        return [name for _, name in sorted(late)]

    # Slots

    def pick(
        self, card: int, service: Service, *, now: float, without: Iterable[str] = ()
    ) -> Job | None:
        """The job that this card may send now, None where there is none or it is too early."""
        timer = self._timers.get((card, service))
        if card not in self._usable or timer is None or not timer.is_offered:
            return None
        if timer.next_s() > now:
            return None
        passed = set(without)
        queue = [job for job in self._ordered(self._jobs.values()) if job.id not in passed]
        return self._turns.pick(queue, (card, service), now, _kinds(queue))

    def sent(self, job: Job, card: int, service: Service, *, at_s: float) -> None:
        """A request of this job has gone to the terminal of the card: its interval runs."""
        self._timers[card, service].sent(at_s)
        self._turns.used(job, (card, service))

    def next_s(self, open_at_s: Mapping[int, tuple[float, float]] | None = None) -> float | None:
        """When ``pick`` may have something that it has not now; None: never, as things are.

        ``open_at_s`` names the cards that count, and when each can be used at the earliest: for
        distress, for others.
        """
        if open_at_s is None:
            open_at_s = dict.fromkeys(self._usable, (-math.inf, -math.inf))
        free_at_s = {
            (card, service): timer.next_s()
            for (card, service), timer in self._timers.items()
            if card in self._usable and card in open_at_s and timer.is_offered
        }
        times = [
            max(
                free_at_s[card, job.service],
                job.not_before_s,
                open_at_s[card][job.priority is not Priority.DISTRESS],
            )
            for job in self._jobs.values()
            for card in (open_at_s if job.cards is None else job.cards)
            if (card, job.service) in free_at_s
        ]
        return min(times, default=None)

    def next_deadline_s(self) -> float | None:
        """The earliest deadline of a queued job."""
        times = [job.deadline_s for job in self._jobs.values() if job.deadline_s is not None]
        return min(times, default=None)

    def forecast(self, now: float) -> dict[str, Promise]:
        """What would be promised now to each that waits; who has no usable card is missing."""
        return self._plan(list(self._jobs.values()), now)

    # Inside

    def _ordered(self, jobs: Iterable[Job]) -> list[Job]:
        return sorted(
            jobs, key=lambda job: (job.priority.rank, _turn_s(job, self.limits), job.submitted_s)
        )

    def _is_full_for(self, priority: Priority) -> bool:
        n_distress = sum(job.priority is Priority.DISTRESS for job in self._jobs.values())
        if priority is Priority.DISTRESS:
            return n_distress >= self.limits.n_distress_max
        return len(self._jobs) - n_distress >= self.limits.n_jobs_max

    def replaced_by(self, job: Job) -> tuple[Job, ...]:
        """The queued jobs whose place a job takes, or has taken."""
        return tuple(self._jobs[name] for name in self._replaced_by(job) if name != job.id)

    def _replaced_by(self, job: Job) -> tuple[str, ...]:
        if job.supersede_key is None:
            return ()
        return tuple(
            name
            for name, other in self._jobs.items()
            if other.supersede_key == job.supersede_key and not other.has_started
        )

    def _refusal(
        self, job: Job, promise: Promise | None, plan: Mapping[str, Promise], now: float
    ) -> BudgetRefusal | None:
        if job.deadline_s is not None:
            arrival_s = now if promise is None else promise.t_arrival_s
            if arrival_s > job.deadline_s:
                return BudgetRefusal(reason="deadline", promise=promise)
        rivals = {
            name: other.deadline_s
            for name, other in self._jobs.items()
            if other.priority is job.priority and other.deadline_s is not None
        }
        late = [name for name, end_s in rivals.items() if _is_late(plan.get(name), end_s)]
        if late:
            before = self.forecast(now)
            for name in late:
                if not _is_late(before.get(name), rivals[name]):
                    return BudgetRefusal(reason="displaces", promise=promise, displaced=name)
        return None

    def _plan(self, jobs: list[Job], now: float) -> dict[str, Promise]:
        """Run the slots ahead: who goes when, and on which card."""
        clocks = [
            (max(now, timer.next_s()), card, service)
            for (card, service), timer in self._timers.items()
            if card in self._usable and timer.is_offered
        ]
        heapq.heapify(clocks)
        waiting = self._ordered(jobs)
        left = {job.id: job.n_slots for job in jobs}
        kinds = _kinds(waiting)
        turns = self._turns.copy()
        plan: dict[str, Promise] = {}
        for _ in range(_PLAN_SLOTS_MAX):
            if not clocks or not waiting:
                break
            at_s, card, service = heapq.heappop(clocks)
            job = turns.pick(waiting, (card, service), at_s, kinds)
            if job is None:
                later_s = turns.next_s(waiting, (card, service), at_s)
                if later_s is not None:
                    heapq.heappush(clocks, (later_s, card, service))
                continue
            turns.used(job, (card, service))
            heapq.heappush(clocks, (at_s + self._timers[card, service].period_s(), card, service))
            first = plan.get(job.id)
            plan[job.id] = Promise(
                t_send_s=at_s if first is None else first.t_send_s,
                t_arrival_s=at_s + self.limits.transit_s,
                card=card if first is None else first.card,
                n_slots=job.n_slots,
            )
            left[job.id] -= 1
            if left[job.id] == 0:
                waiting.remove(job)
                kinds[job.priority.rank, job.is_transfer] -= 1
        return {name: promise for name, promise in plan.items() if left[name] == 0}


def _kinds(jobs: Iterable[Job]) -> Counter[tuple[int, bool]]:
    return Counter((job.priority.rank, job.is_transfer) for job in jobs)


def _turn_s(job: Job, limits: BudgetLimits) -> float:
    if job.turn_s is not None:
        return job.turn_s
    return job.submitted_s + limits.patience_s if job.deadline_s is None else job.deadline_s


def _is_late(promise: Promise | None, deadline_s: float | None) -> bool:
    return promise is not None and deadline_s is not None and promise.t_arrival_s > deadline_s
