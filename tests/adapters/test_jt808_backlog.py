"""Which fixes a platform has still to be told, against plain sets. Time and disk are not needed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bdgw.adapters import jt808_backlog
from bdgw.adapters.jt808_backlog import Backlog, Mark, after
from bdgw.adapters.jt808_queue import ReportQueue, Span
from bdgw.history import BootGaps

SPANS = st.builds(
    lambda boot, first, n: Span(boot, first, first + n),
    st.sampled_from(("b1", "b2")),
    st.integers(0, 60),
    st.integers(0, 8),
)


def numbers(spans) -> list[tuple[str, int]]:
    return [(span.boot, seq) for span in spans for seq in range(span.first, span.last + 1)]


@given(st.lists(st.tuples(st.booleans(), SPANS)))
def test_spans_are_a_set_of_numbers(steps):
    backlog = Backlog()
    expected: set[tuple[str, int]] = set()
    for is_new, span in steps:
        if is_new:
            backlog.add(span)
            expected |= set(numbers([span]))
        else:
            backlog.take(span)
            expected -= set(numbers([span]))
        found = numbers(backlog.spans())
        assert len(found) == len(set(found)) == backlog.n_fixes
        assert set(found) == expected
        for boot in ("b1", "b2"):
            of_boot = [seq for each, seq in found if each == boot]
            assert of_boot == sorted(of_boot)
    first = backlog.first()
    assert (first is None) == (not expected)


def test_too_many_spans_are_told_twice_rather_than_never(monkeypatch):
    monkeypatch.setattr(jt808_backlog, "_SPANS_MAX", 3)
    backlog = Backlog(Span("b", seq, seq) for seq in (0, 10, 20, 30))
    assert backlog.spans() == [Span("b", 0, 10), Span("b", 20, 20), Span("b", 30, 30)]


def start(boot: str, first: int, last: int, first_utc_ns: int) -> BootGaps:
    return BootGaps(
        boot=boot,
        first_seq=first,
        last_seq=last,
        n_missing=0,
        missing=(),
        first_utc_ns=first_utc_ns,
        last_utc_ns=first_utc_ns + 50,
    )


STARTS = [start("b1", 5, 99, 100), start("b2", 0, 49, 200), start("b3", 0, 9, 300)]


def test_what_came_after_a_fix():
    found = after(Mark("b1", 89, 190), STARTS)
    assert found == [Span("b1", 90, 99), Span("b2", 0, 49), Span("b3", 0, 9)]
    assert after(Mark("b2", 49, 290), STARTS) == [Span("b3", 0, 9)]
    assert after(Mark("b3", 9, 350), STARTS) == []
    # Forgotten up to there.
    assert after(Mark("b1", 2, 100), STARTS)[0] == Span("b1", 5, 99)


def test_after_a_start_of_which_nothing_is_kept_time_decides():
    assert after(Mark("b0", 7, 50), STARTS) == [
        Span("b1", 5, 99),
        Span("b2", 0, 49),
        Span("b3", 0, 9),
    ]
    assert after(Mark("bx", 7, 250), STARTS) == [Span("b3", 0, 9)]


def test_a_report_stands_for_what_was_passed_over_behind_it():
    shelved: list[Span] = []
    queue = ReportQueue(2, shelved.append)
    queue.cover("b", 0)  # nothing has been reported yet
    for seq in (1, 11, 21):
        queue.put(b"", "b", seq)
        for passed in range(seq + 1, seq + 10):
            queue.cover("b", passed)
    queue.cover("other", 30)
    assert shelved == [Span("b", 1, 10)]
    assert queue.spans() == [Span("b", 11, 30)]
    (sent,) = queue.backlog(99, 1)
    queue.take([sent])
    queue.put(b"", "b", 31)
    assert queue.spans() == [Span("b", 11, 31)], "what is in flight is not answered"
    queue.ack([sent.id])
    assert queue.spans() == [Span("b", 21, 31)]
    assert (queue.n_dropped, queue.n_acked) == (0, 1)


def test_what_comes_back_stands_before_what_is_new_and_in_its_order():
    queue = ReportQueue(10)
    queue.put(b"new", "b2", 0)
    queue.put_again([(b"old 1", Span("b1", 0, 0)), (b"old 2", Span("b1", 1, 1))])
    queue.put_again([(b"old 3", Span("b1", 2, 2))])
    queue.put(b"newer", "b2", 1)
    bodies = [each.body for each in queue.backlog(99, 99)]
    assert bodies == [b"old 1", b"old 2", b"old 3", b"new", b"newer"]
    live = queue.take_live(1)
    assert live is not None
    assert live.body == b"newer"
