from typing import Any

import pytest

from bdgw.caster.spec import CasterSpec, MountKind, MountSpec


def mount(name: str = "M", kind: MountKind = MountKind.LOCAL, **more: Any) -> MountSpec:
    return MountSpec(name=name, kind=kind, **more)


def caster(*mounts: MountSpec, host: str = "127.0.0.1") -> CasterSpec:
    return CasterSpec(host=host, port=0, mounts=mounts)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a;b", "x" * 101, "基站", "a\r\n"])
def test_a_name_that_v1_cannot_carry_is_refused(name):
    with pytest.raises(ValueError, match="mount"):
        mount(name)


@pytest.mark.parametrize(
    "more",
    [
        {"country": "China"},
        {"lat_deg": 1.0},
        {"lat_deg": 91.0, "lon_deg": 0.0},
        {"lat_deg": 0.0, "lon_deg": 181.0},
        {"members": ("A",)},
        {"max_distance_m": 1.0},
    ],
)
def test_values_that_make_no_sense_are_refused(more):
    with pytest.raises(ValueError, match="mount M"):
        mount(**more)


def test_a_mount_stands_once():
    with pytest.raises(ValueError, match="twice: M"):
        caster(mount(), mount())


def test_near_chooses_among_real_mounts():
    near = mount("NEAR", MountKind.NEAR)
    assert [each.name for each in caster(mount("A"), near, mount("B")).members_of(near)] == [
        "A",
        "B",
    ]
    some = mount("NEAR", MountKind.NEAR, members=("B",))
    assert [each.name for each in caster(mount("A"), some, mount("B")).members_of(some)] == ["B"]
    with pytest.raises(ValueError, match="X"):
        caster(mount("NEAR", MountKind.NEAR, members=("X",)))


def test_near_never_mixes_reference_frames():
    a, b = mount("A", frame="CGCS2000"), mount("B", frame="ITRF2014", frame_epoch_year=2024.5)
    with pytest.raises(ValueError, match="reference frame"):
        caster(a, b, mount("NEAR", MountKind.NEAR))
    with pytest.raises(ValueError, match="reference frame"):
        caster(a, mount("C"), mount("NEAR", MountKind.NEAR))
    caster(a, b, mount("NEAR", MountKind.NEAR, members=("A",)))


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("", False), ("0.0.0.0", False)],
)
def test_loopback_is_known(host, is_loopback):
    assert caster(host=host).is_loopback is is_loopback
