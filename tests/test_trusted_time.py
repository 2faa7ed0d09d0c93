"""What time it is, told by a host whose clock may be wrong, and by receivers that may be, too."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bdgw.hub import DomainEvent, FixQuarantined, Hub
from bdgw.intake import DeviceFacts, Intake
from bdgw.model import DeviceFix, Fix, FixKind, TimeQuality, Via
from bdgw.receiver import ReceiverSession
from bdgw.timescale import DAY_NS, SECOND_NS, WEEK_NS, format_utc, gpst_from_utc
from bdgw.trusted_time import BUILT_POSIX_NS, TrustedTime
from tests.support.spoken import epoch

DAY = dt.date(2026, 12, 24)
START_NS = gpst_from_utc(DAY, 8 * 3600 * SECOND_NS)
"""The true time when the monotonic clock reads 0."""
HOUR_S = 3600.0


class Host:
    """A clock that the test sets wrong, and that may claim to be disciplined all the same."""

    def __init__(self, *, is_synchronised: bool = True, is_set: bool = True) -> None:
        self.is_disciplined = is_synchronised
        self.is_set = is_set
        self.error_s = 0.0

    def gpst_ns(self, now: float) -> int | None:
        return truth(now) + round(self.error_s * 1e9) if self.is_set else None

    def is_synchronised(self) -> bool:
        return self.is_disciplined


def truth(now: float) -> int:
    return START_NS + round(now * 1e9)


def claim(now: float, *, error_s: float = 0.0, quality: TimeQuality = TimeQuality.GNSS) -> Fix:
    t_gpst_ns = truth(now) + round(error_s * 1e9)
    return Fix(kind=FixKind.SINGLE, t_gpst_ns=t_gpst_ns, time_quality=quality)


def hear(time: TrustedTime, now: float, **errors_s: float) -> None:
    for device, error_s in errors_s.items():
        time.hear(device, claim(now, error_s=error_s), now)


def error_s(time: TrustedTime, now: float) -> float | None:
    trusted_ns = time.trusted_gpst_ns(now)
    return None if trusted_ns is None else (trusted_ns - truth(now)) / 1e9


def test_a_disciplined_host_is_trusted_and_one_that_only_runs_is_not():
    assert error_s(TrustedTime(Host()), 5.0) == 0.0
    free = TrustedTime(Host(is_synchronised=False))
    assert error_s(free, 5.0) is None
    assert free.gpst_ns(5.0) == truth(5.0), "still good to tell days by"
    assert free.max_future_ns(5.0) == DAY_NS
    assert TrustedTime(Host(is_set=False)).gpst_ns(5.0) is None


@pytest.mark.parametrize("step_s", [-HOUR_S, HOUR_S, -3.0, 3.0, 86_400.0 * 400])
def test_a_step_of_the_host_changes_a_flag_and_nothing_else(step_s: float):
    host = Host()
    time = TrustedTime(host)
    for now in range(100):
        hear(time, now, a=-0.1)
        assert error_s(time, now) == 0.0
    host.error_s = step_s
    for now in range(100, 5000, 7):
        hear(time, now, a=-0.1)
        shown = error_s(time, now)
        assert shown is not None
        assert abs(shown) < 1.5, "one receiver and our own count outvote the host"
        assert time.reason_against(claim(now), now, now) is None
    state = time.state(5000)
    assert (state.source, state.is_host_right, state.n_steps) == ("receivers", False, 1)
    assert state.last_step_s == pytest.approx(step_s)
    host.error_s = 0.0
    hear(time, 5001, a=-0.1)
    assert error_s(time, 5001) == 0.0
    assert time.state(5001).is_host_right


def test_a_step_that_nobody_contradicts_is_believed_after_ten_minutes():
    """Without any receiver a disciplined clock is the best there is."""
    host = Host()
    time = TrustedTime(host)
    assert error_s(time, 0.0) == 0.0
    host.error_s = HOUR_S
    assert error_s(time, 300.0) == 0.0
    assert time.state(300.0).source == "held"
    assert error_s(time, 590.0) == 0.0
    assert error_s(time, 901.0) == HOUR_S


def test_a_step_that_a_receiver_confirms_is_believed_at_once():
    """The monotonic clock stood still while the machine slept, and the host's was put right."""
    host = Host()
    time = TrustedTime(host)
    assert error_s(time, 0.0) == 0.0
    host.error_s = HOUR_S
    hear(time, 2.0, a=HOUR_S)
    assert error_s(time, 2.0) == HOUR_S


