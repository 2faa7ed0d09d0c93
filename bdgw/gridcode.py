"""BeiDou grid location code (北斗网格位置码), two-dimensional form.

Source: GB/T 39409-2020, clause 5 and figures 1 to 8. The code is defined on CGCS2000; positions
in another frame must not be coded. Columns grow away from the prime meridian and rows away from
the equator in every hemisphere, so a code of fewer levels is a prefix of one of more.
"""

from __future__ import annotations

__all__ = ["CELL_SIZE_M", "encode_2d", "level_for_accuracy"]

_UNITS_PER_DEGREE = 3600 * 2048
_POLAR_LIMIT_DEG = 88
# (columns, rows) that each level divides its parent into, level 2 to 10 (clause 5, figure 1).
_SPLITS = ((12, 8), (2, 3), (15, 10), (15, 15), (2, 2), (8, 8), (8, 8), (8, 8), (8, 8))
_Z_ORDER_LEVELS = (3, 6)
_ZONE_UNITS, _BAND_UNITS = 6 * _UNITS_PER_DEGREE, 4 * _UNITS_PER_DEGREE
_DIGITS = "0123456789ABCDEF"

CELL_SIZE_M = (0.0, 445_280.0, 55_660.0, 27_830.0, 1_850.0, 123.7, 61.8, 7.73, 0.97, 0.121, 0.015)
"""Size of a cell along the meridian by level, metres; index 0 is unused."""


def _cells() -> tuple[tuple[int, int, bool], ...]:
    width, height = _ZONE_UNITS, _BAND_UNITS
    cells = []
    for level, (columns, rows) in enumerate(_SPLITS, start=2):
        width //= columns
        height //= rows
        cells.append((width, height, level in _Z_ORDER_LEVELS))
    return tuple(cells)


_CELLS = _cells()
"""Width and height of a cell in units, and whether its digit is in Z order, by level from 2 on."""


def level_for_accuracy(acc_h_m: float | None) -> int:
    """Give the finest level whose cell is not smaller than the accuracy; 7 (7.7 m) if unknown."""
    if acc_h_m is None:
        return 7
    return next((level for level in range(10, 1, -1) if CELL_SIZE_M[level] >= acc_h_m), 1)


def encode_2d(lat_deg: float, lon_deg: float, level: int) -> str:
    """Code a CGCS2000 latitude and longitude (degrees) at a level of 1 to 10.

    Raises:
        ValueError: the level is outside 1 to 10, or the latitude is in the polar zones
            (|lat| >= 88), whose scheme is another one.
    Source: GB/T 39409-2020, clause 5.
    """
    if not 1 <= level <= 10:
        raise ValueError(f"level {level} is outside 1 to 10")
    if not abs(lat_deg) < _POLAR_LIMIT_DEG or not abs(lon_deg) <= 180:
        raise ValueError(f"{lat_deg}, {lon_deg} has no code in the non-polar scheme")
    # A cell of level 10 is 1.5 cm: binary fractions are taken exactly, or points fall next door.
    column = _units(lon_deg)
    row = _units(lat_deg)
    column = min(column, 180 * _UNITS_PER_DEGREE - 1)
    zone, column = divmod(column, _ZONE_UNITS)
    band, row = divmod(row, _BAND_UNITS)
    number = 31 + zone if lon_deg >= 0 else 30 - zone
    code = f"{'N' if lat_deg >= 0 else 'S'}{number:02d}{chr(ord('A') + band)}"
    for width, height, is_z_order in _CELLS[: level - 1]:
        a, column = divmod(column, width)
        b, row = divmod(row, height)
        code += _DIGITS[2 * b + a] if is_z_order else _DIGITS[a] + _DIGITS[b]
    return code


def _units(angle_deg: float) -> int:
    numerator, denominator = abs(angle_deg).as_integer_ratio()
    return numerator * _UNITS_PER_DEGREE // denominator
