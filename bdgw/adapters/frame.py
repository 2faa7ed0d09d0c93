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
    return _WGS84.fullmatch(frame.upper()) is not None


def is_near_wgs84(frame: str) -> bool:
    """Tell whether a frame is WGS 84 to within about two metres."""
    return is_wgs84(frame) or _NEAR.match(frame.upper()) is not None
