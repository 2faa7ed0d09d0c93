"""Corrections and the caster as plain values."""

from __future__ import annotations

from typing import Any

import msgspec

from bdgw.caster import CasterSnapshot
from bdgw.corrections.snapshot import CorrectionsSnapshot, OutletSnapshot, SourceSnapshot
from bdgw.status.value import present

__all__ = ["caster_fields", "corrections_fields", "source_summary"]


def corrections_fields(snapshot: CorrectionsSnapshot) -> dict[str, Any]:
    """Every source and what each device is given, without what is unknown or empty."""
    return {
        "sources": [_source(source) for source in snapshot.sources],
        "devices": [_outlet(outlet) for outlet in snapshot.outlets if outlet.is_device],
        "relays": [_outlet(outlet) for outlet in snapshot.outlets if not outlet.is_device],
        "sourcetables": dict(snapshot.tables),
    }


def source_summary(source: SourceSnapshot) -> dict[str, Any]:
    """One source as the health message tells it."""
    return present(
        {
            "name": source.name,
            "mount": source.mount,
            "dev": source.device,
            "status": source.state.value,
            "reason": source.reason,
            "epoch_age_s": source.epoch_age_s,
            "devices": len(source.devices),
        }
    )


def caster_fields(snapshot: CasterSnapshot) -> dict[str, Any]:
    """The caster with its mounts and clients."""
    value = _plain(snapshot)
    value["mounts"] = [_plain(mount) for mount in snapshot.mounts]
    value["clients"] = [_plain(client) for client in snapshot.clients]
    return value


def _outlet(outlet: OutletSnapshot) -> dict[str, Any]:
    value = _plain(outlet)
    del value["is_device"]
    return value


def _source(source: SourceSnapshot) -> dict[str, Any]:
    value = _plain(source)
    value["rates_hz"] = {number: round(rate, 2) for number, rate in value["rates_hz"].items()}
    if source.base is not None:
        value["base"] = _plain(source.base)
    return value


def _plain(snapshot: msgspec.Struct) -> dict[str, Any]:
    value: dict[str, Any] = msgspec.to_builtins(snapshot, str_keys=True)
    return present(value)