def test_receivers_that_agree_stand_in_for_a_host_that_was_never_set():
    for host in (Host(is_set=False), Host(is_synchronised=False)):
        host.error_s = -3 * 86_400.0  # the time of the last shutdown, as boards without battery do
        time = TrustedTime(host)
        hear(time, 1.0, a=-0.3)
        assert error_s(time, 1.0) is None, "one witness is none"
        hear(time, 3.0, a=-0.3, b=-0.1)
        assert error_s(time, 3.0) == pytest.approx(-0.1)
        assert time.state(3.0).source == "receivers"
        assert time.reason_against(claim(4.0, error_s=1.5), 4.0, 4.0) is None
        assert time.reason_against(claim(4.0, error_s=2.5), 4.0, 4.0) == "future"


def test_two_parties_of_one_size_agree_on_nothing():
    time = TrustedTime(Host(is_set=False))
    hear(time, 1.0, a=0.0, b=0.1, c=100.0, d=100.1)
    assert error_s(time, 1.0) is None
    hear(time, 3.0, a=0.0, b=0.1, c=100.0, d=100.1, e=0.0)
    assert error_s(time, 3.0) == pytest.approx(0.1)


@pytest.mark.parametrize("years", [12, -8, -20])
def test_a_fleet_that_is_wrong_together_is_not_believed(years: int):
    """Receivers of one maker have one firmware, and with it one mistake."""
    wrong_s = years * 365.25 * 86_400
    for host in (Host(is_set=False), Host(is_synchronised=False), Host()):
        time = TrustedTime(host)
        hear(time, 1.0, a=wrong_s, b=wrong_s, c=wrong_s)
        assert error_s(time, 1.0) in (None, 0.0)


@given(st.lists(st.floats(-1.9, 1.9), min_size=50, max_size=200))
def test_no_receiver_drags_the_time_along(errors_s: list[float]):
    host = Host()
    time = TrustedTime(host)
    assert error_s(time, 0.0) == 0.0
    host.is_disciplined = False
    for number, wrong_s in enumerate(errors_s):
        now = 1.0 + number
        drift_s = error_s(time, now) or 0.0
        hear(time, now, a=drift_s + wrong_s)
    now = len(errors_s) + 1.0
    assert abs(error_s(time, now) or 0.0) <= now * 200e-6 + 1e-6


@given(
    st.lists(
        st.tuples(
            st.floats(0.1, 40.0),
            st.sampled_from(["", "step", "sync", "set"]),
            st.floats(-7200, 7200),
            st.integers(0, 3),
        ),
        max_size=60,
    )
)
@example([(1.0, "step", -2.00001, 0)])
@example([(1.0, "step", 1.0, 0), (1.0, "step", 3.0, 0)])
@example([(1.0, "step", 2.0, 0), (1.0, "step", -2.25, 0)])
@example([(19.0, "step", -2.00390625, 0), (1.0, "", 0.0, 0)])
def test_with_good_receivers_the_time_is_right_whatever_the_host_does(steps):
    """The law behind it all: two good receivers, one bad one, and a host that does anything."""
    host = Host()
    time = TrustedTime(host)
    now = 0.0
    assert error_s(time, now) == 0.0
    for seconds, action, size_s, n_bad in steps:
        now += seconds
        if action == "step":
            host.error_s = size_s
        elif action == "sync":
            host.is_disciplined = not host.is_disciplined
        elif action == "set":
            host.is_set = not host.is_set
        hear(time, now, a=-0.2, b=-0.4, **{f"bad{n}": size_s * 10 for n in range(min(n_bad, 1))})
        now += 1.0
        shown = error_s(time, now)
        assert shown is not None
        assert abs(shown) <= 2.5, time.state(now)
        assert time.reason_against(claim(now), now, now) is None


