"""Fixes as gateways make them, and a plain model of what a history holds."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from hypothesis import strategies as st

from bdgw.history import FixQuery, SeqRange
from bdgw.model import DeviceFix, Fix, FixKind, Heading, Provenance, TimeQuality, Via
from bdgw.timescale import SECOND_NS, gpst_from_posix

T0_NS = 1_798_099_200 * SECOND_NS
"""2026-12-24T08:00:00Z."""


def fix(seq: int, *, device: str = "a", boot: str = "b1", second: float | None = None) -> DeviceFix:
    """A fix ``second`` after 08:00:00, received a tenth of a second later."""
    t_utc_ns = T0_NS + round((seq / 10 if second is None else second) * 10) * 100_000_000
    return DeviceFix(
        device=device,
        boot=boot,
        seq=seq,
        via=Via.SERIAL,
        t_rx_utc_ns=t_utc_ns + 100_000_000,
        frame="CGCS2000",
        frame_epoch_year=2000.0,
        fix=Fix(
            kind=FixKind.RTK_FIXED,
            t_gpst_ns=gpst_from_posix(t_utc_ns),
            tod_utc_ns=t_utc_ns % (86_400 * SECOND_NS),
            time_quality=TimeQuality.GNSS,
            lat_deg=31.2994021 + seq * 1e-7,
            lon_deg=121.5033127,
            alt_hae_m=18.412,
            alt_msl_m=8.1,
            acc_h_m=0.012,
            acc_v_m=0.021,
            acc_conf=0.68,
            speed_m_s=1.42,
            course_deg=271.3,
            sats_used=31,
            hdop=0.6,
            corr_age_s=0.8,
            corr_station=1042,
        ),
    )


HEADING = Heading(
    heading_deg=193.065,
    acc_heading_deg=0.035,
    pitch_deg=-1.25,
    acc_pitch_deg=0.07,
    baseline_m=0.9907,
)


def headed(item: DeviceFix) -> DeviceFix:
    """The same fix, of a vehicle with two antennas."""
    return msgspec.structs.replace(item, fix=msgspec.structs.replace(item.fix, heading=HEADING))


def in_range(fixes: Iterable[DeviceFix], query: FixQuery) -> list[DeviceFix]:
    """What a query without a cursor must find, of fixes in the order in which they were kept."""
    first = -(1 << 63) if query.from_utc_ns is None else query.from_utc_ns
    last = 1 << 62 if query.until_utc_ns is None else query.until_utc_ns
    return [
        each
        for each in fixes
        if each.device == query.device and first <= each.t_rx_utc_ns - 100_000_000 < last
    ]


def missing_of(there: set[int], wanted: SeqRange) -> list[SeqRange]:
    """What is missing of a range, found number by number."""
    ranges: list[SeqRange] = []
    for seq in range(wanted.first, wanted.last + 1):
        if seq in there:
            continue
        if ranges and ranges[-1].last == seq - 1:
            ranges[-1] = SeqRange(ranges[-1].first, seq)
        else:
            ranges.append(SeqRange(seq, seq))
    return ranges


# SQLite has no negative zero.
_finite = st.floats(allow_nan=False, allow_infinity=False).map(lambda x: x + 0.0)
_floats = st.none() | _finite
_numbers = st.none() | st.integers(-(2**63), 2**63 - 1)
_texts = st.none() | st.text(max_size=10)
_seconds = st.integers(0, 4_000_000_000 * SECOND_NS)

any_fix = st.builds(
    DeviceFix,
    device=st.sampled_from("ab"),
    boot=st.sampled_from(["b1", "b2"]),
    seq=st.integers(0, 2**40),
    via=st.sampled_from(Via),
    t_rx_utc_ns=st.integers(-(2**62), 2**62),
    frame=_texts,
    frame_epoch_year=_floats,
    corr=st.none()
    | st.builds(
        Provenance,
        name=_texts,
        mount=_texts,
        station=_numbers,
        age_s=_floats,
        frame=_texts,
        frame_epoch_year=_floats,
    ),
    fix=st.builds(
        Fix,
        kind=st.sampled_from(FixKind),
        t_gpst_ns=st.none() | _seconds,
        tod_utc_ns=st.none() | st.integers(0, 86_401 * SECOND_NS),
        time_quality=st.sampled_from(TimeQuality),
        lat_deg=_floats,
        lon_deg=_floats,
        alt_hae_m=_floats,
        alt_msl_m=_floats,
        acc_h_m=_floats,
        acc_v_m=_floats,
        acc_conf=_floats,
        speed_m_s=_floats,
        course_deg=_floats,
        sats_used=_numbers,
        hdop=_floats,
        corr_age_s=_floats,
        corr_station=_numbers,
        heading=st.none()
        | st.builds(
            Heading,
            heading_deg=_finite,
            acc_heading_deg=_finite,
            pitch_deg=_finite,
            acc_pitch_deg=_finite,
            baseline_m=_finite,
        ),
    ),
)
