"""Which reference frames a format may take for WGS 84, and what is refused.

Nothing here moves a position from one frame to another. Realisations of the ITRS differ from each
other by centimetres at one epoch; a frame that is fixed to a plate (CGCS2000 at 2000.0, ETRS89)
has drifted from the WGS 84 of today by some 0.7 m. Whether that matters is decided by the format.
"""

from __future__ import annotations

import enum
import re

__all__ = ["Refusal", "is_near_wgs84", "is_wgs84"]

_WGS84 = re.compile(r"WGS[ _-]?84(\b.*)?")
_NEAR = re.compile(
    r"(CGCS[ _-]?2000|ITRF|ITRS|IGS|IGB|ETRS[ _-]?89|ETRF|GTRF|BDCS|PZ-?90\.11|NAD83|GDA)"
)
"""Frames within about two metres of WGS 84 everywhere."""
_SHIFTED = re.compile(r"GCJ|BD[ _-]?09")
"""Coordinates of Chinese maps, whatever else the name says."""


class Refusal(enum.StrEnum):
    """Why a fix was not given to a format."""

    NO_POSITION = "no_position"
    NO_TIME = "no_time"
    """The day is unknown, and the format cannot be without."""
    FRAME_UNKNOWN = "frame_unknown"
    """Nobody has said what the coordinates refer to."""
    FRAME_NOT_WGS84 = "frame_not_wgs84"
    """The format is for WGS 84 and the fix is in another frame."""
    OUT_OF_RANGE = "out_of_range"
    """A number does not fit into its field."""


def is_wgs84(frame: str) -> bool:
    """Tell whether a frame is WGS 84, in whatever realisation."""
    name = frame.upper()
    return _WGS84.fullmatch(name) is not None and not _SHIFTED.search(name)


def is_near_wgs84(frame: str) -> bool:
    """Tell whether a frame is WGS 84 to within about two metres."""
    name = frame.upper()
    is_known = _WGS84.fullmatch(name) or _NEAR.match(name)
    return is_known is not None and not _SHIFTED.search(name)
