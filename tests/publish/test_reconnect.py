from __future__ import annotations

import random

import pytest

from bdgw.publish.reason import LossKind, is_final, is_success, reason_name
from bdgw.publish.reconnect import ReconnectPolicy


def policy(seed: int = 1) -> ReconnectPolicy:
    return ReconnectPolicy(floor_s=0.5, cap_s=30.0, loop_pause_s=60.0, rng=random.Random(seed))


def test_delays_grow_to_the_cap_and_never_leave_floor_and_cap():
    for seed in range(50):
        subject = policy(seed)
        delays = [subject.after(LossKind.NETWORK, None).delay_s for _ in range(30)]
        assert all(0.5 <= delay <= 30.0 for delay in delays)
        assert max(delays[10:]) > 10.0 > delays[0]


def test_a_connection_that_lived_starts_the_delays_anew():
    subject = policy()
    for _ in range(20):
        subject.after(LossKind.NETWORK, None)
    assert subject.after(LossKind.CLOSED, 3600.0).delay_s <= 1.0


def test_session_taken_over_pauses_long_and_alarms():
    pause = policy().after(LossKind.TAKEN_OVER, 3600.0)
    assert pause.alarm == "mqtt_taken_over"
    assert 60.0 <= pause.delay_s <= 120.0


def test_three_short_lives_in_a_row_are_a_loop():
    subject = policy()
    pauses = [subject.after(LossKind.CLOSED, 1.0) for _ in range(3)]
    assert [pause.alarm for pause in pauses] == [None, None, "mqtt_connection_unstable"]
    assert pauses[2].delay_s >= 60.0


def test_a_long_life_between_ends_the_count():
    subject = policy()
    lives_s = [1.0, 1.0, 100.0, 1.0, 1.0]
    assert all(subject.after(LossKind.CLOSED, life_s).alarm is None for life_s in lives_s)


def test_a_broker_that_is_away_is_no_loop():
    subject = policy()
    assert all(subject.after(LossKind.NETWORK, None).alarm is None for _ in range(20))


@pytest.mark.parametrize(
    ("code", "success", "final", "name"),
    [
        (0x00, True, False, "reason_0x00"),
        (0x10, True, False, "reason_0x10"),
        (0x80, False, False, "unspecified_error"),
        (0x83, False, False, "implementation_specific_error"),
        (0x87, False, True, "not_authorized"),
        (0x90, False, True, "topic_name_invalid"),
        (0x91, False, False, "packet_identifier_in_use"),
        (0x97, False, False, "quota_exceeded"),
        (0x99, False, True, "payload_format_invalid"),
    ],
)
def test_reason_codes_of_puback(code, success, final, name):
    assert (is_success(code), is_final(code), reason_name(code)) == (success, final, name)
