"""The strict caster's memory: what it counts, when it bans, when it forgives."""

import pytest

from fwsim.ban import LENIENT, STRICT, Attempt, BanPolicy, Offence, Rules

HOME = "192.0.2.1"
ROVER = Attempt(HOME, "BASE", "rover")


def test_ten_seconds_between_connects_are_in_order_and_less_is_an_offence():
    policy = BanPolicy(STRICT)
    assert policy.attempted(ROVER, 100.0) is None
    assert policy.attempted(ROVER, 110.0) is None
    assert policy.attempted(ROVER, 119.0) == Offence.TOO_SOON
    # The pause runs from the last attempt, also from one that was an offence.
    assert policy.attempted(ROVER, 128.0) == Offence.TOO_SOON
    assert policy.counters()["offences_by_kind"] == {"too_soon": 2}


def test_another_mount_account_or_address_is_another_client():
    policy = BanPolicy(STRICT)
    assert policy.attempted(ROVER, 0.0) is None
    for other in (
        Attempt(HOME, "", "rover"),
        Attempt(HOME, "BASE", None),
        Attempt("192.0.2.2", "BASE", "rover"),
    ):
        assert policy.attempted(other, 1.0) is None


def test_after_an_answer_that_a_retry_cannot_change_five_minutes_are_due():
    policy = BanPolicy(STRICT)
    policy.attempted(ROVER, 0.0)
    policy.refused(ROVER, 0.0, is_final=True)
    assert policy.attempted(ROVER, 60.0) == Offence.TOO_SOON_AFTER_REFUSAL
    policy.refused(ROVER, 60.0, is_final=True)
    assert policy.attempted(ROVER, 360.0) is None


def test_a_passing_refusal_needs_no_long_pause():
    policy = BanPolicy(STRICT)
    policy.attempted(ROVER, 0.0)
    policy.refused(ROVER, 0.0, is_final=False)
    assert policy.attempted(ROVER, 10.0) is None
    assert policy.counters()["failures"] == 1


def test_the_answer_to_a_challenge_may_come_at_once_but_only_once():
    policy = BanPolicy(STRICT)
    assert policy.attempted(ROVER, 0.0) is None
    policy.challenged(ROVER, 0.0)
    assert policy.attempted(ROVER, 0.1) is None
    policy.challenged(ROVER, 0.1)
    assert policy.attempted(ROVER, 0.2) == Offence.TOO_SOON


def test_ten_offences_in_an_hour_ban_for_a_quarter_of_an_hour_then_longer():
    policy = BanPolicy(STRICT)
    now_s = 0.0
    for _ in range(10):
        assert not policy.is_banned(HOME, now_s)
        policy.offended(HOME, Offence.BAD_CREDENTIALS, now_s)
        now_s += 300.0
    since_s = now_s - 300.0
    assert policy.is_banned(HOME, since_s + 899.0)
    assert not policy.is_banned(HOME, since_s + 900.0)
    assert not policy.is_banned("192.0.2.2", since_s)
    for _ in range(10):
        policy.offended(HOME, Offence.BAD_CREDENTIALS, since_s + 1000.0)
    assert policy.is_banned(HOME, since_s + 1000.0 + 1799.0)
    assert not policy.is_banned(HOME, since_s + 1000.0 + 1800.0)
    assert policy.counters()["bans"] == 2
    assert policy.counters()["turned_away"] == 2


def test_offences_are_forgotten_after_the_window():
    policy = BanPolicy(STRICT)
    for i in range(100):
        policy.offended(HOME, Offence.UNKNOWN_MOUNT, i * 401.0)
    assert policy.counters()["bans"] == 0
    assert policy.counters()["offences"] == 100


def test_failures_without_a_good_session_ban_and_a_good_session_resets_them():
    policy = BanPolicy(Rules(max_failures=5))
    for i in range(5):
        assert policy.ended(ROVER, 10.0 * i, good_s=0.0) is None
    assert policy.ended(ROVER, 60.0, good_s=30.0) is None
    for i in range(5):
        assert policy.ended(ROVER, 100.0 + 10.0 * i, good_s=9.0) is None
    assert policy.ended(ROVER, 150.0, good_s=0.0) == Offence.TOO_MANY_FAILURES
    assert policy.is_banned(HOME, 150.0)


def test_a_lenient_caster_bans_nobody():
    policy = BanPolicy(LENIENT)
    for i in range(1000):
        assert policy.attempted(ROVER, i * 0.01) is None
        policy.refused(ROVER, i * 0.01, is_final=True)
        policy.offended(HOME, Offence.BAD_CREDENTIALS, i * 0.01)
    assert not policy.is_banned(HOME, 10.0)


def test_a_client_that_invents_mounts_does_not_fill_the_memory():
    policy = BanPolicy(STRICT)
    for i in range(10_000):
        policy.attempted(Attempt(HOME, f"M{i}", None), float(i))
    client = policy._clients[HOME]
    assert len(client.last_s) <= 256


@pytest.mark.parametrize("kind", list(Offence))
def test_every_offence_has_its_counter(kind):
    policy = BanPolicy(STRICT)
    policy.offended(HOME, kind, 0.0)
    assert policy.counters()["offences_by_kind"] == {str(kind): 1}
