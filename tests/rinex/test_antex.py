"""Reading ANTEX, by files that are written from the definition of its columns."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.errors import DecodeError
from bdgw.rinex.antex import antenna_name, read_antex
from tests.rinex.antex_text import TRM59800_G01_MM, antenna, header, line, trimble

WEEK_NS = 604_800_000_000_000
ROW = [0.0, -1.0, 2.0]
COARSE = (0.0, 90.0, 45.0)


def test_an_antenna_of_the_igs() -> None:
    found = read_antex(header() + trimble()).find("TRM59800.00     NONE")
    assert found is not None
    assert found.remark is None
    model = found.model
    assert (model.name, model.radome, model.serial) == ("TRM59800.00", "NONE", None)
    assert sorted(model.patterns) == ["G01", "G02"]
    assert model.zenith_deg == (0.0, 90.0)
    one = model.patterns["G01"]
    assert one.offset_enu_m == pytest.approx((0.00070, 0.00104, 0.08951))
    assert len(one.variation_m) == 1
    assert one.variation_m[0] == pytest.approx([v / 1000.0 for v in TRM59800_G01_MM[1]])


def test_rows_of_azimuth_are_read_and_the_last_is_the_first() -> None:
    rows = [[0.0, float(k), -float(k)] for k in (0, 1, 2, 3, 0)]
    text = antenna(
        "AAA BBB         SNOW",
        {"C02": ((1.0, 2.0, 3.0), rows), "R01": ((4.0, 5.0, 6.0), rows)},
        azimuth_step_deg=90.0,
        zenith=COARSE,
        has_rms=True,
    )
    found = read_antex(header() + text).find("aaa bbb snow")
    assert found is not None
    assert sorted(found.model.patterns) == ["C02", "R01"]
    assert found.model.patterns["C02"].variation_m == tuple(
        (0.0, k / 1000.0, -k / 1000.0) for k in range(4)
    )


def test_satellites_and_strangers_are_passed_over() -> None:
    carriers = {"G01": ((279.0, 0.0, 2319.5), ROW)}
    text = header()
    text += antenna("BLOCK IIA", carriers, serial="G01", svn="G032", zenith=COARSE)
    text += antenna("BEIDOU-3M-CAST", carriers, serial="C19", zenith=COARSE)
    text += [line("REMARK", "COMMENT"), "", *trimble()]
    found = read_antex(text)
    assert [entry.model.name for entry in found.entries] == ["TRM59800.00"]
    assert found.n_damaged == 0
    assert found.find("BLOCK IIA") is None


def test_radome_serial_and_validity_choose_among_entries() -> None:
    def one(name: str, up_mm: float, **more: object) -> list[str]:
        return antenna(name, {"G01": ((0.0, 0.0, up_mm), ROW)}, zenith=COARSE, **more)  # type: ignore[arg-type]

    since = f"{2020:6d}{1:6d}{1:6d}{0:6d}{0:6d}{0.0:13.7f}"
    until = f"{2019:6d}{12:6d}{31:6d}{23:6d}{59:6d}{59.9999999:13.7f}"
    atx = read_antex(
        header()
        + one("LEIAR25.R3      NONE", 10.0)
        + one("LEIAR25.R3      LEIT", 20.0)
        + one("LEIAR25.R3      LEIT", 30.0, serial="0815")
        + one("OLDNEW          NONE", 40.0, valid=[line(until, "VALID UNTIL")])
        + one("OLDNEW          NONE", 50.0, valid=[line(since, "VALID FROM")])
    )

    def up_mm(name: str, week: int = 2200, serial: str | None = None) -> tuple[float, bool]:
        found = atx.find(name, week * WEEK_NS, serial=serial)
        assert found is not None
        return 1000.0 * found.model.patterns["G01"].offset_enu_m[2], found.remark is not None

    assert up_mm("LEIAR25.R3 LEIT") == (20.0, False)
    assert up_mm("LEIAR25.R3 LEIT", serial="0815") == (30.0, False)
    assert up_mm("LEIAR25.R3 LEIT", serial="4711") == (20.0, False)
    assert up_mm("LEIAR25.R3") == (10.0, False)
    assert up_mm("LEIAR25.R3      SNOW") == (10.0, True)
    # GPS week 2000 is of May 2018, week 2200 of March 2022.
    assert up_mm("OLDNEW", 2000) == (40.0, False)
    assert up_mm("OLDNEW", 2200) == (50.0, False)
    assert atx.find("LEIAR10") is None
    assert atx.find("") is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("TRM59800.00     NONE", ("TRM59800.00", "NONE")),
        ("TRM59800.00", ("TRM59800.00", "NONE")),
        ("TRM59800.00     ", ("TRM59800.00", "NONE")),
        ("leiar25.r3 leit", ("LEIAR25.R3", "LEIT")),
        ("ADVNULLANTENNA  NONE", ("ADVNULLANTENNA", "NONE")),
        ("  ", ("", "NONE")),
    ],
)
def test_names(text: str, name: tuple[str, str]) -> None:
    assert antenna_name(text) == name


@pytest.mark.parametrize(
    "text",
    [
        [],
        ["nothing"],
        [line("     3.04           OBSERVATION DATA    M", "RINEX VERSION / TYPE")],
        header("R") + trimble(),
    ],
)
def test_what_is_no_absolute_antex_is_refused(text: list[str]) -> None:
    with pytest.raises(DecodeError):
        read_antex(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("   89.51", "   nan  "),
        ("   89.51", "  1e9   "),
        ("   -0.24", "        "),
        ("   5.0", "   0.0"),
        ("   5.0", "   7.0"),
        ("90.0   5.0", "90.0  1e-9"),
        ("NORTH / EAST / UP", "NORTH"),
        ("END OF ANTENNA", "END OF WHAT"),
        ("   G01", "   ???"),
        ("     0.0", "     7.0"),
        ("     0.0", "    1e-9"),
        ("TRM59800.00     NONE", " " * 20),
    ],
)
def test_a_damaged_antenna_is_left_out_and_counted(old: str, new: str) -> None:
    damaged = "\n".join(trimble()).replace(old, new).split("\n")
    atx = read_antex(header() + damaged)
    assert atx.entries == []
    assert atx.n_damaged == 1


def test_an_antenna_whose_grid_changes_between_carriers_is_left_out_and_counted() -> None:
    text = antenna("X", {"C02": ((1, 2, 3), ROW)}, zenith=COARSE)
    other = antenna("X", {"C06": ((1, 2, 3), ROW[:2])}, zenith=(0.0, 90.0, 90.0))
    zenith = next(one for one in other if "ZEN1" in one)
    begin = next(k for k, one in enumerate(other) if "START OF FREQUENCY" in one)
    end = next(k for k, one in enumerate(text) if "END OF ANTENNA" in one)
    atx = read_antex(header() + text[:end] + [zenith] + other[begin:])
    assert atx.entries == []
    assert atx.n_damaged == 1


LINES = header() + trimble() + antenna("X", {"C02": ((1, 2, 3), ROW)}, zenith=COARSE)


@given(
    st.lists(
        st.one_of(
            st.sampled_from(LINES),
            st.text(max_size=90),
            st.builds(
                lambda text, at, put: text[:at] + put + text[at + len(put) :],
                st.sampled_from(LINES),
                st.integers(0, 90),
                st.text(alphabet="0123456789.-+eEnaifNOAZI \x00€", max_size=9),
            ),
        ),
        max_size=60,
    )
)
def test_no_lines_raise_anything_but_a_refusal(lines: list[str]) -> None:
    for text in (lines, header() + lines):
        try:
            atx = read_antex(text)
        except DecodeError:
            continue
        for entry in atx.entries:
            for pattern in entry.model.patterns.values():
                values = [v for row in pattern.variation_m for v in row]
                assert all(map(math.isfinite, (*pattern.offset_enu_m, *values)))
