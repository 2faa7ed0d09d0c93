"""What a terminal is doing, told from what it says and from what it stops saying."""

from __future__ import annotations

from typing import Any

import pytest

from bdgw.shortmsg.terminal_health import TerminalHealth, TerminalHealthLimits, TerminalStatus
from bdgw.shortmsg.vocabulary import RefusalReason, SignalSeen

S = TerminalStatus
NO_BEAM = SignalSeen(codes=tuple((beam, 0) for beam in range(1, 7)))
BEAM = SignalSeen(codes=((1, 0), (2, 3)))


def health(**limits: Any) -> TerminalHealth:
    return TerminalHealth(TerminalHealthLimits(**limits), now=0.0)


def ready(**limits: Any) -> TerminalHealth:
    it = health(**limits)
    it.answered(1.0)
    it.card_seen(1.0, is_there=True)
    assert now_is(it) is S.READY
    return it


def now_is(it: TerminalHealth) -> TerminalStatus:
    return it.status


def ask_in_vain(it: TerminalHealth, n: int, now: float, n_bytes: int = 0, n_frames: int = 0):
    for _ in range(n):
        it.asked()
        it.bytes_seen(n_bytes)
        for _ in range(n_frames):
            it.frame_decoded()
        it.unanswered(now)


def test_it_starts_and_becomes_ready_by_its_card():
    it = health()
    assert now_is(it) is S.STARTING
    assert it.blocks_sending() is RefusalReason.BUSY
    assert it.card_seen(2.0, is_there=True)
    assert (it.status, it.since_s) == (S.READY, 2.0)
    assert it.blocks_sending() is None


@pytest.mark.parametrize(
    ("n_bytes", "n_frames", "status", "word"),
    [
        (0, 0, S.DEAD, "no byte"),
        (40, 0, S.GARBAGE, "none decode"),
        (40, 1, S.NOT_LISTENING, "line towards it"),
    ],
)
def test_the_kind_of_silence_tells_what_is_wrong(n_bytes, n_frames, status, word):
    it = ready()
    ask_in_vain(it, 2, 10.0, n_bytes, n_frames)
    assert now_is(it) is S.READY
    ask_in_vain(it, 1, 14.0, n_bytes, n_frames)
    assert now_is(it) is status
    assert word in it.reason
    assert it.blocks_sending() is RefusalReason.BUSY
    assert it.answered(20.0)
    assert now_is(it) is S.READY


def test_each_row_of_questions_is_judged_by_itself():
    it = ready()
    ask_in_vain(it, 3, 10.0, 40, 1)
    assert now_is(it) is S.NOT_LISTENING
    ask_in_vain(it, 2, 50.0)
    assert now_is(it) is S.NOT_LISTENING
    ask_in_vain(it, 1, 60.0)
    assert now_is(it) is S.DEAD


def test_a_terminal_that_answers_everything_but_the_card_has_none():
    it = health()
    it.asked()
    it.answered_otherwise()
    it.unanswered(3.0)
    ask_in_vain(it, 2, 12.0)
    assert now_is(it) is S.NO_CARD


def test_deaf_is_what_hears_no_beam_for_long_enough():
    it = ready()
    for at_s in (10.0, 70.0, 129.0):
        it.signal_seen(NO_BEAM, at_s)
        assert now_is(it) is S.READY
    assert it.signal_seen(NO_BEAM, 130.0)
    assert now_is(it) is S.DEAF
    assert "hears no satellite for 120 s" in it.reason
    assert it.blocks_sending() is RefusalReason.NO_LOCK
    it.signal_seen(BEAM, 140.0)
    assert now_is(it) is S.DEAF, "one report may be a wave"
    assert it.signal_seen(BEAM, 150.0)
    assert now_is(it) is S.READY


def test_one_beam_in_between_starts_the_count_again():
    it = ready()
    it.signal_seen(NO_BEAM, 10.0)
    it.signal_seen(BEAM, 100.0)
    it.signal_seen(NO_BEAM, 110.0)
    it.signal_seen(NO_BEAM, 200.0)
    assert now_is(it) is S.READY


