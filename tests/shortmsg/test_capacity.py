"""The table against the reference's own derived columns; the rules of choice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.errors import ConfigError, EncodeError
from bdgw.shortmsg.capacity import (
    SYSTEM_LIMIT_BITS,
    TABLE,
    Certainty,
    Override,
    capacity_bits,
    limit_of,
    whole_bytes,
)
from bdgw.shortmsg.vocabulary import Card, Family, Service

# RDSS digest 8.1: level, encrypted, bits, bytes, 汉字, digits.
TABLE_8_1 = [
    (1, False, 110, 13, 7, 27),
    (2, False, 408, 51, 29, 102),
    (3, False, 628, 78, 44, 157),
    (4, False, 848, 106, 60, 212),
    (1, True, 140, 17, 10, 35),
    (2, True, 360, 45, 25, 90),
    (3, True, 580, 72, 41, 145),
    (4, True, 1680, 210, 120, 420),
]


def card(level: int = 3, **more: object) -> Card:
    return Card(address=1, interval_s=60, level=level, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("family", [Family.BD1, Family.BD2])
@pytest.mark.parametrize(("level", "encrypted", "bits", "n_bytes", "hanzi", "digits"), TABLE_8_1)
def test_levels_of_the_second_generation(family, level, encrypted, bits, n_bytes, hanzi, digits):
    got = capacity_bits(card(level, is_encrypted=encrypted), family=family)
    assert got == bits
    assert (whole_bytes(got), got // 14, got // 4) == (n_bytes, hanzi, digits)


@pytest.mark.parametrize(("level", "bits"), [(1, 110), (2, 360), (3, 580), (4, 848)])
def test_a_card_that_hides_its_encryption_gets_the_smaller_limit(level, bits):
    assert capacity_bits(card(level), family=Family.BD2) == bits


def test_express_is_188_bits_at_every_level():
    for level in range(1, 5):
        limit = limit_of(card(level), express=True, family=Family.BD1)
        assert (limit.bits, limit.certainty) == (188, Certainty.CERTAIN)
    with pytest.raises(EncodeError, match="express"):
        capacity_bits(card(2), express=True, family=Family.BD3)


def test_how_sure_a_number_is_goes_with_it():
    assert limit_of(card(is_encrypted=False), family=Family.BD1).certainty is Certainty.CERTAIN
    assert limit_of(card(is_encrypted=True), family=Family.BD1).certainty is Certainty.SINGLE
    assert limit_of(card(2), family=Family.BD3).certainty is Certainty.UNCERTAIN


@pytest.mark.parametrize(
    ("level", "bits"), [(0, 960), (1, 960), (2, 960), (3, 3600), (4, 7700), (5, 14_000)]
)
def test_levels_of_the_third_generation(level, bits):
    assert capacity_bits(card(level), family=Family.BD3) == bits


def test_global_service():
    able = card(2, global_interval_s=60, global_level=1)
    assert capacity_bits(able, Service.GLOBAL, family=Family.BD3) == 560
    for unable in (card(2), card(2, global_interval_s=0, global_level=0)):
        with pytest.raises(EncodeError, match="no global service"):
            capacity_bits(unable, Service.GLOBAL, family=Family.BD3)
    with pytest.raises(EncodeError, match="no global service"):
        capacity_bits(able, Service.GLOBAL, family=Family.BD2)


@pytest.mark.parametrize(
    ("level", "family"), [(0, Family.BD1), (5, Family.BD2), (6, Family.BD3), (-1, Family.BD3)]
)
def test_unknown_levels_are_refused(level, family):
    with pytest.raises(EncodeError, match="configure it"):
        capacity_bits(card(level), family=family)


def test_the_first_fitting_override_wins_over_the_table():
    overrides = [
        Override(bits=936, family=Family.BD2, level=4),
        Override(bits=500, level=3, is_encrypted=True),
        Override(bits=600),
    ]

    def bits(level: int, **more: object) -> int:
        return capacity_bits(card(level, **more), overrides=overrides, family=Family.BD2)

    assert (bits(4), bits(3, is_encrypted=True), bits(3), bits(1)) == (936, 500, 600, 600)
    assert limit_of(card(), overrides=overrides, family=Family.BD2).certainty is (
        Certainty.CONFIGURED
    )
    assert capacity_bits(card(), express=True, overrides=overrides, family=Family.BD2) == 188


def test_an_override_never_goes_beyond_the_system():
    wide = [Override(bits=14_000)]
    assert capacity_bits(card(), overrides=wide, family=Family.BD1) == 1680
    for wrong in (
        {"bits": 7},
        {"bits": 14_001},
        {"bits": 561, "service": Service.GLOBAL},
        {"bits": 1681, "family": Family.BD1},
        {"bits": 100, "family": Family.BD1, "service": Service.GLOBAL},
    ):
        with pytest.raises(ConfigError):
            Override(**wrong)


def test_no_row_goes_beyond_its_system():
    for row in TABLE:
        for family in row.families:
            assert 0 < row.bits <= SYSTEM_LIMIT_BITS[family, row.service]


@given(
    level=st.integers(-2, 9),
    is_encrypted=st.none() | st.booleans(),
    global_level=st.none() | st.integers(-1, 9),
    global_interval_s=st.none() | st.integers(0, 600),
    service=st.sampled_from(Service),
    express=st.booleans(),
    family=st.sampled_from(Family),
)
def test_any_card_gives_a_number_or_a_clear_error(
    level, is_encrypted, global_level, global_interval_s, service, express, family
):
    one = card(
        level,
        is_encrypted=is_encrypted,
        global_level=global_level,
        global_interval_s=global_interval_s,
    )
    try:
        bits = capacity_bits(one, service, express, family=family)
    except EncodeError:
        return
    assert 0 < bits <= SYSTEM_LIMIT_BITS[family, service]
