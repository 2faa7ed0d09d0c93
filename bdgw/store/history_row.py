"""Between a fix and its row: the same columns in SQLite and in PostgreSQL.

What many fixes of a device share (kind, frame, correction …) stands once, in a ``context``, and
the row has its number. The round trip gives the same fix, to the bit.
"""

from __future__ import annotations

from typing import Any, LiteralString

import msgspec

from bdgw.model import DeviceFix, Fix, FixKind, Heading, Provenance, Solver, TimeQuality, Via
from bdgw.timescale import gpst_from_posix, posix_from_gpst, utc_from_gpst

__all__ = ["FIX_COLUMNS", "context_of", "fix_of", "fix_row", "instant_utc_ns"]

FIX_COLUMNS: LiteralString = (
    "seq, context, t_utc_ns, t_gpst_ns, tod_utc_ns, t_rx_utc_ns, lat_deg, lon_deg, alt_hae_m, "
    "alt_msl_m, acc_h_m, acc_v_m, speed_m_s, course_deg, sats_used, hdop, corr_age_s, "
    "corr_station, provenance_age_s, heading_deg, acc_heading_deg, pitch_deg, acc_pitch_deg, "
    "baseline_m"
)
_NO_HEADING = (None,) * 5
_BELIEVED = (TimeQuality.GNSS, TimeQuality.GNSS_WEEK_RESOLVED, TimeQuality.HOST_DATE)

_ProvenanceRow = tuple[str | None, str | None, int | None, str | None, float | None]
_Context = tuple[
    FixKind,
    TimeQuality,
    Via,
    Solver,
    str | None,  # frame
    float | None,  # its epoch
    float | None,  # acc_conf
    _ProvenanceRow | None,
    bool,  # its day is known
    bool,  # its time of day is known
]
_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(_Context)


def context_of(item: DeviceFix) -> str:
    """Write what the fix shares with others."""
    corr, fix = item.corr, item.fix
    provenance = (
        None
        if corr is None
        else (corr.name, corr.mount, corr.station, corr.frame, corr.frame_epoch_year)
    )
    return _encode(
        (
            fix.kind,
            fix.time_quality,
            item.via,
            item.solver,
            item.frame,
            item.frame_epoch_year,
            fix.acc_conf,
            provenance,
            fix.t_gpst_ns is not None,
            fix.tod_utc_ns is not None,
        )
    ).decode()


def instant_utc_ns(item: DeviceFix) -> int:
    """Give the instant by which a fix is found: its own where it is believed, else reception."""
    fix = item.fix
    if fix.t_gpst_ns is None or fix.time_quality not in _BELIEVED:
        return item.t_rx_utc_ns
    return posix_from_gpst(fix.t_gpst_ns)


def fix_row(item: DeviceFix, context: int, t_utc_ns: int) -> tuple[Any, ...]:
    """Give the columns of a fix; ``t_utc_ns`` is its ``instant_utc_ns``."""
    fix = item.fix
    t_gpst_ns, tod_utc_ns = fix.t_gpst_ns, fix.tod_utc_ns
    if t_gpst_ns is not None:
        if tod_utc_ns == utc_from_gpst(t_gpst_ns)[1]:
            tod_utc_ns = None
        if fix.time_quality in _BELIEVED and t_gpst_ns == gpst_from_posix(t_utc_ns):
            t_gpst_ns = None
    return (
        item.seq,
        context,
        t_utc_ns,
        t_gpst_ns,
        tod_utc_ns,
        item.t_rx_utc_ns,
        fix.lat_deg,
        fix.lon_deg,
        fix.alt_hae_m,
        fix.alt_msl_m,
        fix.acc_h_m,
        fix.acc_v_m,
        fix.speed_m_s,
        fix.course_deg,
        fix.sats_used,
        fix.hdop,
        fix.corr_age_s,
        fix.corr_station,
        None if item.corr is None else item.corr.age_s,
        *_heading_row(fix.heading),
    )


def fix_of(device: str, boot: str, context: str, row: tuple[Any, ...]) -> DeviceFix:
    """Make a fix of its columns, ``FIX_COLUMNS``, and of its context.

    Raises:
        ValueError: they are none that we wrote.
    """
    kind, quality, via, solver, frame, frame_epoch, acc_conf, shared, has_t, has_tod = (
        _decoder.decode(context)
    )
    t_gpst_ns, tod_utc_ns = row[3], row[4]
    if has_t and t_gpst_ns is None:
        t_gpst_ns = gpst_from_posix(row[2])
    if has_tod and tod_utc_ns is None:
        tod_utc_ns = utc_from_gpst(t_gpst_ns)[1]
    corr = None
    if shared is not None:
        name, mount, station, corr_frame, corr_epoch = shared
        corr = Provenance(
            name=name,
            mount=mount,
            station=station,
            age_s=row[18],
            frame=corr_frame,
            frame_epoch_year=corr_epoch,
        )
    fix = Fix(
        kind=kind,
        t_gpst_ns=t_gpst_ns,
        tod_utc_ns=tod_utc_ns,
        time_quality=quality,
        lat_deg=row[6],
        lon_deg=row[7],
        alt_hae_m=row[8],
        alt_msl_m=row[9],
        acc_h_m=row[10],
        acc_v_m=row[11],
        acc_conf=acc_conf,
        speed_m_s=row[12],
        course_deg=row[13],
        sats_used=row[14],
        hdop=row[15],
        corr_age_s=row[16],
        corr_station=row[17],
        heading=_heading_of(row[19:24]),
    )
    return DeviceFix(
        device=device,
        boot=boot,
        seq=row[0],
        fix=fix,
        via=via,
        t_rx_utc_ns=row[5],
        solver=solver,
        frame=frame,
        frame_epoch_year=frame_epoch,
        corr=corr,
    )


def _heading_row(heading: Heading | None) -> tuple[float | None, ...]:
    if heading is None:
        return _NO_HEADING
    return (
        heading.heading_deg,
        heading.acc_heading_deg,
        heading.pitch_deg,
        heading.acc_pitch_deg,
        heading.baseline_m,
    )


def _heading_of(row: tuple[Any, ...]) -> Heading | None:
    # All of it or nothing: what is no number becomes NULL in SQLite.
    if None in row:
        return None
    heading_deg, acc_heading_deg, pitch_deg, acc_pitch_deg, baseline_m = row
    return Heading(
        heading_deg=heading_deg,
        acc_heading_deg=acc_heading_deg,
        pitch_deg=pitch_deg,
        acc_pitch_deg=acc_pitch_deg,
        baseline_m=baseline_m,
    )
