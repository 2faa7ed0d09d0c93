"""Take-over and return, as a table of what fits and what does not."""

import pytest

from bdgw.corrections.base_guard import Base
from bdgw.corrections.choice import Chooser, Facts, FailoverRules, StreamKey, misfit
from bdgw.corrections.datum import Datum
from bdgw.geodesy import ecef_from_geodetic

RULES = FailoverRules()
A, B, C = StreamKey("a"), StreamKey("b"), StreamKey("c")
CGCS2000 = Datum.of("CGCS2000", None, owner="a")
WGS84 = Datum.of("WGS84", None, owner="b")
HERE = ecef_from_geodetic(31.0, 121.0, 10.0)
NEAR = ecef_from_geodetic(31.1, 121.0, 10.0)  # 11 km
FAR = ecef_from_geodetic(32.0, 121.0, 10.0)  # 111 km
FULL = frozenset("GREC")


def base(station=1, ecef_m=HERE):
    return Base(station=station, ecef_m=ecef_m, is_virtual=False, at_s=0.0)


ONE_HERE = base()


def facts(
    *,
    datum=CGCS2000,
    live=True,
    live_for_s=1000.0,
    quiet_for_s=0.0,
    base=ONE_HERE,
    systems=FULL,
):
    return Facts(
        datum=datum,
        is_live=live,
        live_for_s=live_for_s if live else 0.0,
        quiet_for_s=quiet_for_s,
        base=base,
        systems=systems,
    )


def dead(quiet_for_s=10.0, **rest):
    return facts(live=False, quiet_for_s=quiet_for_s, **rest)


@pytest.mark.parametrize(
    ("had", "offered", "words"),
    [
        # the same base by another road
        (facts(), facts(), None),
        # another base with another id, near enough
        (facts(), facts(base=base(2, NEAR)), None),
        (facts(), facts(base=base(2, FAR)), "its base is 111 km from the base before"),
        (facts(), facts(base=None), "its base position is not known yet (needs 1005 or 1006)"),
        # the same id at another place: the rover would not notice
        (facts(), facts(base=base(1, NEAR)), "both call themselves station 1"),
        (facts(), facts(systems=frozenset()), "no observations that a rover can use"),
        (facts(), facts(systems=frozenset("G")), "too little in common"),
        (facts(), facts(systems=frozenset("GC")), None),
        (facts(systems=frozenset("C")), facts(systems=frozenset("GR")), "too little in common"),
        (facts(systems=frozenset("C")), facts(systems=frozenset("CG")), None),
        (None, facts(base=base(2, FAR)), None),
    ],
)
def test_what_may_stand_in_for_what(had, offered, words):
    why = misfit(had, offered, rover_m=None, silent_for_s=10.0, rules=RULES)
    if words is None:
        assert why is None
    else:
        assert why is not None
        assert words in why


def test_the_rover_itself_is_the_measure_of_distance_where_it_is_known():
    far = facts(base=base(2, FAR))
    assert misfit(facts(), far, rover_m=FAR, silent_for_s=10.0, rules=RULES) is None
    why = misfit(None, far, rover_m=HERE, silent_for_s=10.0, rules=RULES)
    assert why == "its base is 111 km from the rover (limit 50 km)"


def test_one_id_at_two_places_is_taken_when_receivers_have_let_go():
    clash = facts(base=base(1, NEAR))
    assert misfit(facts(), clash, rover_m=None, silent_for_s=64.0, rules=RULES) is not None
    assert misfit(facts(), clash, rover_m=None, silent_for_s=65.0, rules=RULES) is None


class Run:
    """A chooser and its clock."""

    def __init__(self, *ranked):
        self.ranked = ranked
        self.chooser = Chooser(RULES, began_s=0.0)

    def at(self, now, facts_by_key, *, forward=True):
        self.chooser.choose(self.ranked, facts_by_key, now)
        current = self.chooser.current
        if forward and current is not None and facts_by_key[current].is_live:
            self.chooser.forwarded(facts_by_key[current].datum, now)
        return current


