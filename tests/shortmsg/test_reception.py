"""Messages between a submitter and a disk that is slow, full, or gone at the wrong moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from bdgw.shortmsg.ledger_store import Query, StoreError, StoreFullError, Write
from bdgw.shortmsg.message import Event, State
from bdgw.shortmsg.outgoing import Receipt, Refusal, RefusalCause, Submission
from bdgw.shortmsg.service import ServiceSpec
from bdgw.shortmsg.vocabulary import Family
from tests.shortmsg.service_rig import Air, Disk, Gateway, card
from tests.shortmsg.test_service import HANDSET, SHIP, SHORE, accepted, pair


class _Nothing:
    def __await__(self):
        return
        yield


class SlowDisk(Disk):
    """While ``is_slow`` writes wait, in their order, for ``let``."""

    is_slow = False

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[tuple[Write, Callable[[StoreError | None], None]]] = []

    def write(self, write: Write, done: Callable[[StoreError | None], None]) -> Awaitable[None]:
        if not self.is_slow:
            return super().write(write, done)
        self.waiting.append((write, done))
        return _Nothing()

    def let(self, n: int, error: StoreError | None = None) -> None:
        """The next writes end so."""
        for write, done in [self.waiting.pop(0) for _ in range(n)]:
            if error is None:
                super().write(write, done)
            else:
                done(error)


def ship_with_slow_disk() -> tuple[Air, Gateway, SlowDisk]:
    air = Air()
    ship = Gateway(air, ServiceSpec(terminals={"t1": Family.BD1}))
    disk = ship.store = SlowDisk()
    ship.start()
    ship.insert("t1", card(SHIP))
    # The card is busy for a minute.
    accepted(ship.submit(HANDSET, "先"))
    ship.step()
    return air, ship, disk


def hand_in(ship: Gateway, text: str, **more: object) -> Receipt:
    submission = Submission(to=HANDSET, text=text, **more)  # type: ignore[arg-type]
    answer = ship.service.submit(submission, now=ship.air.now)
    assert isinstance(answer, Receipt), answer
    return answer


def texts(air: Air) -> list[str]:
    return [frame.content.decode("gbk") for _, _, frame in air.log]


def test_a_message_is_on_the_disk_with_its_place_and_number_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, ship, _ = pair()
    writes: list[Write] = []
    plain_write = ship.store.write

    def write(one: Write, done: Callable[[StoreError | None], None]) -> Awaitable[None]:
        writes.append(one)
        return plain_write(one, done)

    monkeypatch.setattr(ship.store, "write", write)
    accepted(ship.submit(SHORE, "长" * 200))
    assert [[step.event for step in one.steps] for one in writes] == [
        [Event.SUBMITTED, Event.QUEUED]
    ]
    assert [value.name for value in writes[0].values] == ["shortmsg/air/shore"]


@pytest.mark.parametrize("is_long", [False, True])
def test_what_the_disk_refused_is_nowhere_and_its_repeat_is_a_new_message(is_long) -> None:
    air, ship, shore = pair()
    disk = ship.store = SlowDisk()
    ship.start()
    text = "长" * 200 if is_long else "短"
    disk.is_slow = True
    submission = Submission(to=SHORE, text=text, idempotency_key="k")
    refused = ship.service.submit(submission, now=air.now)
    assert isinstance(refused, Receipt)
    again = ship.service.submit(submission, now=air.now)
    assert isinstance(again, Receipt)
    assert (again.id, again.is_repeat) == (refused.id, True)
    disk.let(1, StoreFullError("no room"))
    assert (refused.durable.error is not None, again.durable.error is not None) == (True, True)
    disk.is_slow = False
    second = accepted(ship.submit(SHORE, text, idempotency_key="k"))
    assert (second.id != refused.id, second.is_repeat) == (True, False)
    third = accepted(ship.submit(SHORE, text, idempotency_key="k"))
    assert (third.id, third.is_repeat) == (second.id, True)
    air.run(3600.0)
    assert [one.text for one in shore.heard] == [text]
    assert ship.message(second.id).state is State.DELIVERED
    assert len(ship.ledger.find(Query()).messages) == 1


def test_an_old_position_ends_only_when_the_new_one_is_durable() -> None:
    air, ship, disk = ship_with_slow_disk()
    old = hand_in(ship, "旧", supersede_key="p")
    disk.is_slow = True
    new = hand_in(ship, "新", supersede_key="p")
    assert new.superseded == (old.id,)
    assert ship.message(old.id).state is State.QUEUED
    disk.let(1)
    disk.is_slow = False
    air.run(300.0)
    assert (ship.message(old.id).state, ship.message(old.id).cause) == (State.REFUSED, "superseded")
    assert texts(air) == ["先", "新"]


def test_an_old_position_goes_when_the_disk_does_not_take_the_new_one() -> None:
    air, ship, disk = ship_with_slow_disk()
    old = hand_in(ship, "旧", supersede_key="p")
    disk.is_slow = True
    new = hand_in(ship, "新", supersede_key="p")
    disk.let(1, StoreFullError("no room"))
    disk.is_slow = False
    air.run(300.0)
    assert new.durable.error is not None
    assert texts(air) == ["先", "旧"]
    assert ship.message(old.id).state is State.ACCEPTED_BY_TERMINAL


def test_a_full_disk_at_once_leaves_the_old_position_in_its_place() -> None:
    air, ship, disk = ship_with_slow_disk()
    old = hand_in(ship, "旧", supersede_key="p")
    disk.is_full = True
    answer = ship.submit(HANDSET, "新", supersede_key="p")
    assert isinstance(answer, Refusal)
    assert answer.cause is RefusalCause.STORE
    disk.is_full = False
    air.run(300.0)
    assert texts(air) == ["先", "旧"]
    assert ship.message(old.id).state is State.ACCEPTED_BY_TERMINAL


@pytest.mark.parametrize("second_fails", [False, True])
def test_of_three_positions_the_last_that_the_disk_took_goes(second_fails: bool) -> None:
    air, ship, disk = ship_with_slow_disk()
    hand_in(ship, "一", supersede_key="p")
    disk.is_slow = True
    hand_in(ship, "二", supersede_key="p")
    hand_in(ship, "三", supersede_key="p")
    disk.let(1, StoreFullError("no room") if second_fails else None)
    disk.let(1, None if second_fails else StoreFullError("no room"))
    disk.is_slow = False
    air.run(300.0)
    assert texts(air) == ["先", "三" if second_fails else "二"]


def test_a_crash_between_the_new_position_and_the_end_of_the_old_sends_one() -> None:
    air, ship, disk = ship_with_slow_disk()
    old = hand_in(ship, "旧", supersede_key="p")
    air.run(10.0)
    disk.is_slow = True
    new = hand_in(ship, "新", supersede_key="p")
    disk.let(1)
    ship.service.due(air.now)
    disk.waiting.clear()
    disk.is_slow = False
    ship.start()
    air.run(300.0)
    assert texts(air) == ["先", "新"]
    assert ship.message(old.id).cause == "superseded"
    assert ship.message(new.id).state is State.ACCEPTED_BY_TERMINAL


def test_the_same_key_with_another_deadline_is_the_first_message_with_its_own() -> None:
    _, ship, _ = pair()
    first = accepted(ship.submit(HANDSET, "一", idempotency_key="k", valid_s=900.0))
    deadline_utc_ns = ship.message(first.id).submission.deadline_utc_ns
    for valid_s in (30.0, None):
        again = accepted(ship.submit(HANDSET, "一", idempotency_key="k", valid_s=valid_s))
        assert (again.id, again.is_repeat) == (first.id, True)
    assert ship.message(first.id).submission.deadline_utc_ns == deadline_utc_ns
    other = ship.submit(HANDSET, "一", idempotency_key="k", n_repeats=1)
    assert isinstance(other, Refusal)
    assert other.cause is RefusalCause.KEY_CONFLICT


def test_a_key_whose_message_ended_before_it_was_durable_is_known() -> None:
    air, ship, disk = ship_with_slow_disk()
    disk.is_slow = True
    first = hand_in(ship, "一", idempotency_key="k")
    ship.service.cancel(first.id)
    again = hand_in(ship, "一", idempotency_key="k")
    assert (again.id, again.is_repeat) == (first.id, True)
    disk.let(2)
    disk.is_slow = False
    air.run(300.0)
    assert texts(air) == ["先"]
    assert ship.message(first.id).state is State.CANCELLED
