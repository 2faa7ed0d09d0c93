"""What the status shows of corrections: frozen, complete, and cheap to make.

Ages are seconds at the instant of the snapshot; what is unknown is None.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from bdgw.corrections.freshness import Basis
from bdgw.corrections.source import SourceState

__all__ = ["BaseSnapshot", "CorrectionsSnapshot", "OutletSnapshot", "SourceSnapshot"]


class BaseSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Where the base of a stream says that it is: degrees, metres above the ellipsoid."""

    station: int
    lat_deg: float
    lon_deg: float
    height_m: float
    is_virtual: bool
    age_s: float
    """Since it was said last."""
    n_moves: int
    last_move: str | None


class SourceSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One stream of corrections."""

    name: str
    kind: str
    mount: str | None
    device: str | None
    """The device that the session is for; None where it is shared."""
    state: SourceState
    reason: str
    """The state in plain words; while nothing comes, what the connection says."""
    remarks: tuple[str, ...]
    """What is missing in the stream."""
    frame: str | None
    epoch_year: float | None
    bytes_in: int
    n_frames: int
    frames: Mapping[int, int]
    """Whole frames by message number; 0 is fillers and what exceeds 64 numbers."""
    rates_hz: Mapping[int, float]
    """Over the last minute."""
    crc_failures: int
    skipped_bytes: int
    dropped: Mapping[str, int]
    """Frames that did not go out: stale, overtaken, future, base_implausible, base_held."""
    inspection_failures: int
    last_failure: str | None
    epoch_age_s: float | None
    age_basis: Basis | None
    delay_s: float | None
    """How late the newest epoch of the last read came."""
    gaps: int
    longest_gap_s: float
    station: int | None
    base: BaseSnapshot | None
    satellites: Mapping[str, int]
    signals: Mapping[str, tuple[str, ...]]
    connection: str | None
    """What the client says of its connection; None for a local base."""
    reconnects: Mapping[str, int]
    next_attempt_in_s: float | None
    devices: tuple[str, ...]
    """That are getting it now."""


class OutletSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What one device gets."""

    device: str
    is_device: bool
    """Else a mount of the caster that relays it."""
    correction: str
    """As configured."""
    source: str | None
    mount: str | None
    reason: str
    frame: str | None
    """The frame that it has had or was promised, and stays in."""
    epoch_year: float | None
    baseline_m: float | None
    """From the device to the base."""
    n_switches: int
    n_frames: int
    bytes_out: int
    n_writes: int
    """These three count what was really written, not what waits."""
    dropped: Mapping[str, int]
    """Reads that did not go out, by cause: ``refused`` by the link of the device, ``perished`` as
    they waited for it, or because it broke."""
    last_forwarded_age_s: float | None
    refusals: Mapping[str, str]
    """Live sources that are not taken, and why."""


class CorrectionsSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one instant."""

    sources: tuple[SourceSnapshot, ...]
    outlets: tuple[OutletSnapshot, ...]
    tables: Mapping[str, str]
    """By source: what became of its sourcetable, where one is needed."""
