"""What the records of a sourcetable say, as values.

Field order: RTCM 10410.1, clause 6 (STR, CAS, NET). Nothing but a name is required: a field that
was missing or made no sense is None, or empty where it is text.
"""

from __future__ import annotations

import msgspec

__all__ = ["CasterRecord", "NetworkRecord", "Sourcetable", "StreamRecord"]


class StreamRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One mountpoint (STR). Degrees north and east positive; what is unknown is None."""

    mount: str
    identifier: str = ""
    format: str = ""
    format_details: str = ""
    """As written; ``details`` is what could be read of it."""
    details: tuple[tuple[int, float | None], ...] = ()
    """(message number, period in seconds)."""
    carrier: int | None = None
    """0 no carrier phase, 1 one frequency, 2 two or more."""
    systems: tuple[str, ...] = ()
    """As written: ``GPS``, ``GLO``, ``GAL``, ``BDS`` (older ``BEI``, ``CMP``) …"""
    network: str = ""
    country: str = ""
    lat_deg: float | None = None
    lon_deg: float | None = None
    """-180 to 180. Both are None where both fields are 0: that is how "nowhere" is written."""
    needs_gga: bool | None = None
    is_network: bool | None = None
    """Computed from several base stations."""
    generator: str = ""
    compression: str = ""
    authentication: str = ""
    """``N`` none, ``B`` Basic, ``D`` Digest."""
    has_fee: bool | None = None
    bitrate: int | None = None
    misc: str = ""


class CasterRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Another caster, or this one (CAS)."""

    host: str
    port: int | None = None
    identifier: str = ""
    operator: str = ""
    takes_gga: bool | None = None
    country: str = ""
    lat_deg: float | None = None
    lon_deg: float | None = None
    fallback_host: str = ""
    fallback_port: int | None = None
    misc: str = ""


class NetworkRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A network of stations (NET)."""

    identifier: str
    operator: str = ""
    authentication: str = ""
    has_fee: bool | None = None
    web_net: str = ""
    web_str: str = ""
    web_reg: str = ""
    misc: str = ""


class Sourcetable(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a table said."""

    streams: tuple[StreamRecord, ...] = ()
    casters: tuple[CasterRecord, ...] = ()
    networks: tuple[NetworkRecord, ...] = ()
    is_complete: bool = False
    """ENDSOURCETABLE was there."""
    n_repaired: int = 0
    """Streams whose unquoted semicolons had to be put right."""
    n_damaged: int = 0
    """Lines that were no record, or a record without its name."""
    n_dropped: int = 0
    """Records beyond what is kept."""

    def find(self, mount: str) -> StreamRecord | None:
        """The record of a mountpoint: its very name, else the same in other letters' case."""
        folded = mount.casefold()
        near = None
        for stream in self.streams:
            if stream.mount == mount:
                return stream
            if near is None and stream.mount.casefold() == folded:
                near = stream
        return near
