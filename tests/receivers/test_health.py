"""The status machine: a table of stories, and laws that hold for every story."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.model import DeviceStatus
from bdgw.receivers.health import Health, HealthLimits

LIMITS = HealthLimits(
    silence_s=30.0, garbage_s=10.0, stuck_s=8.0, proven_s=5.0, garbage_hint="wrong baud rate?"
)
TICK_S = 0.25

CONNECTING = DeviceStatus.CONNECTING
WAITING = DeviceStatus.WAITING
GARBAGE = DeviceStatus.GARBAGE
STREAMING = DeviceStatus.STREAMING
STUCK = DeviceStatus.STUCK
SILENT = DeviceStatus.SILENT
DOWN = DeviceStatus.DOWN


class Story:
    """Drives a machine through virtual time and writes down what it became."""

    def __init__(self, limits: HealthLimits = LIMITS) -> None:
        self.now = 0.0
        self.health = Health(limits, 0.0)
        self.statuses: list[DeviceStatus] = [self.health.status]
        self.reopens = 0
        self._t_s = 0.0

    def note(self, has_changed: bool) -> None:
        if self.health.status is not self.statuses[-1]:
            assert has_changed, "a change of status was not reported"
            self.statuses.append(self.health.status)

    def connect(self) -> Story:
        self.note(self.health.connecting(self.now, "opening"))
        self.note(self.health.opened(self.now))
        return self

    def lose(self, reason: str = "gone", delay_s: float | None = 1.0) -> Story:
        self.note(self.health.lost(self.now, reason, next_attempt_in_s=delay_s))
        return self

    def spend(
        self,
        duration_s: float,
        *,
        n_bytes: int = 0,
        n_frames: int = 0,
        does_epoch_move: bool = True,
        does_reopen: bool = True,
    ) -> Story:
        for _ in range(round(duration_s / TICK_S)):
            self.now += TICK_S
            if n_bytes:
                self.note(self.health.bytes_seen(n_bytes, self.now))
            if n_frames:
                self.note(self.health.frame_decoded(n_frames, self.now))
                self._t_s += float(does_epoch_move)
                self.note(self.health.epoch(self._t_s, self.now))
            self.note(self.health.tick(self.now))
            if self.health.wants_reopen and does_reopen:
                self.reopens += 1
                self.lose("silent").connect()
        return self

    def stream(self, duration_s: float) -> Story:
        return self.spend(duration_s, n_bytes=600, n_frames=1)


def test_a_good_device_streams_from_the_first_frame() -> None:
    story = Story().connect().stream(60.0)
    assert story.statuses == [CONNECTING, WAITING, STREAMING]
    assert story.health.is_proven


def test_bytes_that_never_decode_are_garbage_with_a_hint() -> None:
    story = Story().connect().spend(9.0, n_bytes=50)
    assert story.statuses[-1] is WAITING
    story.spend(3.0, n_bytes=50)
    assert story.statuses == [CONNECTING, WAITING, GARBAGE]
    assert "none decode: wrong baud rate?" in story.health.reason
    assert story.reopens == 0


def test_one_lucky_frame_does_not_end_garbage_but_three_do() -> None:
    story = Story().connect().spend(12.0, n_bytes=50)
    story.spend(TICK_S, n_bytes=50, n_frames=1)
    assert story.statuses[-1] is GARBAGE
    story.spend(11.0, n_bytes=50).spend(TICK_S, n_bytes=50, n_frames=1)
    story.spend(11.0, n_bytes=50).spend(TICK_S, n_bytes=50, n_frames=1)
    assert story.statuses[-1] is GARBAGE, "luck does not add up over time"
    story.stream(1.0)
    assert story.statuses[-1] is STREAMING


def test_half_a_frame_and_a_pause_is_not_garbage() -> None:
    story = Story().connect().stream(20.0)
    story.spend(TICK_S, n_bytes=20).spend(20.0).stream(5.0)
    assert story.statuses == [CONNECTING, WAITING, STREAMING]


def test_frames_without_a_new_epoch_are_stuck() -> None:
    story = Story().connect().stream(5.0)
    story.spend(12.0, n_bytes=600, n_frames=4, does_epoch_move=False)
    assert story.statuses == [CONNECTING, WAITING, STREAMING, STUCK]
    story.spend(TICK_S, n_bytes=600, n_frames=1)
    assert story.statuses[-1] is STUCK, "one move may be the last gasp"
    story.spend(TICK_S, n_bytes=600, n_frames=1)
    assert story.statuses[-1] is STREAMING


def test_a_source_without_epochs_is_never_stuck() -> None:
    story = Story().connect()
    for _ in range(200):
        story.now += 0.5
        story.note(story.health.bytes_seen(100, story.now))
        story.note(story.health.frame_decoded(1, story.now))
        story.note(story.health.tick(story.now))
    assert story.statuses == [CONNECTING, WAITING, STREAMING]


def test_silence_is_said_once_however_often_the_port_is_reopened() -> None:
    story = Story().connect().stream(5.0).spend(200.0)
    assert story.statuses == [CONNECTING, WAITING, STREAMING, SILENT]
    assert story.reopens >= 5
    story.stream(1.0)
    assert story.statuses[-1] is STREAMING


def test_a_port_that_never_speaks_becomes_silent() -> None:
    story = Story().connect().spend(31.0)
    assert story.statuses == [CONNECTING, WAITING, SILENT]
    assert "since it was opened" in story.health.reason


def test_silence_without_reopening() -> None:
    limits = HealthLimits(silence_s=30.0, is_reopened_when_silent=False)
    story = Story(limits).connect().stream(5.0).spend(100.0)
    assert story.statuses[-1] is SILENT
    assert story.reopens == 0
    story.note(story.health.listener_down(story.now, "address in use"))
    assert story.statuses[-1] is DOWN


def test_where_silence_is_no_fault_nothing_happens() -> None:
    story = Story(HealthLimits(silence_s=None)).connect().stream(1.0).spend(10_000.0)
    assert story.statuses[-1] is STREAMING


def test_failing_attempts_are_one_state_with_one_reason() -> None:
    story = Story()
    changes = 0
    for _ in range(50):
        story.note(story.health.connecting(story.now, "opening"))
        has_changed = story.health.lost(story.now, "no such port", next_attempt_in_s=2.0)
        story.note(has_changed)
        changes += has_changed
        assert story.health.next_attempt_at_s == story.now + 2.0
        story.now += 2.0
    assert changes == 1
    assert story.statuses == [CONNECTING, DOWN]
    assert "no such port; next attempt in 2.0 s" in story.health.reason
    assert story.health.lost(story.now, "permission denied", next_attempt_in_s=2.0)


def test_a_device_that_left_keeps_its_reason_while_it_is_waited_for() -> None:
    story = Story().connect().stream(5.0).lose("peer closed the connection", None)
    assert not story.health.connecting(story.now, "opening")
    assert not story.health.waiting_for_peer(story.now, "listening")
    assert story.health.status is DOWN
    assert story.health.reason == "peer closed the connection; waiting for it to come again"


def test_a_listener_that_recovers_ends_down() -> None:
    story = Story()
    story.note(story.health.connecting(0.0, "opening"))
    story.note(story.health.listener_down(0.0, "address in use"))
    story.note(story.health.waiting_for_peer(1.0, "listening"))
    assert story.statuses == [CONNECTING, DOWN, CONNECTING]


def test_proof_needs_time_and_no_gap() -> None:
    story = Story().connect()

    def is_proven() -> bool:
        return story.health.is_proven

    story.stream(4.0)
    assert not is_proven()
    story.spend(11.0).stream(4.0)
    assert not is_proven()
    story.stream(2.0)
    assert is_proven()
    story.lose().connect()
    assert not is_proven()


def test_note_stands_beside_any_reason() -> None:
    story = Story().connect().stream(1.0)
    assert story.health.noted("two modems")
    assert not story.health.noted("two modems")
    assert story.health.reason == "frames decode; two modems"
    assert story.health.noted(None)
    assert story.health.reason == "frames decode"


def test_since_moves_with_the_status_and_not_with_the_reason() -> None:
    story = Story().connect().stream(1.0)
    since_s = story.health.since_s
    story.stream(10.0)
    assert story.health.since_s == since_s
    assert since_s == pytest.approx(TICK_S)


acts = st.lists(
    st.tuples(
        st.integers(1, 140),
        st.sampled_from([0, 0, 30, 600]),
        st.sampled_from([0, 0, 1, 4]),
        st.booleans(),
    ),
    max_size=10,
)


@given(acts)
def test_no_input_makes_the_status_flap(acts: list[tuple[int, int, int, bool]]) -> None:
    story = Story().connect()
    for n_ticks, n_bytes, n_frames, does_move in acts:
        story.spend(
            n_ticks * TICK_S,
            n_bytes=max(n_bytes, n_frames),
            n_frames=n_frames,
            does_epoch_move=does_move,
        )
    shortest_s = min(LIMITS.garbage_s, LIMITS.stuck_s, LIMITS.silence_s or 1e9)
    n_changes = len(story.statuses) - 1
    assert n_changes <= 3 * story.now / shortest_s + 3
    n_visits = story.statuses.count(STREAMING)
    assert n_visits <= story.now / shortest_s + 1


@given(acts)
def test_streaming_is_never_claimed_without_recent_frames(
    acts: list[tuple[int, int, int, bool]],
) -> None:
    story, undecoded_from_s = Story().connect(), None
    for n_ticks, n_bytes, n_frames, does_move in acts:
        for _ in range(n_ticks):
            story.spend(
                TICK_S,
                n_bytes=max(n_bytes, n_frames),
                n_frames=n_frames,
                does_epoch_move=does_move,
            )
            if n_frames:
                undecoded_from_s = None
            elif n_bytes and undecoded_from_s is None:
                undecoded_from_s = story.now
            if story.health.status is STREAMING:
                byte_s = story.health.last_byte_at_s
                assert byte_s is not None
                assert story.now - byte_s < (LIMITS.silence_s or 0.0)
                if undecoded_from_s is not None:
                    assert byte_s - undecoded_from_s < LIMITS.garbage_s
