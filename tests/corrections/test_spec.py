import pytest

from bdgw.corrections import Datum, SessionPolicy, SourceKind, SourceSpec, frame_conflicts
from bdgw.ntrip.address import CasterAddress

CASTER = CasterAddress(host="caster.example.com")


def test_a_source_says_what_is_wrong_with_it():
    with pytest.raises(ValueError, match="cannot have the name 'nearest'"):
        SourceSpec(name="nearest", address=CASTER)
    with pytest.raises(ValueError, match="an address belongs to ntrip"):
        SourceSpec(name="a")
    with pytest.raises(ValueError, match="an address belongs to ntrip"):
        SourceSpec(name="a", kind=SourceKind.LOCAL, address=CASTER)
    with pytest.raises(ValueError, match="a local base is shared"):
        SourceSpec(name="a", kind=SourceKind.LOCAL, session=SessionPolicy.PER_DEVICE)
    with pytest.raises(ValueError, match="above 0"):
        SourceSpec(name="a", address=CASTER, max_age_s=0.0)
    with pytest.raises(ValueError, match="each standby is another source"):
        SourceSpec(name="a", address=CASTER, standby=("a",))


def test_frame_and_epoch_are_normalised():
    spec = SourceSpec(name="a", address=CASTER, mount="M", frame="cgcs-2000")
    assert spec.datum == Datum("CGCS2000", 2000.0)
    assert not spec.is_nearest
    assert SourceSpec(name="a", address=CASTER).is_nearest


def test_standbys_that_can_never_take_over_are_found_before_the_start():
    specs = [
        SourceSpec(name="a", address=CASTER, mount="A", frame="CGCS2000", standby=("b", "c", "d")),
        SourceSpec(name="b", address=CASTER, mount="B", frame="WGS84"),
        SourceSpec(name="c", address=CASTER, mount="C", frame="CGCS 2000", frame_epoch_year=2000.0),
        SourceSpec(name="d", address=CASTER, mount="D"),
    ]
    conflicts = frame_conflicts(specs)
    assert len(conflicts) == 2
    assert conflicts[0].startswith("correction 'a': standby 'b' will be refused: frames are not")
    assert "'d' does not state" in conflicts[1]
