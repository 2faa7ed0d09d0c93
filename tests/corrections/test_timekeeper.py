from bdgw.corrections.timekeeper import Timekeeper
from bdgw.model import Fix, FixKind, TimeQuality
from tests.corrections.material import GPST_NS, SECOND_NS

HOUR_NS = 3600 * SECOND_NS


def fix(gpst_ns, *, kind=FixKind.SINGLE, quality=TimeQuality.GNSS):
    return Fix(kind=kind, t_gpst_ns=gpst_ns, time_quality=quality)


def at(seconds):
    return GPST_NS + round(seconds * SECOND_NS)


def test_nobody_knows_at_first():
    opinions = Timekeeper().opinions(0.0)
    assert opinions.receiver_ns is None
    assert opinions.host_ns is None
    assert not opinions.agree


def test_a_slewed_host_clock_is_no_step_and_an_hour_is():
    keeper = Timekeeper()
    for i in range(100):
        keeper.host_seen(at(i * 1.0005), float(i))
    assert not keeper.opinions(100.0).is_host_in_doubt
    keeper.host_seen(at(100) + HOUR_NS, 100.0)
    assert keeper.opinions(100.0).is_host_in_doubt
    assert keeper.opinions(100.0).host_ns == GPST_NS + HOUR_NS


def test_a_receiver_that_confirms_the_host_ends_the_doubt():
    keeper = Timekeeper()
    keeper.host_seen(at(0) - HOUR_NS, 0.0)
    keeper.host_seen(at(1), 1.0)
    assert keeper.opinions(1.0).is_host_in_doubt
    keeper.fix_seen("a", fix(at(1.9)), 2.0)
    assert not keeper.opinions(2.0).is_host_in_doubt
    assert keeper.opinions(2.0).agree


def test_the_fix_that_came_fastest_in_the_last_minute_counts():
    keeper = Timekeeper()
    for second, delay_s in [(0, 3.0), (1, 0.25), (2, 8.0), (3, 2.0)]:
        keeper.fix_seen("a", fix(at(second)), second + delay_s)
    assert keeper.opinions(10.0).receiver_ns == GPST_NS - SECOND_NS // 4
    keeper.fix_seen("a", fix(at(98)), 100.0)
    assert keeper.opinions(100.0).receiver_ns == GPST_NS - 2 * SECOND_NS


def test_a_receiver_that_gives_fixes_for_ever_is_never_without_an_opinion():
    keeper = Timekeeper()
    for i in range(300):
        keeper.fix_seen("a", fix(at(i - 0.5 - (i % 7) / 10)), float(i))
        assert keeper.opinions(float(i)).receiver_ns is not None
    assert keeper.opinions(299.0 + 61.0).receiver_ns is None


def test_one_wrong_receiver_of_three_is_outvoted():
    keeper = Timekeeper()
    for device, error_s in [("a", -0.2), ("b", 3600.0), ("c", -0.4)]:
        keeper.fix_seen(device, fix(at(50 + error_s)), 50.0)
    assert abs((keeper.opinions(50.0).receiver_ns or 0) - GPST_NS) < SECOND_NS


def test_a_time_without_a_fix_or_a_day_says_nothing():
    keeper = Timekeeper()
    keeper.fix_seen("a", fix(at(0), kind=FixKind.NONE), 0.0)
    keeper.fix_seen("a", fix(at(0), quality=TimeQuality.HOST_DATE), 0.0)
    keeper.fix_seen("a", fix(at(0), quality=TimeQuality.IMPLAUSIBLE), 0.0)
    keeper.fix_seen("a", fix(None), 0.0)
    assert keeper.opinions(0.0).receiver_ns is None
