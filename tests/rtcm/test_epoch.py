"""Epochs against the reference's week resolutions, a recorded day change, and leap seconds."""

import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.rtcm.epoch import epoch_gpst_ns, raw_epoch_gpst_ns
from bdgw.rtcm.head import RawEpoch, TimeScale, read_head
from bdgw.timescale import WEEK_NS, gpst_from_utc, utc_from_gpst
from tests.conftest import shared_data
from tests.rtcm.corpus import frames_of
from tests.rtcm.sealing import frame_of

S_NS = 1_000_000_000
SCALES = {"MSM BDS": TimeScale.BDT, "MSM GPS": TimeScale.GPST}


def gpst(week: int, second: float) -> int:
    return week * WEEK_NS + round(second * 1e9)


def test_weeks_of_the_reference():
    rows = json.loads(shared_data("vectors", "rtcm3.json").read_text(encoding="utf-8"))
    tried = 0
    for row in rows["week_resolve"]:
        if row["msg"] not in SCALES:
            continue
        epoch = RawEpoch(SCALES[row["msg"]], row["tow_ms"])
        near = gpst(*row["reference_gps_time"])
        assert raw_epoch_gpst_ns(epoch, near) == gpst(*row["expect_gps"])
        tried += 1
    assert tried == 2


def test_a_bds_epoch_is_14_s_ahead_in_gpst():
    """The reference's 1127: 318931 s BDT is 318945 s GPST of week 2305."""
    head = read_head(frame_of((12, 1127), (12, 0), (30, 318_931_000), (115, 0)))
    assert head is not None
    assert epoch_gpst_ns(head, gpst(2305, 318_000)) == gpst(2305, 318_945)
    assert epoch_gpst_ns(head, gpst(2306, 0)) == gpst(2305, 318_945)
    assert epoch_gpst_ns(head, gpst(2306, 200_000)) == gpst(2306, 318_945)


def test_gps_and_glonass_of_one_recorded_epoch_are_one_instant():
    """Recorded across Moscow's midnight: 21:42:53 UTC on 2017-07-28 (its own 1013 says the day)."""
    near = gpst_from_utc(dt.date(2017, 7, 28), 78_174 * S_NS)
    instants: dict[int, list[int]] = {1004: [], 1012: []}
    for frame in frames_of(shared_data("gnss", "rtcm3", "glo_day_rollover.rtcm")):
        head = read_head(frame)
        if head is not None and head.number in instants:
            instant = epoch_gpst_ns(head, near)
            assert instant is not None
            assert epoch_gpst_ns(head, near - 36_000 * S_NS) == instant
            assert epoch_gpst_ns(head, near + 36_000 * S_NS) == instant
            instants[head.number].append(instant)
    assert instants[1004] == instants[1012]
    assert len(instants[1004]) == 7
    assert utc_from_gpst(instants[1004][0]) == (dt.date(2017, 7, 28), 78_173 * S_NS)


@pytest.mark.parametrize(
    ("day", "leap_s"), [(dt.date(2016, 12, 31), 17), (dt.date(2017, 1, 1), 18)]
)
def test_leap_seconds_of_the_day_count(day, leap_s):
    """15:00 in Moscow is 12:00 UTC; GPST is ahead of UTC by what the table of the IERS says."""
    noon = (day - dt.date(1980, 1, 6)).days * 86_400 + 43_200 + leap_s
    epoch = RawEpoch(TimeScale.GLONASS, 15 * 3_600_000)
    assert raw_epoch_gpst_ns(epoch, noon * S_NS - 3600 * S_NS) == noon * S_NS


def test_glonass_takes_the_day_within_half_a_day():
    """The reference is 23:30 UTC, which is 02:30 of the next day in Moscow."""
    near = gpst_from_utc(dt.date(2024, 3, 13), 84_600 * S_NS)
    for tod_s, expected in (
        (9_000, (dt.date(2024, 3, 13), 84_600)),  # 02:30 Moscow = 23:30 UTC
        (0, (dt.date(2024, 3, 13), 75_600)),  # midnight in Moscow = 21:00 UTC
        (86_399, (dt.date(2024, 3, 13), 75_599)),  # a second before it
        (50_000, (dt.date(2024, 3, 14), 39_200)),  # 10 h 53 min ahead
        (55_000, (dt.date(2024, 3, 13), 44_200)),  # 11 h 13 min back
    ):
        instant = raw_epoch_gpst_ns(RawEpoch(TimeScale.GLONASS, tod_s * 1000), near)
        assert instant is not None
        day, second = expected
        assert utc_from_gpst(instant) == (day, second * S_NS)


def test_the_day_of_the_week_in_glonass_messages_is_not_believed():
    near = gpst(2305, 318_945)
    for day_of_week in (None, 0, 3, 7):
        epoch = RawEpoch(TimeScale.GLONASS, 59_727_000 + 3 * 3_600_000 - 86_400_000, day_of_week)
        assert raw_epoch_gpst_ns(epoch, near) is None
        epoch = RawEpoch(TimeScale.GLONASS, 59_727_000 + 3 * 3_600_000, day_of_week)
        # 16:35:27 UTC (59727 s of 2024-03-13) is 318945 s of week 2305.
        assert raw_epoch_gpst_ns(epoch, near) == near


@pytest.mark.parametrize(
    "epoch",
    [
        RawEpoch(TimeScale.GPST, 604_800_000),
        RawEpoch(TimeScale.BDT, (1 << 30) - 1),
        RawEpoch(TimeScale.GLONASS, 86_401_000),
        RawEpoch(TimeScale.GLONASS, (1 << 27) - 1, 7),
    ],
)
def test_a_time_out_of_its_range_is_unknown(epoch):
    assert raw_epoch_gpst_ns(epoch, gpst(2305, 0)) is None


def test_a_message_without_an_epoch_has_none():
    head = read_head(frame_of((12, 1005), (140, 0)))
    assert head is not None
    assert epoch_gpst_ns(head, gpst(2305, 0)) is None


def test_near_the_beginning_of_gpst_nothing_breaks():
    assert raw_epoch_gpst_ns(RawEpoch(TimeScale.GLONASS, 3 * 3_600_000), 0) == 0


@given(
    st.integers(gpst(1200, 0), gpst(4000, 0)),
    st.integers(-302_399, 302_399),
    st.sampled_from([TimeScale.GPST, TimeScale.BDT]),
)
def test_any_instant_within_half_a_week_comes_back(truth_ns, off_s, scale):
    truth_ns -= truth_ns % 1_000_000
    behind_s = 14 if scale is TimeScale.BDT else 0
    tow_ms = (truth_ns - behind_s * S_NS) % WEEK_NS // 1_000_000
    assert raw_epoch_gpst_ns(RawEpoch(scale, tow_ms), truth_ns + off_s * S_NS) == truth_ns


@given(st.integers(gpst(1200, 0), gpst(4000, 0)), st.integers(-43_100, 43_100))
def test_any_glonass_instant_within_half_a_day_comes_back(truth_ns, off_s):
    truth_ns -= truth_ns % 1_000_000
    _, tod_ns = utc_from_gpst(truth_ns)
    tod_ms = (tod_ns // 1_000_000 + 10_800_000) % 86_400_000
    if tod_ns >= 86_400 * S_NS:
        return  # a leap second shares its number with the second after it
    found = raw_epoch_gpst_ns(RawEpoch(TimeScale.GLONASS, tod_ms), truth_ns + off_s * S_NS)
    assert found == truth_ns
