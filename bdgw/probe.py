"""What a caster offers and what is in one of its mountpoints, for a person at a desk.

The same machines judge the stream as in the running gateway.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from bdgw.corrections.base_guard import BaseGuard, BaseJump
from bdgw.corrections.datum import Datum
from bdgw.corrections.source import SourceStream, StreamLimits
from bdgw.corrections.timekeeper import Timekeeper
from bdgw.hostclock import HostClock
from bdgw.model import Fix
from bdgw.ntrip.account import Account
from bdgw.ntrip.address import CasterAddress
from bdgw.ntrip.asking import fetch_sourcetable
from bdgw.ntrip.gga import GgaPolicy, GgaWhen
from bdgw.ntrip.probe import ProbeResult, probe
from bdgw.ntrip.request import NtripVersion
from bdgw.ntrip.sourcetable import Sourcetable
from bdgw.receivers import SystemClock

__all__ = ["probe_mount", "table_lines"]

_TICK_S = 0.25


async def table_lines(
    address: CasterAddress,
    *,
    account: Account | None,
    version: NtripVersion | None,
    ssl_context: ssl.SSLContext | None = None,
) -> list[dict[str, Any]]:
    """Fetch a sourcetable: one value a record, then one with the counts.

    Raises:
        LinkError: no table came, with the reason in plain words.
    """
    table = await fetch_sourcetable(
        address, clock=SystemClock(), account=account, version=version, ssl_context=ssl_context
    )
    return list(_lines(table))


def _lines(table: Sourcetable) -> Iterator[dict[str, Any]]:
    kinds = (("stream", table.streams), ("caster", table.casters), ("network", table.networks))
    for kind, records in kinds:
        for record in records:
            yield {"type": kind, **_told(record)}
    yield {
        "type": "summary",
        "streams": len(table.streams),
        "casters": len(table.casters),
        "networks": len(table.networks),
        "is_complete": table.is_complete,
        "repaired": table.n_repaired,
        "damaged": table.n_damaged,
    }


def _told(value: msgspec.Struct) -> dict[str, Any]:
    """A record without what it does not say."""
    told: dict[str, Any] = msgspec.to_builtins(value, str_keys=True)
    return {key: item for key, item in told.items() if item not in (None, "", [])}


async def probe_mount(
    address: CasterAddress,
    mount: str,
    *,
    seconds: float,
    account: Account | None,
    position: Fix | None,
    version: NtripVersion | None,
    ssl_context: ssl.SSLContext | None = None,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Watch a mountpoint and tell which dialect its caster speaks, what comes, and what lacks."""
    clock = SystemClock()
    keeper, host = Timekeeper(), HostClock()
    machine = _machine(mount, clock.monotonic_s())
    has_begun = False

    def on_body(data: bytes, now: float) -> None:
        nonlocal machine, has_begun
        if not has_begun:
            # Rates count from the first byte: before it the caster was only asked.
            machine, has_begun = _machine(mount, now), True
        keeper.host_seen(host.gpst_ns(now), now)
        machine.receive(data, now, keeper.opinions(now))

    async def tick() -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            now = clock.monotonic_s()
            machine.tick(now, keeper.opinions(now))

    ticking = asyncio.create_task(tick(), name="ticks")
    try:
        found = await probe(
            address,
            mount,
            seconds=seconds,
            clock=clock,
            on_body=on_body,
            account=account,
            position=position,
            gga=GgaPolicy(when=GgaWhen.ALWAYS if position is not None else GgaWhen.AUTO),
            version=version,
            ssl_context=ssl_context,
            on_progress=say,
        )
    finally:
        ticking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticking
    return {"caster": str(address), "mount": mount, **_facts(found, machine, clock.monotonic_s())}


def _machine(mount: str, began_s: float) -> SourceStream:
    return SourceStream(
        datum=Datum.of(None, None, owner=mount),
        limits=StreamLimits(),
        guard=BaseGuard(jump=BaseJump.ALARM, is_virtual_expected=False),
        began_s=began_s,
    )


def _facts(found: ProbeResult, machine: SourceStream, now: float) -> dict[str, Any]:
    health, base = machine.health, machine.guard.base
    value: dict[str, Any] = {
        "ok": bool(machine.n_frames) and not found.problem,
        "peer": found.peer,
        "problem": found.problem,
        "dialect": None if found.dialect is None else _told(found.dialect),
        "position_rule": found.position_rule,
        "positions_sent": found.n_positions,
        "sourcetable": found.table_problem,
        "record": None if found.record is None else _told(found.record),
        "bytes": found.n_bytes,
        "first_byte_s": found.first_byte_s,
        "watched_s": round(found.watched_s, 3),
        "frames": {str(number): n for number, n in sorted(health.counts.items())},
        "rates_hz": {str(n): round(rate, 2) for n, rate in health.rates_hz(now).items()},
        "crc_failures": machine.stream.crc_failures,
        "skipped_bytes": machine.stream.skipped_bytes,
        "epoch_age_s": machine.age_s(now),
        "age_basis": machine.age_basis,
        "satellites": health.satellites(),
        "signals": health.signals(),
        "station": health.station,
        "remarks": list(_remarks(found, machine, now)) if machine.n_frames else [],
    }
    if base is not None:
        value["base"] = {
            "station": base.station,
            "lat_deg": base.place.lat_deg,
            "lon_deg": base.place.lon_deg,
            "height_m": round(base.place.height_m, 4),
            "is_virtual": base.is_virtual,
        }
    return {key: item for key, item in value.items() if item not in (None, "", {}, [])}


def _remarks(found: ProbeResult, machine: SourceStream, now: float) -> Iterator[str]:
    yield from machine.remarks(now)
    seen = machine.health.counts
    announced = () if found.record is None else found.record.details
    for number, period_s in announced:
        # What is due less often than we have looked may still come.
        if number not in seen and (period_s or 0.0) < found.watched_s / 2:
            every = "" if period_s is None else f" every {period_s:g} s"
            yield f"announced {number}{every}, none in {found.watched_s:.0f} s"