# From bytes to what is kept back (promise: table 1980, 1999, 2019, 2038, BDT week 8191 -> 0).

ANY_HOST = [
    Host(),
    Host(is_synchronised=False),
    Host(is_set=False),
]


class Kept:
    def __init__(self) -> None:
        self.events: list[DomainEvent] = []

    def offer(self, event: DomainEvent) -> None:
        self.events.append(event)


def through(time: TrustedTime, day: dt.date, *, via: Via = Via.SERIAL) -> tuple[Intake, Kept]:
    """Let a receiver say five epochs of a day, through its session and the intake."""
    hub, kept = Hub(), Kept()
    hub.subscribe(kept)
    facts = [DeviceFacts(id="a", via=via)]
    made = Intake(
        facts,
        hub,
        boot="7f3a",
        utc_ns=lambda: BUILT_POSIX_NS,
        monotonic_s=lambda: 5.0,
        time_judge=time,
    )
    session = ReceiverSession(host_gpst_ns=time.gpst_ns, max_future_ns=time.max_future_ns)
    for n in range(5):
        session.receive(epoch(n, day=day), now=float(n))
    session.receive(b"", now=5.0)
    for event in session.events():
        made.take("a", event, 5.0)
    return made, kept


@pytest.mark.parametrize("host", ANY_HOST, ids=["disciplined", "free", "never set"])
@pytest.mark.parametrize(
    ("day", "reason"),
    [
        (dt.date(1980, 1, 6), {"wrong_week", "before_this_software"}),
        (dt.date(1999, 8, 22), {"wrong_week", "before_this_software"}),
        (dt.date(2006, 1, 1), {"wrong_week", "before_this_software"}),  # BDT week 0
        (dt.date(2019, 4, 7), {"wrong_week", "before_this_software"}),
        (dt.date(2038, 1, 19), {"future", None}),
    ],
)
def test_dates_that_cannot_be_never_become_the_latest(host: Host, day: dt.date, reason):
    made, kept = through(TrustedTime(host), day)
    record = made.records["a"]
    if host.is_set or None not in reason:
        assert record.last is None
        assert record.seq == 0
        assert set(record.quarantine_reasons) <= reason
        assert record.quarantined == 5
        assert sum(isinstance(event, FixQuarantined) for event in kept.events) == 5
        assert not any(isinstance(event, DeviceFix) for event in kept.events)
    else:
        # Nobody can tell: without any clock 2038 may be today.
        assert record.seq == 5


@pytest.mark.parametrize("host", ANY_HOST[:2], ids=["disciplined", "free"])
def test_a_date_1024_weeks_ago_is_put_right_where_the_time_is_known(host: Host):
    made, _ = through(TrustedTime(host), DAY - dt.timedelta(weeks=1024))
    record = made.records["a"]
    assert record.last is not None
    assert record.last.fix.time_quality is TimeQuality.GNSS_WEEK_RESOLVED
    assert record.last.fix.t_gpst_ns is not None
    assert format_utc(record.last.fix.t_gpst_ns).startswith(DAY.isoformat())


def test_a_date_1024_weeks_ago_is_kept_back_where_it_is_not():
    made, _ = through(TrustedTime(Host(is_set=False)), DAY - dt.timedelta(weeks=1024))
    assert made.records["a"].quarantine_reasons == {"before_this_software": 5}


