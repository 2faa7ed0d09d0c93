"""Every recorded frame, decoded by bdgw and by pyrtcm, number by number."""

import math

import pytest

from bdgw.rtcm import decode
from bdgw.rtcm.ephemeris import GlonassEphemeris, KeplerEphemeris
from bdgw.rtcm.field import Layout
from bdgw.rtcm.frame import message_number
from bdgw.rtcm.head import DECODED_NUMBERS
from bdgw.rtcm.message import Unsupported
from bdgw.rtcm.notice import GlonassBias, StationText, SystemParameters
from bdgw.rtcm.observation import Observations
from tests.rtcm import expected, oracle, scalar
from tests.rtcm.corpus import capture_paths, frames_of, sampled

PER_NUMBER = 1_000_000
"""Frames of each message number that are taken of each capture."""

RANGE_M = 2e-7
"""Ten times the rounding of a double at 50,000 km."""
PHASE_CYCLES = 2e-6
DOPPLER_HZ = 1e-9
RELATIVE = 1e-14

ABSENT = {"frequency_channel": 31, "sisa_index": 255, "leap_seconds_s": 255}
"""Raw numbers that the standard calls "not known"; pyrtcm gives them as they are."""


def compare_observations(ours: Observations, parsed, number: int) -> None:
    if number < 1071:
        cells = expected.legacy_cells(parsed, number)
    else:
        cells = expected.msm_cells(parsed, number)
    assert ours.n_cells == len(cells)
    phases, dopplers = ours.phase_cycles, ours.doppler_hz
    for i, cell in enumerate(cells):
        assert ours.satellites[ours.satellite_index[i]] == cell.satellite
        assert ours.signals[ours.signal_index[i]].code == cell.code
        for values, theirs, tolerance in (
            (ours.pseudorange_m, cell.pseudorange_m, RANGE_M),
            (phases, cell.phase_cycles, PHASE_CYCLES),
            (dopplers, cell.doppler_hz, DOPPLER_HZ),
            (ours.lock_s, cell.lock_s, 1e-9),
            (ours.cn0_dbhz, cell.cn0_dbhz, 0.0),
        ):
            assert expected.is_close(float(values[i]), theirs, tolerance), (number, i, cell)
        half = None if ours.is_half_cycle is None else bool(ours.is_half_cycle[i])
        assert half == cell.is_half_cycle
    if number >= 1071:
        assert ours.station == parsed.DF003
        assert ours.has_more == bool(parsed.DF393)
        assert (ours.iods, ours.clock_steering, ours.external_clock) == (
            parsed.DF409,
            parsed.DF411,
            parsed.DF412,
        )
        assert ours.is_divergence_free == bool(parsed.DF417)
        assert ours.smoothing_interval == parsed.DF418
    else:
        names = ("DF007", "DF008") if number < 1009 else ("DF036", "DF037")
        assert ours.has_more == bool(parsed.DF005)
        assert ours.is_divergence_free == bool(getattr(parsed, names[0]))
        assert ours.smoothing_interval == getattr(parsed, names[1])


def assert_same(ours: object, theirs: float, what: object) -> None:
    assert isinstance(ours, int | float), what
    assert ours == pytest.approx(theirs, rel=RELATIVE, abs=0), what


def text_of(parsed, name: str) -> str | None:
    return "".join(oracle.column(parsed, name)) or None


def compare_scalar(ours, parsed, number: int) -> set[str]:
    """Compare all values; give the names of attributes that were held against a field."""
    seen = {"number"}
    for attribute, theirs in scalar.expected_values(number, parsed).items():
        value = getattr(ours, attribute)
        seen.add(attribute)
        if ABSENT.get(attribute) == theirs:
            assert value is None
            continue
        if attribute == "frequency_channel":
            theirs -= 7
        assert_same(value, theirs, (number, attribute))
    for attribute, names in scalar.VECTORS.items():
        if hasattr(ours, attribute):
            seen.add(attribute)
            factor = 1.0 if attribute == "ecef_m" else 1000.0
            for value, name in zip(getattr(ours, attribute), names, strict=True):
                assert_same(value, getattr(parsed, name) * factor, (number, name))
    for attribute, name in scalar.TEXTS.items():
        if hasattr(ours, attribute):
            seen.add(attribute)
            assert getattr(ours, attribute) == text_of(parsed, name)
    if isinstance(ours, KeplerEphemeris | GlonassEphemeris):
        seen.add("satellite")
        (name,) = (n for n in scalar.SATELLITES if hasattr(parsed, n))
        assert ours.satellite == f"{scalar.SATELLITES[name]}{getattr(parsed, name):02d}"
    return seen | compare_special(ours, parsed)


