"""The whole service over the real ledger: outcomes, promises, long messages, receipts, restarts."""

from __future__ import annotations

import pytest

from bdgw.shortmsg import terminal_event as says
from bdgw.shortmsg.authority import Permission
from bdgw.shortmsg.budget import Priority
from bdgw.shortmsg.fate import IllegalTransitionError
from bdgw.shortmsg.message import State
from bdgw.shortmsg.outgoing import Peer, Receipt, Refusal, RefusalCause
from bdgw.shortmsg.service import ServiceSpec
from bdgw.shortmsg.terminal_health import TerminalStatus
from bdgw.shortmsg.vocabulary import Family, RefusalReason
from tests.shortmsg.service_rig import Air, Gateway, card

SHIP, SHORE, HANDSET, SPARE = 175607, 210001, 300001, 210002


def pair(*, seed: int = 0) -> tuple[Air, Gateway, Gateway]:
    air = Air(seed)
    ship = Gateway(
        air,
        ServiceSpec(
            terminals={"t1": Family.BD1},
            peers=(Peer(name="shore", addresses=frozenset([SHORE, SPARE])),),
        ),
    )
    shore = Gateway(
        air,
        ServiceSpec(
            terminals={"t1": Family.BD2},
            peers=(Peer(name="ship", addresses=frozenset([SHIP])),),
            permissions=(
                Permission(
                    commands=frozenset({"repair"}),
                    senders=frozenset({SHIP}),
                    is_unsealed_accepted=True,
                ),
            ),
        ),
    )
    ship.insert("t1", card(SHIP))
    shore.insert("t1", card(SHORE))
    return air, ship, shore


def accepted(answer: Receipt | Refusal) -> Receipt:
    assert isinstance(answer, Receipt), answer
    return answer


def test_a_text_to_a_peer_goes_plain_and_its_receipt_makes_it_delivered() -> None:
    air, ship, shore = pair()
    receipt = accepted(ship.submit(SHORE, "船已靠港,一切正常"))
    assert (receipt.way, receipt.n_slots, receipt.t_send_s) == ("plain", 1, air.now)
    air.run(30.0)
    assert ship.message(receipt.id).state is State.ACCEPTED_BY_TERMINAL
    assert [one.text for one in shore.heard] == ["船已靠港,一切正常"]
    assert shore.heard[0].commands == {"repair"}
    air.run(200.0)
    assert ship.message(receipt.id).state is State.DELIVERED
    assert len(air.log) == 2, "one message and one receipt"


def test_nothing_goes_to_a_peer_that_its_terminals_cannot_receive() -> None:
    air = Air()
    shore = Gateway(
        air,
        ServiceSpec(
            terminals={"t1": Family.BD3},
            peers=(Peer(name="ship", addresses=frozenset([SHIP]), family=Family.BD2),),
        ),
    )
    ship = Gateway(
        air,
        ServiceSpec(
            terminals={"t1": Family.BD2},
            peers=(Peer(name="shore", addresses=frozenset([SHORE])),),
        ),
    )
    shore.insert("t1", card(SHORE, level=5))
    ship.insert("t1", card(SHIP))
    text = "海" * 121  # 1,694 bits on air: the card may, the older system knows 1,680
    receipts = [accepted(shore.submit(SHIP, text)), accepted(shore.submit(SHIP, "短" * 1000))]
    assert [one.way for one in receipts] == ["long", "long"]
    air.run(7200.0)
    assert {shore.message(one.id).state for one in receipts} == {State.DELIVERED}
    assert {one.text for one in ship.heard} == {text, "短" * 1000}
    assert len(ship.heard) == 2
    assert max(frame.n_bits for _, _, frame in air.log) <= 1680


def test_a_short_text_that_goes_as_a_unit_takes_no_more_of_the_air_than_it_needs() -> None:
    air, ship, shore = pair()
    for _ in range(2):
        accepted(ship.submit(SHORE, "东海浪高三米"))
    air.run(600.0)
    assert [one.text for one in shore.heard] == ["东海浪高三米"] * 2
    assert max(frame.n_bits for _, sender, frame in air.log if sender == SHIP) <= 8 * 32


def test_a_handset_gets_what_it_can_read_and_is_never_shown_as_delivered() -> None:
    air, ship, _ = pair()
    receipt = accepted(ship.submit(HANDSET, "你好"))
    air.run(3600.0)
    (_, _, frame), *rest = air.log
    assert (frame.content, rest) == ("你好".encode("gb2312"), [])
    message = ship.message(receipt.id)
    assert (message.state, message.is_settled) == (State.ACCEPTED_BY_TERMINAL, True)


