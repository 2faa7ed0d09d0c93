"""Which reference frame a correction puts a position into, and whether two are the same.

Coordinates are never converted here. CGCS2000 stands at epoch 2000.0 and the frames of satellites
stand at today's: after 25 years they lie some 0.7 m apart in China, so a rover that is moved from
one to the other jumps, and nothing in its data says so.
"""

from __future__ import annotations

import re

import msgspec

__all__ = ["Datum", "normalise_frame"]

_CGCS2000 = "CGCS2000"
_CGCS2000_EPOCH_YEAR = 2000.0
"""By its definition: ITRF97 at 2000.0."""

# Spellings in configurations, contracts and sourcetables -> one name.
_NAMES = {
    "CGCS2000": _CGCS2000,
    "CGCS": _CGCS2000,
    "国家2000": _CGCS2000,
    "2000国家大地坐标系": _CGCS2000,
    "EPSG4490": _CGCS2000,
    "EPSG4480": _CGCS2000,
    "EPSG4479": _CGCS2000,
    "WGS84": "WGS84",
    "WGS1984": "WGS84",
    "EPSG4326": "WGS84",
    "EPSG4979": "WGS84",
    "EPSG4978": "WGS84",
    "ITRF08": "ITRF2008",
    "ITRF14": "ITRF2014",
    "ITRF20": "ITRF2020",
    "ITRF2000": "ITRF2000",
    "ITRF2005": "ITRF2005",
    "ITRF2008": "ITRF2008",
    "ITRF2014": "ITRF2014",
    "ITRF2020": "ITRF2020",
    # The frames of the IGS are the ITRF realisations by origin, scale and orientation.
    "IGS08": "ITRF2008",
    "IGB08": "ITRF2008",
    "IGS14": "ITRF2014",
    "IGB14": "ITRF2014",
    "IGS20": "ITRF2020",
    "IGB20": "ITRF2020",
}
_BETWEEN = re.compile(r"[\s_\-:./()]+")


def normalise_frame(name: str) -> str:
    """Give the one spelling of a frame: ``"wgs-84"`` is WGS84, ``"IGS14"`` is ITRF2014.

    A frame that is not in the table stays as it is, and so equals only itself.
    """
    return _NAMES.get(_BETWEEN.sub("", name).upper(), name.strip())


class Datum(msgspec.Struct, frozen=True):
    """Frame and epoch of the coordinates that a source of corrections leads to.

    ``frame`` is None where nobody has stated it: such a source fits only itself, so ``owner`` is
    its name then. ``epoch_year`` None is the epoch of observation.
    """

    frame: str | None
    epoch_year: float | None = None
    owner: str | None = None

    @classmethod
    def of(cls, frame: str | None, epoch_year: float | None, *, owner: str) -> Datum:
        """Make it from what a configuration says of the source ``owner``."""
        if frame is None:
            return cls(None, epoch_year, owner)
        frame = normalise_frame(frame)
        if frame == _CGCS2000 and epoch_year is None:
            epoch_year = _CGCS2000_EPOCH_YEAR
        return cls(frame, epoch_year)

    def __str__(self) -> str:
        if self.frame is None:
            return f"a frame that {self.owner!r} does not state"
        if self.epoch_year is None:
            return self.frame
        return f"{self.frame} at epoch {self.epoch_year:.1f}"

    def refusal(self, other: Datum) -> str | None:
        """Say why a rover that has had this one may not get ``other``; None when it may."""
        if self == other:
            return None
        return f"frames are not mixed: positions are in {self}, and it gives {other}"
