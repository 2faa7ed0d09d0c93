"""What the host's clock is worth."""

from __future__ import annotations

import datetime as dt

import pytest

from bdgw.hostclock import BUILT_POSIX_NS, HostClock, kernel_says_synchronised
from bdgw.timescale import gpst_from_utc


def clock(utc_ns: int, *, is_synchronised: bool = False) -> HostClock:
    return HostClock(utc_ns=lambda: utc_ns, is_synchronised=lambda: is_synchronised)


@pytest.mark.parametrize("utc_ns", [0, -1, 315_964_800 * 10**9, BUILT_POSIX_NS - 1])
def test_a_clock_older_than_this_software_is_not_set(utc_ns: int):
    subject = clock(utc_ns, is_synchronised=True)
    assert not subject.is_set()
    assert subject.gpst_ns(0.0) is None


def test_a_clock_that_is_set_gives_gpst():
    moment = dt.datetime(2027, 1, 1, 12, tzinfo=dt.UTC)
    subject = clock(int(moment.timestamp()) * 10**9)
    assert subject.is_set()
    assert subject.gpst_ns(0.0) == gpst_from_utc(dt.date(2027, 1, 1), 12 * 3600 * 10**9)


@pytest.mark.parametrize("answer", [True, False])
def test_whether_something_disciplines_it_is_asked_each_time(answer: bool):
    assert clock(0, is_synchronised=answer).is_synchronised() is answer


def test_the_kernel_can_be_asked():
    assert kernel_says_synchronised() in (True, False)