def test_what_a_handset_could_not_join_is_refused_with_the_slots_it_would_take() -> None:
    _, ship, _ = pair()
    refusal = ship.submit(HANDSET, "报" * 100)
    assert isinstance(refusal, Refusal)
    assert (refusal.cause, refusal.n_slots) == (RefusalCause.TOO_LONG, 3)
    assert not list(ship.ledger.unfinished())
    refusal = ship.submit(HANDSET, "x🚢")
    assert isinstance(refusal, Refusal)
    assert refusal.cause is RefusalCause.TEXT
    assert "🚢" in refusal.explanation


def test_a_long_text_to_a_peer_arrives_whole_over_a_bad_link() -> None:
    air, ship, shore = pair(seed=3)
    air.loss, air.repeat = 0.3, 0.2
    text = "风力七级,浪高三米。" * 30
    receipt = accepted(ship.submit(SHORE, text, priority=Priority.DATA))
    assert receipt.way == "long"
    assert receipt.n_slots > 5
    air.run(6 * 3600.0)
    assert [one.text for one in shore.heard] == [text]
    assert shore.heard[0].is_long
    assert ship.message(receipt.id).state is State.DELIVERED
    assert air.closest_s() >= 60.0
    assert air.too_early == 0


def test_the_same_text_again_is_told_apart_by_its_way() -> None:
    """A receipt names a plain text by its content, so its twin goes with a number."""
    air, ship, shore = pair()
    ways = [accepted(ship.submit(SHORE, "收到")).way for _ in range(2)]
    assert ways == ["plain", "long"]
    air.run(1200.0)
    assert [one.text for one in shore.heard] == ["收到", "收到"]
    assert {ship.message(one).state for one in ship.ids} == {State.DELIVERED}


def test_a_lost_plain_text_is_never_delivered_and_is_repeated_only_where_asked() -> None:
    air, ship, shore = pair()
    air.loss = 1.0
    once = accepted(ship.submit(SHORE, "一次", valid_s=4000.0))
    twice = accepted(ship.submit(SHORE, "两次", n_repeats=1, valid_s=4000.0))
    air.run(600.0)
    air.loss = 0.0
    air.run(4000.0)
    assert ship.message(once.id).state is State.EXPIRED
    assert ship.message(twice.id).state is State.DELIVERED
    assert [one.text for one in shore.heard] == ["两次"]


@pytest.mark.parametrize(
    ("n_repeats", "state", "n_sent"),
    [(0, State.REFUSED, 1), (1, State.ACCEPTED_BY_TERMINAL, 2)],
)
def test_a_terminal_that_says_nothing_makes_possibly_sent(n_repeats, state, n_sent) -> None:
    air, ship, _ = pair()
    answers = iter(["silent_sent", "accept"])
    ship.answer = lambda _: next(answers)
    receipt = accepted(ship.submit(HANDSET, "也许", n_repeats=n_repeats))
    air.run(600.0)
    message = ship.message(receipt.id)
    assert (message.state, message.n_possibly_sent, len(air.log)) == (state, 1, n_sent)
    assert air.closest_s() >= 60.0


def test_no_lock_is_tried_again_until_the_deadline() -> None:
    air, ship, _ = pair()
    ship.answer = lambda _: "no_lock"
    late = accepted(ship.submit(HANDSET, "等", valid_s=1000.0))
    air.run(900.0)
    assert ship.message(late.id).state is State.QUEUED
    ship.answer = lambda _: "accept"
    air.run(99.0)
    assert ship.message(late.id).state is State.ACCEPTED_BY_TERMINAL
    ship.answer = lambda _: "no_lock"
    never = accepted(ship.submit(HANDSET, "等等", valid_s=1000.0))
    air.run(1001.0)
    assert ship.message(never.id).state is State.EXPIRED


def test_too_early_loses_nothing_and_waits_what_the_terminal_says() -> None:
    air, ship, _ = pair()
    ship.free_at_s[SHIP] = air.now + 47.0
    receipt = accepted(ship.submit(HANDSET, "早"))
    air.run(46.0)
    assert (len(air.log), air.too_early) == (0, 1)
    air.run(20.0)
    assert (len(air.log), air.too_early) == (1, 1)
    assert ship.message(receipt.id).state is State.ACCEPTED_BY_TERMINAL


