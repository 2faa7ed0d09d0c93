"""Every dialect's satellite numbers; the ranges are of the makers' own tables."""

import pytest

from bdgw.nmea.satellite import SYSTEM_BY_ID, SYSTEM_BY_TALKER, normalise
from bdgw.nmea.sentence import Gsa, Gsv, decode
from tests.nmea.writer import joined


@pytest.mark.parametrize(
    ("talker", "number", "satellite"),
    [
        # NMEA 0183 4.11: each system from 1 under its own talker.
        ("GP", 1, ("G", 1)),
        ("GP", 32, ("G", 32)),
        ("GB", 1, ("C", 1)),
        ("GB", 63, ("C", 63)),
        ("GA", 36, ("E", 36)),
        ("GQ", 1, ("J", 1)),
        ("GQ", 10, ("J", 10)),
        ("GI", 15, ("I", 15)),
        ("GL", 1, ("R", 1)),
        # SBAS as PRN minus 87, GLONASS as slot plus 64.
        ("GP", 33, ("S", 120)),
        ("GP", 64, ("S", 151)),
        ("GL", 65, ("R", 1)),
        ("GL", 96, ("R", 32)),
        # BeiDou before 4.11.
        ("BD", 101, ("C", 1)),
        ("BD", 140, ("C", 40)),
        ("BD", 141, ("C", 1)),
        ("BD", 161, ("C", 21)),
        ("BD", 200, ("C", 60)),
        ("BD", 201, ("C", 1)),
        ("BD", 263, ("C", 63)),
        ("GB", 401, ("C", 1)),
        ("GB", 437, ("C", 37)),
        ("PQ", 5, ("C", 5)),
        ("BD", 7, ("C", 7)),
        # QZSS by PRN under its own talker and under GP; Galileo by offset.
        ("GQ", 193, ("J", 1)),
        ("GP", 193, ("J", 1)),
        ("QZ", 195, ("J", 3)),
        ("GA", 301, ("E", 1)),
        ("GA", 336, ("E", 36)),
        # One talker for all: the number alone.
        ("GN", 5, ("G", 5)),
        ("GN", 40, ("S", 127)),
        ("GN", 70, ("R", 6)),
        ("GN", 193, ("J", 1)),
        ("GN", 205, ("C", 5)),
        ("GN", 308, ("E", 8)),
        ("GN", 419, ("C", 19)),
    ],
)
def test_a_number_becomes_the_systems_own_prn(talker, number, satellite):
    assert normalise(SYSTEM_BY_TALKER.get(talker, ""), number) == satellite
    sentence = decode(joined(talker + "GSV", 1, 1, "01", number, 45, 180, 40))
    assert isinstance(sentence, Gsv)
    assert [(s.system, s.prn) for s in sentence.satellites] == [satellite]
    assert sentence.n_unknown == 0


@pytest.mark.parametrize(
    ("talker", "number"),
    [("GB", 64), ("GB", 99), ("BD", 264), ("GB", 464), ("GP", 0), ("GP", 99), ("GL", 97)],
)
def test_a_number_of_no_dialect_is_counted_and_left_out(talker, number):
    sentence = decode(joined(talker + "GSV", 1, 1, "02", number, 45, 180, 40, "05", 1, 2, 3))
    assert isinstance(sentence, Gsv)
    assert sentence.n_unknown == 1
    assert [s.prn for s in sentence.satellites] == [5]
    used = [number, 5] + [None] * 10
    gsa = decode(joined(talker + "GSA", "A", 3, *used, "1.1", "0.6", "0.9"))
    assert isinstance(gsa, Gsa)
    assert gsa.n_unknown == 1
    assert len(gsa.used) == 1


@pytest.mark.parametrize(
    ("system_id", "letter"), [(1, "G"), (2, "R"), (3, "E"), (4, "C"), (5, "J"), (6, "I")]
)
def test_the_system_id_of_a_gsa_names_the_system(system_id, letter):
    number = 66 if letter == "R" else 2
    fields = [number] + [None] * 11
    sentence = decode(joined("GNGSA", "A", 3, *fields, "1.1", "0.6", "0.9", system_id))
    assert isinstance(sentence, Gsa)
    assert sentence.used == ((letter, 2),)
    assert SYSTEM_BY_ID[str(system_id)] == letter


def test_numbers_of_each_system_are_within_what_the_system_has():
    """Whatever a dialect writes, the PRN that comes out exists in RINEX 3.05, table of systems."""
    highest = {"G": 32, "R": 32, "E": 36, "C": 63, "J": 10, "I": 18, "S": 158}
    for system in ("G", "C", "R", "E", "J", "I", ""):
        for number in range(1000):
            found = normalise(system, number)
            if found is not None:
                letter, prn = found
                assert 1 <= prn <= highest[letter], (system, number)
