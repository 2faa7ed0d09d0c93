"""The second opinion: pyrtcm's raw data fields, with its known slips put right or left out.

Each slip is data here with its reason, so that a test says what differs and nothing hides.
"""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from pyrtcm import RTCMMessage
from pyrtcm.rtcmtypes_core import NCELL
from pyrtcm.rtcmtypes_get_msm import RTCM_PAYLOADS_GET_MSM

# pyrtcm 1.2.1 writes the last group of every MSM2 as a set where a mapping belongs and so refuses
# each of these messages; RTCM 10403.3, table 3.5-80 has DF420 there.
_MSM2 = {
    identity: {**layout, "groupsig3_grp": (NCELL, {"DF420": "half-cycle ambiguity"})}
    for identity, layout in RTCM_PAYLOADS_GET_MSM.items()
    if identity.endswith("2")
}

UNREADABLE = {
    1302: "the links' counter is read as if it were their number",
}
"""Messages that pyrtcm cannot read and bdgw passes on undecoded."""

TWO_NAMES_WRONG = {
    # IS-GPS-200 and RTCM 10403.3 say what the field is; pyrtcm has it without its scale.
    "DF121": 2.0**-40,  # relative frequency deviation
    "DF124": 2.0**-30,  # s
    "DF125": 2.0**-30,  # s
    "DF133": 2.0**-31,  # s
    "DF135": 2.0**-30,  # s
}
"""GLONASS fields that pyrtcm leaves unscaled, with the scale that the standard gives."""


def parse(frame: bytes) -> Any:
    """Parse a whole frame; attributes are named by data field, groups by a suffix ``_01``."""
    with patch.dict(RTCM_PAYLOADS_GET_MSM, _MSM2):
        return RTCMMessage(payload=frame[3:-3])


def column(parsed: Any, name: str) -> list[Any]:
    """List a repeated field in order."""
    found: list[Any] = []
    while hasattr(parsed, key := f"{name}_{len(found) + 1:02d}"):
        found.append(getattr(parsed, key))
    return found
