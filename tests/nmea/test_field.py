import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.nmea import field
from bdgw.nmea.field import FieldError
from tests.nmea.writer import clock, coordinate

SECOND_NS = 1_000_000_000
NOT_NUMBERS = [
    "nan",
    "NaN",
    "inf",
    "-inf",
    "Infinity",
    "1_0",
    "1__0",
    "0x10",
    "--1",
    "1e999",
    "1,",
    "#",
]


@pytest.mark.parametrize("reader", [field.number, field.non_negative, field.angle_deg])
@pytest.mark.parametrize("text", [*NOT_NUMBERS, "9" * 1000, "1" + "0" * 9, "abc"])
def test_what_is_no_finite_number_is_refused(reader, text):
    with pytest.raises(ValueError):
        reader(text)


@pytest.mark.parametrize(
    "reader",
    [
        field.number,
        field.non_negative,
        field.angle_deg,
        field.integer,
        field.station,
        field.quality,
        field.character,
        field.word,
        field.time_of_day_ns,
        field.date_ddmmyy,
    ],
)
def test_an_empty_field_is_absent_and_never_zero(reader):
    assert reader("") is None


def test_plain_numbers_are_read():
    assert field.number("-16.27") == -16.27
    assert field.non_negative("0") == 0.0
    assert field.non_negative("00.9") == 0.9
    assert field.integer("08") == 8
    assert field.integer("0000") == 0
    assert field.number(" 1.5") == 1.5  # some receivers pad with blanks


def test_what_cannot_be_below_zero_is_refused_there():
    with pytest.raises(FieldError):
        field.non_negative("-0.1")


@pytest.mark.parametrize("text", [*NOT_NUMBERS, "-1", "+1", "1.0", "12345", "9" * 1000, " 1"])
def test_what_is_no_count_is_refused(text):
    with pytest.raises(FieldError):
        field.integer(text)


@pytest.mark.parametrize("text", ["AAAA", "TSTR", "-1", "9" * 1000])
def test_a_station_that_is_no_number_is_absent_and_spoils_nothing(text):
    assert field.station(text) is None


def test_a_station_number_keeps_its_value():
    assert field.station("0000") == 0
    assert field.station("2025") == 2025


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0.0), ("359.9", 359.9), ("360.0", 0.0), ("271.30", 271.3)]
)
def test_a_direction_is_between_0_and_360(text, value):
    assert field.angle_deg(text) == value


@pytest.mark.parametrize("text", ["360.1", "-0.1", "720"])
def test_a_direction_beyond_the_circle_is_refused(text):
    with pytest.raises(FieldError):
        field.angle_deg(text)


@pytest.mark.parametrize("text", ["10", "A", "-", "1.0"])
def test_a_quality_is_one_digit(text):
    with pytest.raises(FieldError):
        field.quality(text)


@pytest.mark.parametrize("text", ["AA", "10"])
def test_a_character_field_holds_one_character(text):
    with pytest.raises(FieldError):
        field.character(text)


# Degrees by hand from degrees and minutes: 47 + 17.11399 / 60 and so on.
@pytest.mark.parametrize(
    ("text", "letter", "degrees"),
    [
        ("4717.11399", "N", 47.2852331667),
        ("3954.5232000", "N", 39.90872),
        ("3200.0000000", "S", -32.0),
        ("9000.0000", "N", 90.0),
        ("9000", "S", -90.0),
        ("0000.0000", "N", 0.0),
        ("04717.11399", "N", 47.2852331667),
    ],
)
def test_a_latitude_is_degrees_and_minutes(text, letter, degrees):
    assert field.latitude_deg(text, letter) == pytest.approx(degrees, abs=1e-10)


@pytest.mark.parametrize(
    ("text", "letter", "degrees"),
    [
        ("00833.91590", "E", 8.565265),
        ("11623.8488000", "E", 116.39748),
        ("00030.0000000", "W", -0.5),
        ("18000.0000", "W", -180.0),
        ("17959.99999999", "E", 180.0 - 1e-8 / 60),
    ],
)
def test_a_longitude_is_degrees_and_minutes(text, letter, degrees):
    assert field.longitude_deg(text, letter) == pytest.approx(degrees, abs=1e-10)


BROKEN_COORDINATES = [
    "4760.0000",  # minutes 60
    "4799.0000",
    "9000.0001",  # beyond the pole
    "9100.0000",
    "18000.0001",
    "-4717.1",
    "+4717.1",
    "47-17.1",
    "47+7.038",
    "47 7.038",
    " 4717.1",
    "4717.1 ",
    "1_000.0",
    "4717.1_1",
    "471e1",
    "4717.1e1",
    "nan",
    "inf",
    "4717.1.1",
    "7",
    ".5",
    "9" * 500,
    "9" * 500 + "00.0",
]