def test_a_suppressed_terminal_keeps_its_queue_and_another_takes_it() -> None:
    air = Air()
    ship = Gateway(air, ServiceSpec(terminals={"t1": Family.BD1, "t2": Family.BD1}))
    ship.insert("t1", card(SHIP))
    ship.tell("t1", says.StatusChanged(status=TerminalStatus.SUPPRESSED, reason="抑制"))
    receipt = accepted(ship.submit(HANDSET, "静"))
    assert receipt.t_send_s is None
    air.run(500.0)
    assert air.log == []
    ship.insert("t2", card(SPARE))
    air.run(10.0)
    assert [sender for _, sender, _ in air.log] == [SPARE]


def test_whether_a_session_takes_requests_is_its_own_word() -> None:
    """Deaf by three refusals allows a trial, which is its only way out; busy for 10 s does not."""
    air, ship, _ = pair()
    accepted(ship.submit(HANDSET, "等"))
    ship.tell("t1", says.StatusChanged(status=TerminalStatus.BUSY, reason="", may_send=False))
    air.run(9.0)
    assert air.log == []
    ship.tell("t1", says.StatusChanged(status=TerminalStatus.DEAF, reason="", may_send=True))
    air.run(1.0)
    assert len(air.log) == 1


def test_distress_goes_by_the_first_free_card_before_all_that_waits() -> None:
    air = Air()
    ship = Gateway(air, ServiceSpec(terminals={"t1": Family.BD1, "t2": Family.BD1}))
    ship.insert("t1", card(SHIP))
    for n in range(6):
        accepted(ship.submit(HANDSET, f"货单 {n}", priority=Priority.COMMAND))
    air.run(30.0)
    ship.insert("t2", card(SPARE))
    sos = accepted(ship.submit(HANDSET, "求救", priority=Priority.DISTRESS, card=SHIP))
    assert sos.t_send_s == air.now
    air.run(1.0)
    assert air.log[-1][1:] == (SPARE, air.log[-1][2])
    assert air.log[-1][2].content == "求救".encode("gbk")


def test_a_newer_position_replaces_the_one_that_waits() -> None:
    air, ship, _ = pair()
    accepted(ship.submit(HANDSET, "占位"))
    air.run(1.0)
    first = accepted(ship.submit(HANDSET, "位置一", supersede_key="position"))
    second = accepted(ship.submit(HANDSET, "位置二", supersede_key="position"))
    assert second.superseded == (first.id,)
    message = ship.message(first.id)
    assert (message.state, message.cause, message.is_retryable) == (
        State.REFUSED,
        "superseded",
        False,
    )
    air.run(300.0)
    assert [frame.content.decode("gbk") for _, _, frame in air.log] == ["占位", "位置二"]


def test_an_idempotency_key_gives_the_first_message_also_after_a_restart() -> None:
    air, ship, _ = pair()
    first = accepted(ship.submit(HANDSET, "一", idempotency_key="k"))
    again = accepted(ship.submit(HANDSET, "一", idempotency_key="k"))
    air.run(100.0)
    ship.start()
    later = accepted(ship.submit(HANDSET, "一", idempotency_key="k"))
    assert (again.id, later.id, again.is_repeat, later.is_repeat) == (first.id,) * 2 + (True,) * 2
    other = ship.submit(HANDSET, "二", idempotency_key="k")
    assert isinstance(other, Refusal)
    assert other.cause is RefusalCause.KEY_CONFLICT
    air.run(300.0)
    assert len(air.log) == 1


def test_a_deadline_that_cannot_be_met_is_refused_and_not_in_the_ledger() -> None:
    air, ship, _ = pair()
    accepted(ship.submit(HANDSET, "先"))
    ship.step()
    refusal = ship.submit(HANDSET, "后", valid_s=30.0)
    assert isinstance(refusal, Refusal)
    assert (refusal.cause, refusal.is_retryable) == (RefusalCause.DEADLINE, True)
    assert refusal.t_arrival_s == air.now + 62.0 + 10.0
    assert len(list(ship.ledger.unfinished())) == 1


def test_cancel_ends_what_waits_and_not_what_went_out() -> None:
    air, ship, _ = pair()
    gone = accepted(ship.submit(HANDSET, "走"))
    waits = accepted(ship.submit(HANDSET, "留"))
    air.run(10.0)
    ship.service.cancel(waits.id)
    with pytest.raises(IllegalTransitionError):
        ship.service.cancel(gone.id)
    air.run(300.0)
    assert ship.message(waits.id).state is State.CANCELLED
    assert len(air.log) == 1


