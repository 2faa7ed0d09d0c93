"""Writes ANTEX 1.4 by its definition of columns, and one antenna of the IGS with its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

TRM59800_G01_MM = (
    (1.04, 0.70, 89.51),
    (0.0, -0.24, -0.90, -1.93, -3.23, -4.66, -6.04, -7.17, -7.90, -8.14, -7.89, -7.19, -6.11,
     -4.62, -2.59, 0.24, 4.11, 9.17, 15.28),
)  # fmt: skip
TRM59800_G02_MM = (
    (0.12, 0.0, 117.13),
    (0.0, -0.14, -0.53, -1.14, -1.89, -2.73, -3.58, -4.38, -5.02, -5.39, -5.37, -4.89, -3.98,
     -2.72, -1.22, 0.55, 2.82, 6.04, 10.76),
)  # fmt: skip
"""TRM59800.00 NONE in igs14_2000.atx: north, east, up; zenith angles 0 to 90 at azimuth 0.

As the unit tests of Ginan (Geoscience Australia) say that file has them.
"""

Carrier = tuple[Sequence[float], Sequence[float] | Sequence[Sequence[float]]]


def line(content: str, label: str) -> str:
    return f"{content:<60}{label}"


def header(kind: str = "A") -> list[str]:
    return [
        line(f"{1.4:8.1f}{'':12}M", "ANTEX VERSION / SYST"),
        line(kind, "PCV TYPE / REFANT"),
        line("", "END OF HEADER"),
    ]


def antenna(
    name: str,
    carriers: Mapping[str, Carrier],
    *,
    serial: str = "",
    svn: str = "",
    azimuth_step_deg: float = 0.0,
    zenith: tuple[float, float, float] = (0.0, 90.0, 5.0),
    valid: Sequence[str] = (),
    has_rms: bool = False,
) -> list[str]:
    """One antenna; a carrier is its offset north, east, up and a row or the rows of azimuths, mm.

    With rows NOAZI is their mean.
    """
    found = [
        line("", "START OF ANTENNA"),
        line(f"{name:<20}{serial:<20}{svn:<10}", "TYPE / SERIAL NO"),
        line("ROBOT               Nobody                 1    01-JAN-20", "METH / BY / # / DATE"),
        line(f"  {azimuth_step_deg:6.1f}", "DAZI"),
        line("  " + "".join(f"{v:6.1f}" for v in zenith), "ZEN1 / ZEN2 / DZEN"),
        line(f"{len(carriers):6d}", "# OF FREQUENCIES"),
        *valid,
        line("MADE_UP", "SINEX CODE"),
    ]
    for carrier, (offset, variation) in carriers.items():
        rows = [list(row) for row in variation if isinstance(row, Sequence)]
        bare = [sum(c) / len(c) for c in zip(*rows, strict=True)] if rows else list(variation)
        block = [
            line("".join(f"{v:10.2f}" for v in offset), "NORTH / EAST / UP"),
            "   NOAZI" + "".join(f"{v:8.2f}" for v in bare),
        ]
        block += [
            f"{k * azimuth_step_deg:8.1f}" + "".join(f"{v:8.2f}" for v in row)
            for k, row in enumerate(rows)
        ]
        found += [line(f"   {carrier}", "START OF FREQUENCY"), *block]
        found.append(line(f"   {carrier}", "END OF FREQUENCY"))
        if has_rms:
            found += [line(f"   {carrier}", "START OF FREQ RMS"), *block]
            found.append(line(f"   {carrier}", "END OF FREQ RMS"))
    return [*found, line("", "END OF ANTENNA")]


def trimble(name: str = "TRM59800.00     NONE") -> list[str]:
    return antenna(name, {"G01": TRM59800_G01_MM, "G02": TRM59800_G02_MM})