@pytest.mark.parametrize("text", BROKEN_COORDINATES)
def test_a_broken_latitude_is_refused(text):
    with pytest.raises(FieldError):
        field.latitude_deg(text, "N")


@pytest.mark.parametrize(
    "text", [t for t in BROKEN_COORDINATES if t not in {"9000.0001", "9100.0000"}]
)
def test_a_broken_longitude_is_refused(text):
    with pytest.raises(FieldError):
        field.longitude_deg(text, "E")


@pytest.mark.parametrize("letter", ["", "E", "n", "NN", "0"])
def test_a_latitude_without_its_hemisphere_is_refused(letter):
    with pytest.raises(FieldError):
        field.latitude_deg("4717.1", letter)


def test_an_empty_coordinate_is_absent_whatever_its_letter():
    assert field.latitude_deg("", "N") is None
    assert field.longitude_deg("", "") is None


def test_zero_degrees_south_is_plain_zero():
    assert str(field.latitude_deg("0000.000", "S")) == "0.0"
    assert str(field.longitude_deg("00000.000", "W")) == "0.0"


@given(st.integers(min_value=-90 * 60 * 10**7, max_value=90 * 60 * 10**7))
def test_a_latitude_comes_back_to_the_tenth_decimal(minutes_e7):
    text, letter = coordinate(minutes_e7, 2, "NS").split(",")
    # 1e-10 degree is 0.01 mm: what the reader promises to keep.
    assert field.latitude_deg(text, letter) == pytest.approx(minutes_e7 / 60e7, abs=1.01e-10)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("000000", 0.0),
        ("092725.00", 34_045.0),
        ("172829.20", 62_909.2),
        ("235959.999", 86_399.999),
        ("235960", 86_400.0),
        ("235960.5", 86_400.5),
        ("120000.", 43_200.0),
    ],
)
def test_a_time_of_day_is_exact(text, seconds):
    assert field.time_of_day_ns(text) == round(seconds * 1000) * 1_000_000


@pytest.mark.parametrize(
    "text",
    [
        "240000",
        "236000",
        "235961",
        "120060",
        "000060.0",
        "-12000",
        "+12000",
        "12:00:00",
        " 12000",
        "1200",
        "1200000",
        "12000.0",
        "120000.0000000001",
        "120000.-1",
        "120000.1.1",
        "1_0000",
        "nan",
        "9" * 900,
        "120000." + "9" * 900,
    ],
)
def test_a_broken_time_of_day_is_refused(text):
    with pytest.raises(FieldError):
        field.time_of_day_ns(text)


@given(st.integers(min_value=0, max_value=86_401 * SECOND_NS - 1))
def test_a_time_of_day_comes_back_to_the_nanosecond(tod_ns):
    assert field.time_of_day_ns(clock(tod_ns, 9)) == tod_ns


# Vectors of the reference: two digits from 80 on are of the last century.
@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("130324", dt.date(2024, 3, 13)),
        ("060180", dt.date(1980, 1, 6)),
        ("311299", dt.date(1999, 12, 31)),
        ("290224", dt.date(2024, 2, 29)),
        ("010179", dt.date(2079, 1, 1)),
    ],
)
def test_a_date_of_six_digits(text, day):
    assert field.date_ddmmyy(text) == day


@pytest.mark.parametrize("text", ["290223", "000124", "010024", "320124", "1", "2208-1", "9" * 500])
def test_a_day_that_is_in_no_calendar_is_refused(text):
    with pytest.raises(ValueError):
        field.date_ddmmyy(text)


@pytest.mark.parametrize(
    "parts",
    [
        ("1", "1", "9" * 20),
        ("1", "1", "12345"),
        ("1", "1", "0000"),
        ("9" * 30, "1", "2024"),
        ("1", "9" * 30, "2024"),
        ("-1", "1", "2024"),
        ("1", "1_0", "2024"),
    ],
)
def test_a_full_date_that_is_in_no_calendar_is_refused(parts):
    with pytest.raises(ValueError):
        field.day_month_year(*parts)


def test_a_full_date_is_read_and_absent_where_a_part_is():
    assert field.day_month_year("13", "03", "2024") == dt.date(2024, 3, 13)
    assert field.day_month_year("", "03", "2024") is None