@pytest.mark.parametrize(("cn0_dbhz", "status"), [(39.9, S.DEAF), (40.0, S.READY)])
def test_bd3_is_deaf_below_the_lowest_published_threshold(cn0_dbhz, status):
    it = ready()
    for at_s in (0.0, 60.0, 120.0):
        it.signal_seen(SignalSeen(cn0_dbhz=((2, 20.0), (4, cn0_dbhz))), at_s)
    assert now_is(it) is status


def test_a_report_of_no_beam_at_all_is_deafness_too():
    it = ready()
    for at_s in (0.0, 60.0, 120.0):
        it.signal_seen(SignalSeen(), at_s)
    assert now_is(it) is S.DEAF


def test_an_old_report_says_nothing():
    it = ready()
    for now in (0.0, 60.0, 120.0):
        it.signal_seen(NO_BEAM, now)
    assert it.deadline() == 300.0
    assert not it.tick(299.9)
    assert it.tick(300.0)
    assert now_is(it) is S.READY
    it.signal_seen(NO_BEAM, 400.0)
    assert now_is(it) is S.READY


def test_refusals_for_want_of_lock_make_it_deaf_and_still_allow_a_trial():
    it = ready()
    for now in (10.0, 30.0):
        it.refused(RefusalReason.NO_LOCK, now)
        assert now_is(it) is S.READY
    it.refused(RefusalReason.NO_LOCK, 50.0)
    assert now_is(it) is S.DEAF
    assert it.blocks_sending() is None
    it.accepted(70.0)
    assert now_is(it) is S.READY


def test_suppression_holds_until_it_is_lifted():
    it = ready()
    assert it.refused(RefusalReason.SUPPRESSED, 10.0)
    assert now_is(it) is S.SUPPRESSED
    assert it.blocks_sending() is RefusalReason.SUPPRESSED
    it.suppression_seen(RefusalReason.SILENT, 300.0)
    assert it.blocks_sending() is RefusalReason.SILENT
    assert "静默" in it.reason
    assert it.suppression_seen(None, 400.0)
    assert now_is(it) is S.READY


def test_without_a_word_for_long_a_trial_is_allowed_and_says_so():
    it = ready()
    it.refused(RefusalReason.SUPPRESSED, 10.0)
    assert it.deadline() == 610.0
    assert not it.tick(609.0)
    assert it.tick(610.0)
    assert now_is(it) is S.READY
    assert "may try" in it.reason
    it.accepted(620.0)
    assert "may try" not in it.reason


def test_busy_passes_by_itself():
    it = ready()
    it.refused(RefusalReason.BUSY, 10.0)
    assert (it.status, it.blocks_sending()) == (S.BUSY, RefusalReason.BUSY)
    assert it.deadline() == 20.0
    assert it.tick(20.0)
    assert now_is(it) is S.READY


def test_lost_feedback_twice_is_a_way_of_being_busy_that_forbids_nothing():
    it = ready()
    assert not it.feedback_lost(20.0)
    assert it.feedback_lost(100.0)
    assert now_is(it) is S.BUSY
    assert "no feedback" in it.reason
    assert it.blocks_sending() is None
    it.accepted(200.0)
    assert now_is(it) is S.READY


def test_a_restart_forgets_what_was_said_and_waits_for_the_card():
    it = ready()
    it.feedback_lost(20.0)
    assert it.rebooted(25.0, "restarted: it printed 'BOOT'")
    assert now_is(it) is S.REBOOTING
    assert "BOOT" in it.reason
    assert it.blocks_sending() is RefusalReason.BUSY
    assert it.card_seen(30.0, is_there=True)
    assert now_is(it) is S.READY


def test_no_card_is_final_until_one_is_seen():
    it = health()
    it.card_seen(2.0, is_there=False)
    assert now_is(it) is S.NO_CARD
    assert it.blocks_sending() is RefusalReason.NO_CARD
    it.card_seen(40.0, is_there=True)
    assert now_is(it) is S.READY


def test_nothing_goes_over_a_closed_port():
    it = ready()
    it.closed(10.0, "the port closed")
    it.accepted(11.0)
    assert (it.status, it.reason) == (S.CLOSED, "the port closed")


@pytest.mark.parametrize(
    "limits", [{"n_unanswered": 0}, {"n_no_lock": 0}, {"deaf_s": 0.0}, {"busy_s": float("inf")}]
)
def test_limits_that_judge_nothing_are_refused(limits):
    with pytest.raises(ValueError, match="must be"):
        TerminalHealthLimits(**limits)
