"""Which of the corrections sent a fix has used."""

import pytest

from bdgw.corrections.choice import StreamKey
from bdgw.corrections.datum import Datum
from bdgw.corrections.trail import Trail
from bdgw.model import Fix, FixKind, Provenance
from tests.corrections.material import GPST_NS, SECOND_NS

NET, LOCAL = StreamKey("net", "AUTO"), StreamKey("base")
CGCS2000 = Datum.of("CGCS2000", None, owner="net")


def epoch(seconds):
    return GPST_NS + round(seconds * SECOND_NS)


def fix(at_s, *, kind=FixKind.RTK_FIXED, station=None, age_s=None):
    return Fix(kind=kind, t_gpst_ns=epoch(at_s), corr_station=station, corr_age_s=age_s)


def send(trail, key, station, first_s, last_s):
    for second in range(first_s, last_s + 1):
        trail.forwarded(key, CGCS2000, [station], epoch(second), float(second))


def told(key, station, age_s):
    return Provenance(
        name=key.source,
        mount=key.mount,
        station=station,
        age_s=age_s,
        frame="CGCS2000",
        frame_epoch_year=2000.0,
    )


@pytest.mark.parametrize(
    "kind", [kind for kind in FixKind if kind not in ("dgnss", "rtk_float", "rtk_fixed")]
)
def test_a_fix_that_uses_no_correction_has_none(kind):
    trail = Trail()
    send(trail, NET, 1042, 0, 10)
    assert trail.provenance(fix(10, kind=kind, station=1042, age_s=1.0), 10.2) is None


def test_a_reported_station_that_was_sent_names_its_source():
    trail = Trail()
    send(trail, NET, 1042, 0, 10)
    assert trail.provenance(fix(10, station=1042, age_s=0.8), 10.2) == told(NET, 1042, 0.8)


def test_the_age_comes_from_the_epochs_where_the_receiver_gives_none():
    trail = Trail()
    send(trail, NET, 1042, 0, 10)
    found = trail.provenance(fix(11.25, station=1042), 11.3)
    assert found == told(NET, 1042, 1.25)


def test_a_station_that_was_not_sent_is_named_and_nothing_else_is_claimed():
    trail = Trail()
    send(trail, NET, 1042, 0, 10)
    found = trail.provenance(fix(10, station=7, age_s=3.0), 10.2)
    assert found == Provenance(station=7, age_s=3.0)
    assert Trail().provenance(fix(10, station=7), 10.2) == Provenance(station=7)


def test_after_a_change_the_station_that_is_still_used_counts():
    trail = Trail()
    send(trail, NET, 1042, 0, 30)
    send(trail, LOCAL, 5, 41, 60)
    for at_s, station, key in [(42, 1042, NET), (60, 1042, NET), (60, 5, LOCAL)]:
        found = trail.provenance(fix(at_s, station=station, age_s=1.0), at_s + 0.2)
        assert found == told(key, station, 1.0)
    assert trail.provenance(fix(300, station=1042, age_s=1.0), 300.2) == Provenance(
        station=1042, age_s=1.0
    )


def test_where_both_have_one_station_id_the_epoch_decides():
    trail = Trail()
    send(trail, NET, 0, 0, 30)
    send(trail, LOCAL, 0, 41, 60)
    assert trail.provenance(fix(42, station=0, age_s=12.0), 42.2) == told(NET, 0, 12.0)
    assert trail.provenance(fix(44, station=0, age_s=1.0), 44.2) == told(LOCAL, 0, 1.0)


def test_without_a_station_the_epoch_decides():
    trail = Trail()
    send(trail, NET, 1042, 0, 30)
    send(trail, LOCAL, 5, 41, 60)
    assert trail.provenance(fix(42, age_s=12.0), 42.2) == told(NET, 1042, 12.0)
    assert trail.provenance(fix(50, age_s=1.0), 50.2) == told(LOCAL, 5, 1.0)


def test_station_0_is_unknown_unless_it_was_sent():
    trail = Trail()
    send(trail, NET, 1042, 0, 10)
    assert trail.provenance(fix(10, station=0, age_s=1.0), 10.2) == told(NET, 1042, 1.0)


def test_a_code_differential_fix_without_station_and_age_may_be_one_of_sbas():
    trail = Trail()
    send(trail, NET, 1042, 0, 10)
    assert trail.provenance(fix(10, kind=FixKind.DGNSS), 10.2) is None
    assert trail.provenance(fix(10, kind=FixKind.DGNSS, age_s=1.0), 10.2) == told(NET, 1042, 1.0)


def test_a_fix_long_after_the_last_correction_used_none_of_ours():
    trail = Trail()
    send(trail, NET, 1042, 0, 10)
    assert trail.provenance(fix(500), 500.0) is None
    assert Trail().provenance(fix(1), 1.0) is None


def test_a_trail_forgets():
    trail = Trail()
    for i in range(1000):
        key = StreamKey(f"s{i % 40}")
        trail.forwarded(key, CGCS2000, range(i, i + 30), epoch(i), float(i))
    assert len(trail._spells) == 16
    assert all(len(spell.stations) == 16 for spell in trail._spells)