def test_a_restart_with_a_request_in_flight_marks_it_and_sends_nothing_twice() -> None:
    air, ship, shore = pair()
    receipt = accepted(ship.submit(SHORE, "飞行中"))
    other = accepted(ship.submit(HANDSET, "排队"))
    air.run(1.0)
    ship.start()
    assert ship.message(receipt.id).is_possibly_sent
    air.run(59.0)
    assert len(air.log) == 1, "the interval holds across the restart"
    air.run(300.0)
    assert [one.text for one in shore.heard] == ["飞行中"]
    assert ship.message(receipt.id).state is State.DELIVERED
    assert ship.message(other.id).state is State.ACCEPTED_BY_TERMINAL
    assert air.too_early == 0


def test_a_long_message_survives_a_restart_of_either_side() -> None:
    air, ship, shore = pair(seed=5)
    air.loss = 0.2
    text = "海图更新。" * 80
    receipt = accepted(ship.submit(SHORE, text))
    for _ in range(3):
        air.run(300.0)
        ship.start()
        air.run(130.0)
        shore.start()
    air.run(6 * 3600.0)
    assert [one.text for one in shore.heard if not one.is_repeat] == [text]
    assert ship.message(receipt.id).state is State.DELIVERED
    assert len(air.log) < 2 * receipt.n_slots, "it went on where it was"


def test_a_card_that_moves_takes_its_interval_along() -> None:
    air = Air()
    ship = Gateway(air, ServiceSpec(terminals={"t1": Family.BD1, "t2": Family.BD1}))
    ship.insert("t1", card(SHIP))
    for n in range(3):
        accepted(ship.submit(HANDSET, f"第{n}"))
    air.run(20.0)
    ship.eject("t1")
    ship.insert("t2", card(SHIP))
    air.run(400.0)
    assert len(air.log) == 3
    assert (air.closest_s() >= 60.0, air.too_early) == (True, 0)


def test_a_forged_or_cut_record_breaks_nothing_and_is_kept() -> None:
    air, ship, shore = pair()
    for data in (b"\xbd\xc1", b"\xbd\xc1\x00\x00\x00", b"\xbd\xc2\x05abc", b"\xbd", b"\xbd" * 40):
        accepted(ship.submit(HANDSET, data=data))
    air.gateways[HANDSET] = (shore, "t1")
    air.run(1000.0)
    assert len(shore.heard) == 5
    assert {one.data for one in shore.heard} >= {b"\xbd\xc1", b"\xbd" * 40}


def test_a_refusal_for_good_is_final() -> None:
    air, ship, _ = pair()
    receipt = accepted(ship.submit(HANDSET, "密"))
    ship._request = lambda _dispatch: None  # type: ignore[method-assign,assignment]
    ship.step()
    ship.tell("t1", says.Refused(ticket=1, reason=RefusalReason.CRYPTO))
    message = ship.message(receipt.id)
    assert (message.state, message.is_retryable) == (State.REFUSED, False)
    air.run(300.0)


def test_an_answer_for_a_message_that_has_ended_frees_the_card() -> None:
    air, ship, _ = pair()
    long = accepted(ship.submit(SHORE, "报" * 200))
    air.run(1.0)
    ship.service.cancel(long.id)
    after = accepted(ship.submit(HANDSET, "后来"))
    air.run(300.0)
    message = ship.message(long.id)
    assert (message.state, message.in_flight, message.n_units_gone) == (State.CANCELLED, (), 1)
    assert ship.message(after.id).state is State.ACCEPTED_BY_TERMINAL
    assert len(air.log) == 2


def test_what_a_session_cannot_carry_is_refused_and_blocks_nothing() -> None:
    air, ship, _ = pair()
    bad = accepted(ship.submit(HANDSET, "坏"))
    (dispatch,) = ship.service.due(air.now)
    ship.service.undeliverable(dispatch.terminal, "the family cannot carry it", now=air.now)
    message = ship.message(bad.id)
    assert (message.state, message.cause) == (State.REFUSED, "the family cannot carry it")
    good = accepted(ship.submit(HANDSET, "好"))
    air.run(30.0)
    assert ship.message(good.id).state is State.ACCEPTED_BY_TERMINAL


