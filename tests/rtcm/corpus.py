"""The recorded RTCM frames: every capture that holds any, split by our own framer.

The framer is held against pyrtcm and the captures' own table by the tests of captures.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from bdgw.rtcm import frame as rtcm_frame
from bdgw.rtcm.frame import frame_rtcm3, message_number
from bdgw.wire.splitter import Frame, Splitter
from tests.conftest import read_capture, shared_data

NAMES = (
    "corrupt/pygpsdata-MIXED-RTCM3BADCRC.log",
    "gpsd/rtcm3.2.log",
    "gpsd/rtcm3.log",
    "gpsd/ublox-zed-f9t-rtcm3.log",
    "ntrip/ntrip_encode_chunked.bin",
    "ntrip/ntrip_encode_none.bin",
    "rtk/jdesbonnet-20181004-static/base-20181004-1236.ubx.gz",
    "sbf/pygpsdata_mixed.log",
    "sbf/pygpsdata_x5_diffcorn2.log",
)
"""Captures outside rtcm3/ in which frames of RTCM 3 stand."""


def capture_paths() -> list[Path]:
    """Every capture with RTCM 3 frames; none where the recorded data are absent."""
    try:
        root = shared_data("gnss")
    except BaseException:  # noqa: BLE001 - pytest's skip: parametrisation happens before tests
        return []
    inside = sorted(path for path in (root / "rtcm3").rglob("*") if path.is_file())
    return inside + [root / name for name in NAMES]


@lru_cache(maxsize=128)
def frames_of(path: Path) -> tuple[bytes, ...]:
    splitter = Splitter({rtcm_frame.PROTOCOL: (rtcm_frame.LEADS, frame_rtcm3)})
    splitter.receive(read_capture(path), now=0.0)
    splitter.receive(b"", now=0.0)
    return tuple(item.data for item in splitter.events() if isinstance(item, Frame))


def sampled(path: Path, per_number: int) -> list[bytes]:
    """At most so many frames of each message number, spread over the whole capture."""
    by_number: dict[int | None, list[bytes]] = {}
    for frame in frames_of(path):
        by_number.setdefault(message_number(frame), []).append(frame)
    return [
        frame
        for frames in by_number.values()
        for frame in frames[:: max(1, -(-len(frames) // per_number))]
    ]
