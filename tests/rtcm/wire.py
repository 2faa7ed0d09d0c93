"""Random frames of every message that is decoded, put together bit by bit.

Lengths of fields come from the rows of bdgw, which ``test_oracle`` holds against pyrtcm's table;
the bits are written by ``tests.rtcm.sealing``. Every number of a field can come up, its absent
value often. What cannot come back as it was is left out, and said where.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from bdgw.rtcm import cell, legacy, navigation
from bdgw.rtcm.field import RESERVED, Field
from bdgw.rtcm.head import DECODED_NUMBERS
from tests.rtcm.sealing import bits_of, payload_of, sealed

Pairs = list[tuple[int, int]]

MSM_NUMBERS = tuple(n for n in sorted(DECODED_NUMBERS) if 1071 <= n <= 1137)
LEGACY_NUMBERS = (1001, 1002, 1003, 1004, 1009, 1010, 1011, 1012)
OTHER_NUMBERS = tuple(sorted(DECODED_NUMBERS - {*MSM_NUMBERS, *LEGACY_NUMBERS}))


def numbers_of(field: Field) -> st.SearchStrategy[int]:
    """Any bits of a field; its extremes and its absent value come up often."""
    top = (1 << field.bits) - 1
    special = {0, top, 1 << (field.bits - 1)}
    if field.absent is not None:
        special.add(field.absent & top)
    return st.one_of(st.sampled_from(sorted(special)), st.integers(0, top))


def uint(bits: int) -> st.SearchStrategy[int]:
    return st.integers(0, (1 << bits) - 1)


@st.composite
def _row(draw: st.DrawFn, rows: tuple[tuple[str, Field], ...]) -> Pairs:
    pairs = []
    for name, field in rows:
        raw = 0 if name == RESERVED else draw(numbers_of(field))
        if name == "tk_min":
            raw %= 60  # time of day is one number of seconds
        pairs.append((field.bits, raw))
    return pairs


@st.composite
def ephemerides(draw: st.DrawFn, number: int) -> bytes:
    _, layout, _ = navigation._MESSAGES[number]
    pairs = draw(_row(layout.rows))
    names = [name for name, _ in layout.rows]
    if "has_almanac" in names and pairs[names.index("has_almanac")][1] == 0:
        # The health of an almanac that the station does not have is not kept.
        pairs[names.index("is_almanac_good")] = (1, 0)
    return sealed(payload_of(bits_of([(12, number), *pairs])))


@st.composite
def legacy_frames(draw: st.DrawFn, number: int) -> bytes:
    layout = legacy._LAYOUTS[number]
    count = draw(st.integers(0, 6))
    pairs: Pairs = [(12, number)]
    for name, field in layout.head.rows:
        pairs.append((field.bits, count if name == "n_satellites" else draw(uint(field.bits))))
    for _ in range(count):
        row = draw(_row(layout.row.rows))
        names = [name for name, _ in layout.row.rows]
        if layout.system == "R" and "code2" in names:
            # Both reserved values of DF046 are "not known".
            at = names.index("code2")
            row[at] = (2, min(row[at][1], 2))
        pairs += row
    return sealed(payload_of(bits_of(pairs)))


@st.composite
def msm_frames(draw: st.DrawFn, number: int) -> bytes:
    level = number % 10
    satellites = draw(st.lists(st.integers(1, 64), unique=True, max_size=6))
    signals = draw(
        st.lists(st.integers(1, 32), unique=True, max_size=8 if len(satellites) < 5 else 4)
    )
    n_mask = len(satellites) * len(signals)
    cell_mask = draw(uint(n_mask)) if n_mask else 0
    pairs: Pairs = [
        *((12, number), (12, draw(uint(12))), (30, draw(uint(30)))),
        *((1, draw(uint(1))), (3, draw(uint(3))), (7, 0), (2, draw(uint(2))), (2, draw(uint(2)))),
        *((1, draw(uint(1))), (3, draw(uint(3)))),
        (64, sum(1 << (64 - i) for i in satellites)),
        (32, sum(1 << (32 - i) for i in signals)),
        (n_mask, cell_mask),
    ]
    columns = [
        [
            [draw(numbers_of(field)) for _ in satellites]
            for _, field in cell.SATELLITE_COLUMNS[level]
        ],
        [
            [draw(numbers_of(field)) for _ in range(cell_mask.bit_count())]
            for _, field in cell.CELL_COLUMNS[level]
        ],
    ]
    _make_plain(columns, level, cell_mask, len(satellites), len(signals))
    for rows, values in zip(
        (cell.SATELLITE_COLUMNS[level], cell.CELL_COLUMNS[level]), columns, strict=True
    ):
        for (_, field), column in zip(rows, values, strict=True):
            pairs += [(field.bits, raw) for raw in column]
    return sealed(payload_of(bits_of(pairs), draw(st.integers(0, 3))))


def _make_plain(
    columns: list[list[list[int]]], level: int, cell_mask: int, n_satellites: int, n_signals: int
) -> None:
    """Take out what says nothing: parts of a value whose other part is absent; reserved locks."""
    of_satellite = {name: i for i, (name, _) in enumerate(cell.SATELLITE_COLUMNS[level])}
    of_cell = {name: i for i, (name, _) in enumerate(cell.CELL_COLUMNS[level])}
    fields: dict[str, Field] = dict(cell.CELL_COLUMNS[level])
    last = n_satellites * n_signals - 1
    owner = [k // n_signals for k in range(last + 1) if cell_mask >> (last - k) & 1]
    satellites, cells = columns
    if "lock" in of_cell and fields["lock"].bits == 10:
        cells[of_cell["lock"]] = [min(raw, 704) for raw in cells[of_cell["lock"]]]

    def silence(names: tuple[str, ...], at: int) -> None:
        for name in names:
            if name in of_cell:
                bits, absent = fields[name].bits, fields[name].absent
                assert absent is not None
                for i, whose in enumerate(owner):
                    if whose == at:
                        cells[of_cell[name]][i] = absent & ((1 << bits) - 1)

    for at in range(n_satellites):
        if "rough_int" in of_satellite and satellites[of_satellite["rough_int"]][at] == 255:
            satellites[of_satellite["rough_mod"]][at] = 0
            silence(("code", "phase"), at)
        if "rough_rate" in of_satellite and satellites[of_satellite["rough_rate"]][at] == 1 << 13:
            silence(("rate",), at)


def _text() -> st.SearchStrategy[bytes]:
    return st.binary(max_size=40)


def _with_length(data: bytes) -> Pairs:
    return [(8, len(data)), *((8, byte) for byte in data)]


@st.composite
def other_frames(draw: st.DrawFn, number: int) -> bytes:
    if number in navigation._MESSAGES:
        return draw(ephemerides(number))
    pairs: Pairs = [(12, number), (12, draw(uint(12)))]
    pairs += draw(_BODIES[number])
    return sealed(payload_of(bits_of(pairs)))


@st.composite
def _position(draw: st.DrawFn, has_height: bool) -> Pairs:
    widths = [6, 1, 1, 1, 1, 38, 1, 1, 38, 2, 38] + ([16] if has_height else [])
    reserved = 7
    return [(w, 0 if i == reserved else draw(uint(w))) for i, w in enumerate(widths)]


@st.composite
def _physical(draw: st.DrawFn) -> Pairs:
    return [(w, draw(uint(w))) for w in (12, 6, 38, 38, 38)]


@st.composite
def _equipment(draw: st.DrawFn, n_more: int) -> Pairs:
    pairs = [*_with_length(draw(_text())), (8, draw(uint(8)))]
    for _ in range(n_more):
        pairs += _with_length(draw(_text()))
    return pairs


@st.composite
def _parameters(draw: st.DrawFn) -> Pairs:
    rows = draw(st.lists(st.tuples(uint(12), uint(1), uint(16)), max_size=31))
    head = [(16, draw(uint(16))), (17, draw(uint(17))), (5, len(rows)), (8, draw(uint(8)))]
    return head + [pair for row in rows for pair in zip((12, 1, 16), row, strict=True)]


@st.composite
def _station_text(draw: st.DrawFn) -> Pairs:
    text = draw(st.text(st.characters(codec="utf-8"), max_size=60))
    data = text.encode()
    head = [(16, draw(uint(16))), (17, draw(uint(17))), (7, len(text)), (8, len(data))]
    return head + [(8, byte) for byte in data]


@st.composite
def _bias(draw: st.DrawFn) -> Pairs:
    mask = draw(uint(4))
    biases = [(16, draw(st.one_of(st.just(0x8000), uint(16)))) for _ in range(mask.bit_count())]
    return [(1, draw(uint(1))), (3, 0), (4, mask), *biases]


_BODIES: dict[int, st.SearchStrategy[Any]] = {
    1005: _position(has_height=False),
    1006: _position(has_height=True),
    1007: _equipment(0),
    1008: _equipment(1),
    1013: _parameters(),
    1029: _station_text(),
    1032: _physical(),
    1033: _equipment(4),
    1230: _bias(),
}


def frames(number: int) -> st.SearchStrategy[bytes]:
    """Frames of one message number."""
    if number in MSM_NUMBERS:
        return msm_frames(number)
    if number in LEGACY_NUMBERS:
        return legacy_frames(number)
    return other_frames(number)
