from hypothesis import given
from hypothesis import strategies as st

from bdgw.caster.queue import DeliveryQueue


def test_the_oldest_goes_first_when_there_is_too_much():
    queue = DeliveryQueue(limit_bytes=10, max_age_s=100.0)
    for frame in (b"aaaa", b"bbbb", b"cccc"):
        queue.append(frame, 0.0)
    assert (queue.n_dropped, queue.dropped_bytes, queue.pending_bytes) == (1, 4, 8)
    assert [queue.pop(0.0), queue.pop(0.0), queue.pop(0.0)] == [b"bbbb", b"cccc", None]


def test_what_is_too_old_is_not_sent():
    queue = DeliveryQueue(limit_bytes=100, max_age_s=10.0)
    queue.append(b"old", 0.0)
    queue.append(b"new", 5.0)
    assert queue.pop(10.5) == b"new"
    assert queue.n_dropped == 1


def test_a_frame_larger_than_the_limit_is_dropped_and_counted():
    queue = DeliveryQueue(limit_bytes=3, max_age_s=10.0)
    queue.append(b"four", 0.0)
    assert (len(queue), queue.n_dropped, queue.pending_bytes) == (0, 1, 0)


STEPS = st.lists(st.tuples(st.booleans(), st.integers(1, 40), st.floats(0.0, 3.0)), max_size=60)


@given(STEPS)
def test_nothing_is_lost_uncounted_and_bounds_hold(steps):
    queue = DeliveryQueue(limit_bytes=100, max_age_s=5.0)
    now, taken, given_s = 0.0, [], {}
    for number, (is_in, size, step_s) in enumerate(steps):
        now += step_s
        if is_in:
            frame = number.to_bytes(2, "big") * size
            given_s[frame] = now
            queue.append(frame, now)
        elif (out := queue.pop(now)) is not None:
            assert now - given_s[out] <= 5.0
            taken.append(out)
        assert 0 <= queue.pending_bytes <= 100
    assert len(taken) + queue.n_dropped + len(queue) == len(given_s)
    assert taken == [frame for frame in given_s if frame in taken]
    queue.clear()
    assert queue.pending_bytes == 0
    assert sum(map(len, taken)) + queue.dropped_bytes == sum(map(len, given_s))