def test_the_first_in_rank_is_taken_as_soon_as_it_is_live():
    run = Run(A, B)
    assert run.at(0.0, {A: dead(0.0), B: facts()}) is None
    assert run.at(1.0, {A: facts(live_for_s=0.0), B: facts()}) == A


def test_a_standby_begins_after_ten_seconds_without_the_first():
    run = Run(A, B)
    assert run.at(9.9, {A: dead(9.9), B: facts()}) is None
    assert run.chooser.refusals[B] == "waits 10 s for the source that is preferred"
    assert run.at(10.0, {A: dead(10.0), B: facts()}) == B


def test_a_standby_takes_over_and_gives_back_after_a_minute_of_health():
    run = Run(A, B)
    run.at(0.0, {A: facts(), B: facts()})
    assert run.at(9.0, {A: dead(9.0), B: facts()}) == A
    assert run.at(10.0, {A: dead(10.0), B: facts()}) == B
    assert run.at(20.0, {A: facts(live_for_s=5.0), B: facts()}) == B
    assert run.chooser.refusals[A] == "comes back after 60 s without a break"
    assert run.at(74.0, {A: facts(live_for_s=59.0), B: facts()}) == B
    assert run.at(75.0, {A: facts(live_for_s=60.0), B: facts()}) == A
    assert run.chooser.n_switches == 3


def test_when_the_standby_dies_too_the_first_is_taken_back_without_the_minute():
    run = Run(A, B)
    run.at(0.0, {A: facts(), B: facts()})
    run.at(10.0, {A: dead(10.0), B: facts()})
    assert run.at(30.0, {A: facts(live_for_s=3.0), B: dead(10.0)}) == A


def test_standbys_are_taken_in_their_rank_and_one_that_does_not_fit_is_passed_over():
    run = Run(A, B, C)
    run.at(0.0, {A: facts(), B: facts(), C: facts()})
    sources = {A: dead(), B: facts(base=base(1, NEAR)), C: facts(base=base(3, NEAR))}
    assert run.at(10.0, sources) == C
    assert "both call themselves station 1" in run.chooser.refusals[B]


def test_a_frame_is_never_mixed_however_long_the_outage():
    run = Run(A, B)
    run.at(0.0, {A: facts(), B: facts(datum=WGS84)})
    for hour in range(1, 100):
        sources = {A: dead(hour * 3600.0), B: facts(datum=WGS84)}
        assert run.at(hour * 3600.0, sources) == A
        assert run.chooser.frame_refusals == {
            B: "frames are not mixed: positions are in CGCS2000 at epoch 2000.0, and it gives WGS84"
        }
    assert run.at(4e5, {A: facts(), B: facts(datum=WGS84)}) == A
    assert run.chooser.frame_refusals == {}


def test_a_device_that_has_had_nothing_may_begin_with_any_frame_and_keeps_it():
    run = Run(A, B)
    assert run.at(10.0, {A: dead(), B: facts(datum=WGS84)}) == B
    assert run.at(500.0, {A: facts(), B: facts(datum=WGS84)}) == B
    assert "frames are not mixed" in run.chooser.refusals[A]


def test_a_source_that_is_off_the_ranking_is_left_when_the_new_one_is_live():
    """The nearest base has changed: the old one serves until the new one delivers."""
    run = Run(A)
    run.at(0.0, {A: facts()})
    run.ranked = (B,)
    offered = facts(base=base(2, NEAR), live_for_s=0.0)
    assert run.at(1.0, {A: facts(), B: dead(1.0, base=None)}) == A
    assert run.at(2.0, {A: facts(), B: offered}) == B


def test_while_nothing_else_fits_the_source_in_use_stays():
    run = Run(A, B)
    run.at(0.0, {A: facts(), B: dead(0.0)})
    assert run.at(100.0, {A: dead(100.0), B: dead(100.0)}) == A
    assert run.at(101.0, {A: facts(live_for_s=0.0), B: dead(100.0)}) == A
    assert run.chooser.n_switches == 1
