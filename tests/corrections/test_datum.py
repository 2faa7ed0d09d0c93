import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.corrections.datum import Datum, normalise_frame


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("CGCS2000", "CGCS2000"),
        ("cgcs 2000", "CGCS2000"),
        ("国家2000", "CGCS2000"),
        ("EPSG:4490", "CGCS2000"),
        ("WGS-84", "WGS84"),
        ("wgs_84", "WGS84"),
        ("ITRF2014", "ITRF2014"),
        ("itrf14", "ITRF2014"),
        ("IGS20", "ITRF2020"),
        ("ITRF 2008", "ITRF2008"),
        ("ETRS89", "ETRS89"),
    ],
)
def test_spellings_of_one_frame_are_one_name(written, name):
    assert normalise_frame(written) == name


@given(st.text(max_size=40))
def test_a_name_once_normalised_stays(text):
    assert normalise_frame(normalise_frame(text)) == normalise_frame(text)


def of(frame, epoch=None, owner="a"):
    return Datum.of(frame, epoch, owner=owner)


def test_cgcs2000_stands_at_its_epoch_whether_it_is_written_or_not():
    assert of("CGCS2000") == of("cgcs-2000", 2000.0, "b")
    assert of("CGCS2000").refusal(of("CGCS2000", 2000.0)) is None
    assert of("CGCS2000").epoch_year == 2000.0


@pytest.mark.parametrize("other", ["WGS84", "ITRF2008", "ITRF2014", "ITRF2020", "Xian 80"])
def test_cgcs2000_is_mixed_with_nothing_else(other):
    why = of("CGCS2000").refusal(of(other))
    assert why is not None
    assert "CGCS2000 at epoch 2000.0" in why
    assert normalise_frame(other) in why


def test_the_epoch_counts_as_well():
    assert of("ITRF2014", 2010.0).refusal(of("ITRF2014", 2026.5)) is not None
    assert of("ITRF2014", 2010.0).refusal(of("ITRF2014")) is not None
    assert of("WGS84").refusal(of("WGS84", owner="b")) is None


def test_a_frame_that_nobody_stated_equals_only_that_of_its_own_source():
    assert of(None, owner="a").refusal(of(None, owner="a")) is None
    why = of(None, owner="a").refusal(of(None, owner="b"))
    assert why == (
        "frames are not mixed: positions are in a frame that 'a' does not state, "
        "and it gives a frame that 'b' does not state"
    )
    assert of(None).refusal(of("WGS84")) is not None
    assert of("Xian 80").refusal(of("Xian 80", owner="b")) is None
