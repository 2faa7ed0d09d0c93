"""What a receiver says when: cold start, loss, quality, decimation, determinism."""

from fractions import Fraction

import pytest

from fwsim.constellation import System
from fwsim.dialect import DIALECTS, KINDS
from fwsim.receiver import Behaviour, Receiver, Span
from fwsim.scene import Circle, EpochGrid, Place
from fwsim.truth import Fix

START_NS = 1_795_348_800_000_000_000


def make(*, rate_hz=10, seed="0", name="r", **behaviour):
    return Receiver(
        name=name,
        track=Circle(place=Place(lat_deg=31.3, lon_deg=121.5)),
        grid=EpochGrid(rate_hz=Fraction(rate_hz), start_utc_ns=START_NS),
        dialect=DIALECTS["4.11"],
        order="ublox",
        kinds=KINDS,
        systems=(System.GPS, System.BEIDOU),
        behaviour=Behaviour(**behaviour),
        seed=seed,
    )


def lines_of(rendered, kind):
    return [s.data.decode().split("*")[0].split(",") for s in rendered.sentences if s.kind == kind]


def test_any_epoch_comes_out_the_same_in_any_order():
    forward, backward = make(), make()
    ahead = [forward.render(n).data for n in range(25)]
    behind = [backward.render(n).data for n in reversed(range(25))]
    assert ahead == behind[::-1]
    assert len(set(ahead)) == 25


def test_seed_and_name_change_the_sky_and_nothing_else():
    base, other_seed, other_name = make(), make(seed="1"), make(name="q")
    assert base.render(0).data != other_seed.render(0).data
    assert base.render(0).data != other_name.render(0).data
    # No sky on this epoch, and with equal counts of satellites only DOP could differ.
    assert lines_of(base.render(3), "RMC") == lines_of(other_seed.render(3), "RMC")


def test_cold_start_has_no_time_then_no_fix_then_a_fix():
    unit = make(rate_hz=1, cold_start_s=3, acquire_s=2)
    fixes = [unit.render(n).truth["fix"] for n in range(7)]
    assert fixes == ["none"] * 5 + ["single"] * 2
    cold, warm = unit.render(2), unit.render(3)
    assert "t_utc" not in cold.truth
    rmc = lines_of(cold, "RMC")[0]
    assert rmc[1:10] == ["", "V", "", "", "", "", "", "", ""]
    assert rmc[12] == "N"
    assert lines_of(cold, "GGA")[0][1:8] == ["", "", "", "", "", "0", "00"]
    assert lines_of(cold, "ZDA")[0][1:5] == ["", "", "", ""]
    assert {tuple(row[1:4]) for row in lines_of(cold, "GSV")} == {("1", "1", "00")}
    assert warm.truth["t_utc"] == "2026-11-22T12:00:03.000Z"
    assert lines_of(warm, "RMC")[0][1:3] == ["120003.00", "V"]
    assert "lat_deg" not in warm.truth
    assert any(row[3] != "00" for row in lines_of(warm, "GSV"))
    assert all(row[3:15] == [""] * 12 for row in lines_of(warm, "GSA"))


def test_loss_interval_is_half_open():
    unit = make(rate_hz=2, losses=(Span(from_s=1.0, to_s=2.0),))
    fixes = [unit.epoch(n).fix for n in range(6)]
    assert fixes == [Fix.SINGLE, Fix.SINGLE, Fix.NONE, Fix.NONE, Fix.SINGLE, Fix.SINGLE]


def test_quality_follows_the_schedule_and_corrections_have_an_age():
    unit = make(rate_hz=1, quality=((0.0, Fix.SINGLE), (1.0, Fix.RTK_FLOAT), (2.0, Fix.RTK_FIXED)))
    gga = [lines_of(unit.render(n), "GGA")[0] for n in range(3)]
    assert [row[6] for row in gga] == ["1", "5", "4"]
    assert [row[13:15] for row in gga] == [["", ""], ["1.1", "1042"], ["1.2", "1042"]]
    modes = [lines_of(unit.render(n), "RMC")[0][12] for n in range(3)]
    assert modes == ["A", "F", "R"]
    assert unit.render(2).truth["age_s"] == 1.2


def test_nothing_before_the_first_step_of_the_schedule():
    assert make(quality=((5.0, Fix.SINGLE),)).epoch(0).fix is Fix.NONE


def test_sky_comes_once_a_second():
    unit = make(rate_hz=10)
    with_sky = [n for n in range(30) if lines_of(unit.render(n), "GSV")]
    assert with_sky == [0, 10, 20]
    assert all(bool(lines_of(unit.render(n), "GSA")) == (n % 10 == 0) for n in range(30))


@pytest.mark.parametrize(("kinds", "order"), [(("GGA", "ZZQ"), "ublox"), (("GGA",), "nobody")])
def test_unknown_kind_or_order_is_refused(kinds, order):
    with pytest.raises(ValueError, match=r"ZZQ|nobody"):
        Receiver(
            name="r",
            track=Circle(place=Place(lat_deg=0, lon_deg=0)),
            grid=EpochGrid(rate_hz=Fraction(1), start_utc_ns=0),
            dialect=DIALECTS["4.11"],
            order=order,
            kinds=kinds,
            systems=(System.GPS,),
            behaviour=Behaviour(),
        )


def test_truth_speaks_only_of_what_the_sentences_carry():
    def truth(*kinds, dialect="4.11"):
        return (
            Receiver(
                name="r",
                track=Circle(place=Place(lat_deg=31.3, lon_deg=121.5)),
                grid=EpochGrid(rate_hz=Fraction(1), start_utc_ns=START_NS),
                dialect=DIALECTS[dialect],
                order="ublox",
                kinds=kinds,
                systems=(System.GPS,),
                behaviour=Behaviour(quality=((0.0, Fix.RTK_FLOAT),)),
            )
            .render(0)
            .truth
        )

    assert {"lat_deg", "alt_msl_m", "hdop"} <= truth("GGA").keys()
    assert not {"speed_m_s", "course_deg"} & truth("GGA").keys()
    assert not {"alt_msl_m", "hdop", "sats_used"} & truth("RMC").keys()
    assert not {"lat_deg", "t_utc"} & truth("VTG").keys()
    # Old mode characters know no RTK: a reader without GGA cannot tell.
    assert truth("RMC", dialect="2.3")["fix"] == "dgnss"
    assert truth("RMC", "GGA", dialect="2.3")["fix"] == "rtk_float"
