"""The sourcetable and the page for browsers: public facts of the mounts, and only those. Pure.

What has not been measured or configured is left empty. An unknown place is two empty fields:
``0.00;0.00`` is a place in the Gulf of Guinea to every client that looks for the nearest base.
"""

from __future__ import annotations

import html
from collections.abc import Iterable

from bdgw.caster.content import MessageRate
from bdgw.caster.snapshot import MountSnapshot
from bdgw.caster.spec import CasterSpec, MountKind
from bdgw.ntrip.sourcetable import (
    CasterRecord,
    NetworkRecord,
    Sourcetable,
    StreamRecord,
    format_sourcetable,
)

__all__ = ["format_page", "format_table", "stream_record"]

_FORMAT = "RTCM 3"
"""The spelling that gpsd, RTKLIB and pygnssutils know; nothing else passes through a mount."""
_NOWHERE = b";0.00;0.00;"

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ccc;vertical-align:top}"
    "code{font-size:.95em}.no{color:#a00}"
)


def stream_record(spec: CasterSpec, mount: MountSnapshot) -> StreamRecord:
    """Make the STR record of a mount."""
    is_near = mount.kind is MountKind.NEAR
    return StreamRecord(
        mount=mount.name,
        identifier=mount.identifier,
        format=_FORMAT,
        details=tuple((rate.number, _shown_period_s(rate)) for rate in mount.messages),
        carrier=mount.carrier,
        systems=mount.systems,
        network=spec.network,
        country=mount.country or "",
        lat_deg=None if mount.lat_deg is None else round(mount.lat_deg, 4),
        lon_deg=None if mount.lon_deg is None else round(mount.lon_deg, 4),
        needs_gga=is_near,
        is_network=mount.is_virtual,
        generator=mount.generator or "",
        compression="none",
        authentication="N" if mount.is_open else "B",
        has_fee=False,
        bitrate=None if mount.bits_per_s is None else round(mount.bits_per_s),
        misc=_frame_text(mount),
    )


def format_table(
    spec: CasterSpec, mounts: Iterable[MountSnapshot], *, reached_at: tuple[str, int]
) -> bytes:
    """Write the sourcetable; ``reached_at`` is the address that the client has dialled."""
    mounts = tuple(mounts)
    host, port = reached_at
    needs_account = any(not mount.is_open for mount in mounts)
    caster = CasterRecord(
        host=spec.public_host or host,
        port=spec.public_port or (spec.port if spec.public_host and spec.port else port),
        identifier=spec.identifier,
        operator=spec.operator,
        takes_gga=any(mount.kind is MountKind.NEAR for mount in mounts),
        country=spec.country or "",
        lat_deg=spec.lat_deg,
        lon_deg=spec.lon_deg,
    )
    network = NetworkRecord(
        identifier=spec.network,
        operator=spec.operator,
        authentication="B" if needs_account else "N",
        has_fee=False,
    )
    streams = tuple(stream_record(spec, mount) for mount in mounts)
    table = Sourcetable(
        streams=streams, casters=(caster,), networks=(network,) if spec.network else ()
    )
    return _without_nowhere(format_sourcetable(table), caster, streams)


def format_page(
    spec: CasterSpec, mounts: Iterable[MountSnapshot], *, is_unknown: bool = False
) -> bytes:
    """Write the page that a person sees; ``is_unknown`` says that the path is no mount."""
    title = html.escape(spec.identifier)
    rows = "".join(map(_row, mounts))
    lead = (
        "<p>This is an NTRIP caster. Its streams are for GNSS receivers and NTRIP clients, not for"
        " browsers.</p>"
    )
    if is_unknown:
        lead += "<p class=no>There is no mount of that name.</p>"
    by = f"<p>{html.escape(spec.operator)}</p>" if spec.operator else ""
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>{lead}"
        "<table><thead><tr><th>Mount<th>Place<th>Position<th>Systems<th>Messages (period in s)"
        f"<th>bit/s<th>Account<th>Now</thead><tbody>{rows}</tbody></table>{by}</body></html>\n"
    ).encode()


def _row(mount: MountSnapshot) -> str:
    place = " ".join(part for part in (mount.identifier, mount.country or "") if part)
    position = "" if mount.lat_deg is None else f"{mount.lat_deg:.4f}, {mount.lon_deg:.4f}"
    details = ", ".join(_detail(rate) for rate in mount.messages)
    is_well = mount.is_flowing or mount.kind is MountKind.NEAR
    cells = (
        f"<code>{html.escape(mount.name)}</code>",
        html.escape(" · ".join(part for part in (place, _frame_text(mount)) if part)),
        html.escape(position),
        html.escape(" ".join(mount.systems)),
        html.escape(details),
        "" if mount.bits_per_s is None else f"{mount.bits_per_s:.0f}",
        "no" if mount.is_open else "yes",
        f"<span class={'ok' if is_well else 'no'}>{html.escape(mount.reason)}</span>",
    )
    return "<tr><td>" + "<td>".join(cells)


def _detail(rate: MessageRate) -> str:
    period_s = _shown_period_s(rate)
    return str(rate.number) if period_s is None else f"{rate.number} ({period_s:g})"


def _shown_period_s(rate: MessageRate) -> float | None:
    """Whole seconds, or tenths below one second."""
    if rate.period_s is None:
        return None
    return round(rate.period_s) if rate.period_s >= 0.95 else max(0.1, round(rate.period_s, 1))


def _frame_text(mount: MountSnapshot) -> str:
    if mount.frame is None:
        return ""
    epoch = "" if mount.frame_epoch_year is None else f" at {mount.frame_epoch_year:g}"
    return f"{mount.frame}{epoch}"


def _without_nowhere(body: bytes, caster: CasterRecord, streams: tuple[StreamRecord, ...]) -> bytes:
    """Empty the position fields of records that have no position."""
    homeless = {b"STR;%b;" % stream.mount.encode() for stream in streams if stream.lat_deg is None}
    if caster.lat_deg is None:
        homeless.add(b"CAS;")
    lines = body.split(b"\r\n")
    for index, line in enumerate(lines):
        if any(line.startswith(start) for start in homeless):
            lines[index] = line.replace(_NOWHERE, b";;;", 1)
    return b"\r\n".join(lines)