def test_what_was_accepted_before_any_card_was_known_is_acknowledged_all_the_same() -> None:
    air = Air()
    peer = Peer(name="shore", addresses=frozenset([SHORE]))
    ship = Gateway(air, ServiceSpec(terminals={"t1": Family.BD1}, peers=(peer,)))
    shore = Gateway(
        air,
        ServiceSpec(
            terminals={"t1": Family.BD2},
            peers=(Peer(name="ship", addresses=frozenset([SHIP])),),
        ),
    )
    shore.insert("t1", card(SHORE))
    receipts = [accepted(ship.submit(SHORE, "船已靠港")) for _ in range(2)]
    receipts.append(accepted(ship.submit(SHORE, "报" * 200)))
    assert all(receipt.t_send_s is None for receipt in receipts)
    ship.insert("t1", card(SHIP))
    air.run(3000.0)
    assert {ship.message(receipt.id).state for receipt in receipts} == {State.DELIVERED}
    assert sorted(one.text or "" for one in shore.heard) == sorted(
        ["船已靠港", "船已靠港", "报" * 200]
    )


def test_what_no_card_can_send_is_refused_before_any_card_is_known() -> None:
    ship = Gateway(Air(), ServiceSpec(terminals={"t1": Family.BD1}))
    refusal = ship.submit(HANDSET, "收到😀")
    assert isinstance(refusal, Refusal)
    assert refusal.cause is RefusalCause.TEXT
    assert "character 3" in refusal.explanation
    assert isinstance(ship.submit(HANDSET, "ok—"), Receipt)
    assert isinstance(ship.submit(HANDSET, "±1 ℃ №5", transliterate=True), Receipt)


def test_what_the_disk_did_not_take_goes_when_there_is_room_again() -> None:
    air, ship, shore = pair()
    plain = accepted(ship.submit(HANDSET, "短"))
    long = accepted(ship.submit(SHORE, "长" * 200))
    ship.store.is_full = True
    full = ship.submit(HANDSET, "满")
    assert isinstance(full, Refusal)
    assert full.cause is RefusalCause.STORE
    air.run(300.0)
    assert air.log == []
    ship.store.is_full = False
    air.run(3600.0)
    assert ship.message(plain.id).state is State.ACCEPTED_BY_TERMINAL
    assert ship.message(long.id).state is State.DELIVERED
    assert [one.text for one in shore.heard] == ["长" * 200]
    assert (ship.message(plain.id).n_possibly_sent, ship.message(long.id).n_possibly_sent) == (0, 0)


def test_a_card_that_moves_while_its_feedback_is_owed_waits_and_loses_nothing() -> None:
    air = Air()
    ship = Gateway(air, ServiceSpec(terminals={"t1": Family.BD1, "t2": Family.BD1}))
    ship.insert("t1", card(SHIP, interval_s=1))
    ship.answer = lambda _: "silent_sent"
    first, second = (accepted(ship.submit(HANDSET, text, n_repeats=0)) for text in "一二")
    air.run(1.0)
    ship.eject("t1")
    ship.insert("t2", card(SHIP, interval_s=1))
    ship.answer = lambda _: "accept"
    air.run(60.0)
    assert ship.message(first.id).cause == "possibly_sent"
    assert ship.message(second.id).state is State.ACCEPTED_BY_TERMINAL


def test_an_address_that_no_terminal_can_name_is_refused_before_it_is_queued() -> None:
    air = Air()
    old = Gateway(air, ServiceSpec(terminals={"t1": Family.BD2}))
    old.insert("t1", card(SHIP))
    refusal = old.submit(4_200_001, "x")
    assert isinstance(refusal, Refusal)
    assert refusal.cause is RefusalCause.NO_CARD
    assert "4200001" in refusal.explanation
    both = Gateway(air, ServiceSpec(terminals={"t1": Family.BD2, "t2": Family.BD3}))
    both.insert("t1", card(SHIP))
    both.insert("t2", card(SPARE))
    accepted(both.submit(4_200_001, "x"))
    air.run(30.0)
    assert [sender for _, sender, _ in air.log] == [SPARE]


def test_a_cancel_that_the_disk_does_not_take_cancels_nothing() -> None:
    air, ship, _ = pair()
    waits = [accepted(ship.submit(HANDSET, text)).id for text in ("先", "后")]
    ship.store.is_full = True
    assert ship.service.cancel(waits[1]).error is not None
    ship.store.is_full = False
    air.run(300.0)
    assert {ship.message(one).state for one in waits} == {State.ACCEPTED_BY_TERMINAL}
