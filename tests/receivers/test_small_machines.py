"""The small pure machines: log gate, write buffer, pace of a recording."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.noise import NoiseGate
from bdgw.receivers.pace import Pace
from bdgw.receivers.write_buffer import WriteBuffer


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.0, 5.0)), max_size=200))
def test_every_line_is_written_or_summarised(steps: list[tuple[str, float]]) -> None:
    gate: NoiseGate[str] = NoiseGate(burst=2, period_s=10.0)
    now, n_written, n_summarised = 0.0, 0, 0
    for key, step_s in steps:
        now += step_s
        n_summarised += sum(count for _, count in gate.summaries(now))
        n_written += gate.admit(key, now)
    n_summarised += sum(count for _, count in gate.summaries(float("inf")))
    assert n_written + n_summarised == len(steps)


def test_a_burst_passes_and_the_rest_waits_for_the_minute() -> None:
    gate: NoiseGate[str] = NoiseGate(burst=3, period_s=60.0)
    assert [gate.admit("x", 0.1 * i) for i in range(10)] == [True] * 3 + [False] * 7
    assert list(gate.summaries(59.0)) == []
    assert list(gate.summaries(60.0)) == [("x", 7)]
    assert gate.admit("x", 61.0)


def test_the_table_of_kinds_is_bounded() -> None:
    gate: NoiseGate[int] = NoiseGate(max_keys=5)
    assert sum(gate.admit(key, 0.0) for key in range(100)) == 5


@given(st.lists(st.binary(min_size=1, max_size=40)), st.lists(st.integers(1, 30)))
def test_a_write_buffer_keeps_order_and_bounds(messages: list[bytes], takes: list[int]) -> None:
    buffer, sent, accepted = WriteBuffer(64), b"", b""
    for index, message in enumerate(messages):
        if buffer.has_room_for(len(message), 0.0):
            buffer.append(message, 0.0)
            accepted += message
        assert len(buffer) <= 64
        if index < len(takes):
            piece = buffer.view(takes[index], 0.0)
            buffer.taken(len(piece), 0.0)
            sent += piece
    sent += buffer.view(1000, 0.0)
    assert sent == accepted


def test_what_has_perished_is_left_out_but_never_in_the_middle() -> None:
    buffer = WriteBuffer(100)
    buffer.append(b"first", 0.0, lifetime_s=2.0)
    buffer.append(b"second", 0.5, lifetime_s=2.0)
    buffer.append(b"kept", 0.6)
    buffer.append(b"third", 1.5, lifetime_s=2.0)
    assert buffer.view(3, 1.0) == b"fir"
    buffer.taken(3, 1.0)
    assert buffer.view(100, 2.9) == b"stkeptthird"
    buffer.taken(2, 2.9)
    assert buffer.view(100, 4.0) == b"kept"
    buffer.taken(4, 4.0)
    assert buffer.view(100, 4.0) == b""
    state = buffer.state(9.0)
    assert (len(buffer), state.stalled_s, state.n_drops, state.n_perished) == (0, None, 0, 2)


@given(st.lists(st.tuples(st.integers(1, 9), st.floats(0.0, 3.0), st.integers(0, 12)), max_size=40))
def test_every_message_is_told_once_what_became_of_it(steps: list[tuple[int, float, int]]) -> None:
    """And those that are told written are all that went out whole."""
    buffer, sent, now = WriteBuffer(30), b"", 0.0
    told: dict[int, bool] = {}
    messages: dict[int, bytes] = {}

    def teller(number: int) -> Callable[[bool], None]:
        def done(is_written: bool) -> None:
            assert number not in told
            told[number] = is_written

        return done

    for number, (size, pause_s, n_take) in enumerate(steps):
        now += pause_s
        if buffer.has_room_for(size, now):
            messages[number] = bytes([number]) * size
            buffer.append(messages[number], now, lifetime_s=2.0, done=teller(number))
        piece = buffer.view(n_take, now) if n_take else b""
        buffer.taken(len(piece), now)
        sent += piece
    buffer.give_up()
    assert told.keys() == messages.keys()
    assert not len(buffer)
    for number, message in messages.items():
        assert told[number] == (sent.count(message[:1]) == len(message))


def test_a_blocked_port_has_room_again_for_what_is_fresh() -> None:
    buffer = WriteBuffer(10)
    buffer.append(b"old bytes.", 0.0, lifetime_s=2.0)
    assert not buffer.has_room_for(5, 1.9)
    assert buffer.has_room_for(5, 2.0)
    buffer.append(b"fresh", 2.0, lifetime_s=2.0)
    assert buffer.view(100, 2.1) == b"fresh"


def test_a_stall_is_measured_from_the_last_progress() -> None:
    buffer = WriteBuffer(100)
    assert buffer.state(5.0).stalled_s is None
    buffer.append(b"abcd", 10.0)
    buffer.append(b"efgh", 12.0)
    assert buffer.state(13.0).stalled_s == 3.0
    buffer.taken(4, 14.0)
    assert buffer.state(15.0).stalled_s == 1.0
    buffer.taken(4, 16.0)
    assert buffer.state(99.0).stalled_s is None


def test_without_epochs_bytes_come_at_line_rate() -> None:
    pace = Pace(2.0, 100.0)
    assert pace.wait_s(11_520, None, 100.0) == pytest.approx(0.5)
    assert pace.wait_s(11_520, None, 100.5) == pytest.approx(0.5)


def test_epochs_drive_the_pace() -> None:
    pace = Pace(2.0, 0.0)
    assert pace.wait_s(600, 1000.0, 50.0) == 0.0
    assert pace.wait_s(600, 1001.0, 50.0) == pytest.approx(0.5)
    assert pace.wait_s(600, 1002.0, 50.0) == pytest.approx(1.0)
    assert pace.wait_s(600, 1002.0, 51.5) == 0.0


def test_a_jump_is_not_waited_for() -> None:
    pace = Pace(1.0, 0.0)
    pace.wait_s(1, 86_399.0, 0.0)
    assert pace.wait_s(1, 0.0, 1.0) == 0.0
    assert pace.wait_s(1, 1.0, 1.0) == pytest.approx(1.0)
    assert pace.wait_s(1, 5000.0, 2.0) == 0.0
