"""The bytes that reach a receiver decide its fix: better with time, worse with age."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwsim.constellation import System
from fwsim.correction import UNSUPPORTED, Corrections, Patience
from fwsim.gnss_time import NS_PER_S, gpst_of_utc_ns
from fwsim.reference_station import Move, ReferenceStation, StationSpec
from fwsim.rtcm_frame import FrameReader
from fwsim.rtcm_head import ObservationHead, read_head
from fwsim.scene import Place
from fwsim.truth import Fix

START_NS = gpst_of_utc_ns((1_795_348_800 + 12) * NS_PER_S)
SITE = Place(lat_deg=31.2994, lon_deg=121.5033)
QUICK = Patience(
    dgnss_after_s=1,
    float_after_s=2,
    fixed_after_s=4,
    fixed_max_age_s=3,
    float_max_age_s=6,
    dgnss_max_age_s=9,
)
ALL = (System.GPS, System.GLONASS, System.GALILEO, System.BEIDOU)


def at(second):
    return START_NS + round(second * NS_PER_S)


def station(**settings):
    settings = {"ephemeris_every_s": 0, "position_every_s": 1, "station": 77} | settings
    return ReferenceStation(StationSpec(place=SITE, **settings), seed="1")


def stream(unit, second):
    return b"".join(unit.frames(at(second)))


TWO_SECONDS = b"".join(b"".join(station().frames(at(second))) for second in range(2))


def play(corrections, unit, seconds, *, silent=()):
    """Feed an epoch a tenth of a second late, and ask at the full seconds."""
    words = []
    for second in seconds:
        words.append(corrections.support(at(second)).fix.word)
        if second not in silent:
            corrections.feed(stream(unit, second), at(second + 0.1))
    return words


def test_a_fix_gets_better_in_time():
    corrections = Corrections(ALL, QUICK)
    words = play(corrections, station(), range(8))
    assert words == ["single", "single", "dgnss"] + ["rtk_float"] * 2 + ["rtk_fixed"] * 3
    support = corrections.support(at(7.5))
    assert (support.fix, support.age_s, support.station) == (Fix.RTK_FIXED, 0.5, 77)


def test_it_gets_worse_with_age_and_recovers():
    corrections = Corrections(ALL, QUICK)
    words = play(corrections, station(), range(28), silent=range(8, 20))
    assert words[7:11] == ["rtk_fixed"] * 4  # age 1, 1, 2, 3 s
    assert words[11:14] == ["rtk_float"] * 3
    assert words[14:17] == ["dgnss"] * 3
    assert words[17:21] == ["single"] * 4
    assert words[21:26] == ["single", "dgnss", "rtk_float", "rtk_float", "rtk_fixed"]


def test_after_a_short_gap_the_float_solution_is_still_there():
    corrections = Corrections(ALL, QUICK)
    words = play(corrections, station(), range(18), silent=range(8, 12))
    assert words[10:13] == ["rtk_fixed", "rtk_float", "rtk_float"]
    # Two seconds from float to fixed, as at the beginning.
    assert words[13:17] == ["rtk_float", "rtk_float", "rtk_fixed", "rtk_fixed"]


def test_no_position_no_use():
    corrections = Corrections(ALL, QUICK)
    assert set(play(corrections, station(position_every_s=0), range(10))) == {"single"}
    assert corrections.n_frames > 20
    late = station(position_every_s=10)  # the next one comes at second 10
    assert play(corrections, late, range(10, 17))[1:3] == ["single", "dgnss"]


def test_position_alone_no_use():
    corrections = Corrections((System.QZSS,), QUICK)
    assert set(play(corrections, station(), range(10))) == {"single"}


@pytest.mark.parametrize("settings", [{"msm": 7}, {"is_legacy": True, "systems": ALL[:2]}])
@pytest.mark.parametrize("systems", [ALL[:1], ALL[1:2]])
def test_one_system_in_common_is_enough(settings, systems):
    corrections = Corrections(systems, QUICK)
    assert play(corrections, station(**settings), range(8))[-1] == "rtk_fixed"


def test_bds_epochs_have_the_age_of_the_others():
    supports = []
    for system in ALL:
        corrections = Corrections((system,), QUICK)
        play(corrections, station(msm=7), range(6))
        supports.append(corrections.support(at(6.25)))
    assert [support.age_s for support in supports] == [1.25] * 4
    assert {support.station for support in supports} == {77}


def test_old_epochs_are_stale_and_never_make_a_fix_fresh():
    corrections = Corrections(ALL, QUICK)
    unit = station()
    late = [stream(unit, second) for second in range(5)]
    n_observations = sum(
        isinstance(read_head(payload), ObservationHead)
        for data in late
        for payload in FrameReader().feed(data)
    )
    assert n_observations >= 25
    play(corrections, unit, range(5, 12))
    for data in late:
        corrections.feed(data, at(11.5))
    assert corrections.n_stale == n_observations
    assert corrections.support(at(12)).age_s == 1.0
    # Older than the limit altogether, to a receiver that has nothing.
    other = Corrections(ALL, QUICK)
    for data in late:
        other.feed(data, at(60))
    assert other.n_stale == n_observations
    assert other.support(at(60)) == UNSUPPORTED


def test_another_station_begins_anew():
    corrections = Corrections(ALL, QUICK)
    play(corrections, station(), range(8))
    other = station(station=78)
    words = play(corrections, other, range(8, 16))
    assert words[0] == "rtk_fixed"
    assert words[1:6] == ["single", "dgnss", "rtk_float", "rtk_float", "rtk_fixed"]
    assert corrections.support(at(15.5)).station == 78


def test_a_base_that_moves_begins_anew():
    corrections = Corrections(ALL, QUICK)
    unit = station(moves=(Move(at_gpst_ns=at(8), east_m=5.0),))
    words = play(corrections, unit, range(16))
    assert words[8] == "rtk_fixed"
    assert words[9:14] == ["single", "dgnss", "rtk_float", "rtk_float", "rtk_fixed"]


def test_damaged_frames_count_and_are_not_used():
    corrections = Corrections(ALL, QUICK)
    unit = station()
    for second in range(8):
        data = bytearray(stream(unit, second))
        for place in range(40, len(data), 90):
            data[place] ^= 0x10
        corrections.support(at(second))
        corrections.feed(bytes(data), at(second))
    assert corrections.n_crc_failures > 20
    assert corrections.support(at(8)) == UNSUPPORTED


@given(st.lists(st.integers(1, 400), min_size=1, max_size=20))
def test_pieces_make_no_difference(sizes):
    whole, pieces = Corrections(ALL, QUICK), Corrections(ALL, QUICK)
    data = TWO_SECONDS
    whole.feed(data, at(2))
    i = 0
    while data:
        size = sizes[i % len(sizes)]
        pieces.feed(data[:size], at(2))
        data, i = data[size:], i + 1
    assert whole.support(at(2)) == pieces.support(at(2))
    assert whole.support(at(4)) == pieces.support(at(4))
    assert whole.support(at(4)).fix is Fix.RTK_FLOAT
    assert whole.n_frames == pieces.n_frames > 10


@given(st.binary(max_size=300))
def test_any_bytes_are_survived(data):
    corrections = Corrections(ALL, QUICK)
    corrections.feed(data, at(0))
    assert corrections.support(at(0)) == UNSUPPORTED


@pytest.mark.parametrize(
    "settings",
    [
        {"float_after_s": 20.0},
        {"dgnss_after_s": -1.0},
        {"fixed_max_age_s": 70.0},
        {"dgnss_max_age_s": 30.0},
    ],
)
def test_limits_out_of_order_are_refused(settings):
    with pytest.raises(ValueError, match="order"):
        Patience(**settings)