@pytest.mark.parametrize(
    ("ahead_ns", "reason"),
    [
        (0, None),
        (2 * SECOND_NS, None),
        (2 * SECOND_NS + 1, "future"),
        (1024 * WEEK_NS, "wrong_week"),
        (-1024 * WEEK_NS, "wrong_week"),
        (8192 * WEEK_NS, "wrong_week"),
        (-8192 * WEEK_NS, "wrong_week"),
        (-3600 * SECOND_NS, None),  # late is not wrong
    ],
)
def test_how_far_off_is_too_far(ahead_ns: int, reason: str | None):
    time = TrustedTime(Host())
    fix = Fix(kind=FixKind.SINGLE, t_gpst_ns=truth(5.0) + ahead_ns, time_quality=TimeQuality.GNSS)
    assert time.reason_against(fix, 5.0, 5.0) == reason


def test_the_week_number_of_bds_begins_anew():
    """BDT week 8191 is followed by 0 on 2163-01-02; a receiver that says 2006 is 8192 weeks off."""

    class Later(Host):
        def gpst_ns(self, now: float) -> int | None:
            return gpst_from_utc(dt.date(2163, 1, 2), 8 * 3600 * SECOND_NS) + round(now * 1e9)

    time = TrustedTime(Later())
    old = gpst_from_utc(dt.date(2006, 1, 1), 8 * 3600 * SECOND_NS)
    fix = Fix(kind=FixKind.SINGLE, t_gpst_ns=old, time_quality=TimeQuality.GNSS)
    assert time.reason_against(fix, 5.0, 5.0) == "wrong_week"
    made, _ = through(TrustedTime(Later()), dt.date(2006, 1, 1))
    record = made.records["a"]
    assert record.last is not None
    assert record.last.fix.time_quality is TimeQuality.GNSS_WEEK_RESOLVED
    assert record.last.fix.t_gpst_ns is not None
    assert format_utc(record.last.fix.t_gpst_ns).startswith("2163-01-02"), "8192 weeks later"


def test_a_recording_speaks_of_another_time():
    made, _ = through(TrustedTime(Host()), dt.date(2019, 4, 7), via=Via.FILE)
    assert made.records["a"].seq == 5


def told(steps: dict[int, float], host: Host) -> list[tuple[object, ...]]:
    """What is published of 100 epochs, one a second, when the host steps at some of them."""
    hub, kept = Hub(), Kept()
    hub.subscribe(kept)
    time = TrustedTime(host)
    clock = [0.0]
    made = Intake(
        [DeviceFacts(id="a", via=Via.SERIAL)],
        hub,
        boot="7f3a",
        utc_ns=lambda: BUILT_POSIX_NS + round((clock[0] + host.error_s) * 1e9),
        monotonic_s=lambda: clock[0],
        time_judge=time,
    )
    session = ReceiverSession(host_gpst_ns=time.gpst_ns, max_future_ns=time.max_future_ns)
    for n in range(100):
        clock[0] = float(n) + 0.1
        host.error_s += steps.get(n, 0.0)
        # A date in every tenth epoch, as many receivers do; the others live of the last one.
        session.receive(epoch(n, day=DAY if n % 10 == 0 else None), now=clock[0])
        for event in session.events():
            made.take("a", event, clock[0])
    assert made.records["a"].quarantined == 0
    return [
        (event.seq, event.fix) if isinstance(event, DeviceFix) else (type(event),)
        for event in kept.events
    ]


@pytest.mark.parametrize("is_synchronised", [True, False])
@pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S])
def test_what_is_published_is_the_same_when_the_host_steps(step_s: float, is_synchronised: bool):
    steady = told({}, Host(is_synchronised=is_synchronised))
    assert len(steady) >= 99
    stepped = told({30: step_s, 60: -step_s, 61: step_s}, Host(is_synchronised=is_synchronised))
    assert stepped == steady