def compare_special(ours, parsed) -> set[str]:
    if isinstance(ours, GlonassEphemeris):
        tk = parsed.DF107
        assert ours.tk_s == (tk >> 7) * 3600 + (tk >> 1 & 63) * 60 + (tk & 1) * 30
        health = bool(parsed.DF104) if parsed.DF105 else None
        assert ours.is_in_good_almanac_health == health
        return {"tk_s", "is_in_good_almanac_health"}
    if isinstance(ours, StationText):
        # pyrtcm gives each code unit of UTF-8 as a letter of its own and leaves out zeros.
        assert ours.text.replace("\0", "") == getattr(parsed, "DF140", "").encode("latin-1").decode(
            "utf-8"
        )
        return {"text"}
    if isinstance(ours, SystemParameters):
        theirs = zip(*(oracle.column(parsed, n) for n in ("DF055", "DF056", "DF057")), strict=True)
        for announcement, (message_number_, sync, period_s) in zip(
            ours.announcements, theirs, strict=True
        ):
            assert announcement.message_number == message_number_
            assert announcement.is_synchronous == bool(sync)
            assert_same(announcement.period_s, period_s, announcement)
        return {"announcements"}
    if isinstance(ours, GlonassBias):
        fields = {"1C": "DF423", "1P": "DF424", "2C": "DF425", "2P": "DF426"}
        theirs_m = {c: getattr(parsed, n) for c, n in fields.items() if hasattr(parsed, n)}
        assert ours.bias_m.keys() == theirs_m.keys()
        for code, bias_m in theirs_m.items():
            if bias_m == -32768 * 0.02:
                assert ours.bias_m[code] is None
                continue
            assert_same(ours.bias_m[code], bias_m, code)
        return {"bias_m"}
    if hasattr(ours, "itrf_year"):
        assert ours.itrf_year == (parsed.DF021 or None)
        return {"itrf_year"}
    return set()


def compare(frame: bytes) -> set[str]:
    number = message_number(frame)
    assert number is not None
    ours = decode(frame)
    if number not in DECODED_NUMBERS:
        assert ours == Unsupported(number, frame[3:-3])
        return set()
    parsed = oracle.parse(frame)
    if isinstance(ours, Observations):
        compare_observations(ours, parsed, number)
        return set()
    seen = compare_scalar(ours, parsed, number)
    given = {name for name in ours.__struct_fields__ if getattr(ours, name) is not None}
    assert given <= seen, f"{number}: not compared: {given - seen}"
    return seen


@pytest.mark.capture
@pytest.mark.parametrize("path", capture_paths(), ids=lambda path: path.name)
def test_all_numbers_are_what_pyrtcm_says(path):
    frames = sampled(path, PER_NUMBER)
    assert frames
    for frame in frames:
        compare(frame)


@pytest.mark.capture
def test_every_recorded_kind_was_compared():
    numbers = {message_number(f) for path in capture_paths() for f in frames_of(path)}
    missing = DECODED_NUMBERS - numbers
    assert missing == {
        *(1101, 1102, 1103, 1105),
        *range(1131, 1136),
    }, "no capture has these; random frames stand in for them"


def test_nothing_is_lost_that_pyrtcm_has():
    """Every data field of the messages without columns is one of our values."""
    compared_elsewhere = {
        *("DF002", "DF021", "DF104", "DF105", "DF107", "DF138", "DF139", "DF053"),
        *("DF029", "DF032", "DF227", "DF229", "DF231"),  # lengths of texts
        *("DF422_1", "DF422_2", "DF422_3", "DF422_4"),  # which biases follow
        *(name for names in scalar.VECTORS.values() for name in names),
        *scalar.SATELLITES,
    }
    for number in scalar.WORDS:
        seen = {scalar.field_of(number, words) for _, words, _ in scalar.WORDS[number]}
        left = {n for n in scalar.fields_of(number) if not n.startswith("DF001")}
        assert left - seen - compared_elsewhere == set(), number


def test_the_tables_agree_with_pyrtcms_own_table():
    """Bits, sign and scale of every row by its data field."""
    from pyrtcm import RTCM_DATA_FIELDS

    from bdgw.rtcm import cell, legacy, navigation, notice, station

    rows = [
        row
        for module in (legacy, navigation, notice, station)
        for value in vars(module).values()
        for row in (value.rows if isinstance(value, Layout) else ())
    ]
    rows += [row for layout in legacy._LAYOUTS.values() for row in layout.row.rows]
    rows += [("", field) for _, _, field in notice._BIASES]
    for table in (cell.SATELLITE_COLUMNS, cell.CELL_COLUMNS):
        rows += [row for columns in table.values() for row in columns]
    checked = set()
    for _, field in rows:
        if field.clause not in RTCM_DATA_FIELDS:
            assert field.clause.startswith(("DF107 ", "DF001_3"))
            continue
        kind, bits, scale, _ = RTCM_DATA_FIELDS[field.clause]
        scale = oracle.TWO_NAMES_WRONG.get(field.clause, scale) or 1
        assert field.bits == bits, field
        assert (field.sign == "signed") == (kind == "INT"), field
        assert (field.sign == "sign_magnitude") == (kind == "SNT"), field
        ratio = field.times / field.per / scale
        unit = {"m/s": (1, 1000), "m": (1, 1000), "m/s2": (1, 1000)}.get(field.unit, (1,))
        allowed = [*unit, math.pi, 1e-9, 900, 0.02**-1]
        assert any(math.isclose(ratio, one, rel_tol=1e-12) for one in allowed), (field, ratio)
        checked.add(field.clause)
    assert len(checked) > 200
