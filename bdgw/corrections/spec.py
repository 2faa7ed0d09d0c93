"""What the corrections are told: sources, and which device gets which. Frozen values, validated.

Nobody here sees the configuration file; the composition root turns it into these.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

import msgspec

from bdgw.corrections.base_guard import BaseJump
from bdgw.corrections.choice import FailoverRules
from bdgw.corrections.datum import Datum
from bdgw.corrections.nearest import NearestRules
from bdgw.model import Fix
from bdgw.ntrip.account import Account
from bdgw.ntrip.address import CasterAddress
from bdgw.ntrip.gga import GgaPolicy
from bdgw.ntrip.request import NtripVersion

__all__ = ["NEAREST", "Binding", "SessionPolicy", "SourceKind", "SourceSpec", "frame_conflicts"]

NEAREST = "nearest"
"""The correction of a device that gets the nearest base of all sources."""


class SourceKind(enum.StrEnum):
    """Where the bytes of a source come from."""

    NTRIP = "ntrip"
    LOCAL = "local"
    """A base receiver of this gateway, or one that pushes to its caster."""


class SessionPolicy(enum.StrEnum):
    """Who shares a session with a caster."""

    SHARED = "shared"
    """One session, many rovers."""
    PER_DEVICE = "per_device"
    """A session for each rover, because the caster makes a base for its position (VRS)."""


class SourceSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One source of corrections.

    ``frame`` is that of the coordinates that rovers get by it; None where nobody has stated it,
    and then it stands in for no other source. ``frame_epoch_year`` None is the epoch of
    observation, except that CGCS2000 stands at 2000.0.
    """

    name: str
    kind: SourceKind = SourceKind.NTRIP
    address: CasterAddress | None = None
    mount: str | None = None
    """None: the nearest mount of the caster."""
    mounts: tuple[str, ...] = ()
    """Patterns (``SH*``) of the mounts that may be chosen; empty: all."""
    accounts: tuple[Account, ...] = ()
    sessions_per_account: int = 1
    frame: str | None = None
    frame_epoch_year: float | None = None
    max_age_s: float = 10.0
    alarm_s: float = 30.0
    standby: tuple[str, ...] = ()
    """Names of the sources that stand in, best first; they are kept connected."""
    session: SessionPolicy = SessionPolicy.SHARED
    gga: GgaPolicy = GgaPolicy()
    position: Fix | None = None
    """What the caster is told instead of the place of a rover."""
    needs_gga: bool | None = None
    """Whether the service is known to want positions; None: the sourcetable says."""
    version: NtripVersion | None = None
    """None: version 2, and 1 where the caster stays silent."""
    announced: tuple[tuple[int, float | None], ...] = ()
    """(message number, period in s) that the stream should carry; else the sourcetable says."""
    base_jump: BaseJump = BaseJump.STOP
    failover: FailoverRules = FailoverRules()
    nearest: NearestRules = NearestRules()

    def __post_init__(self) -> None:
        if not self.name or self.name == NEAREST:
            raise ValueError(f"a correction cannot have the name {self.name!r}")
        if (self.kind is SourceKind.NTRIP) != (self.address is not None):
            raise ValueError(
                f"correction {self.name!r}: an address belongs to ntrip, and only to it"
            )
        if self.kind is SourceKind.LOCAL and self.session is SessionPolicy.PER_DEVICE:
            raise ValueError(f"correction {self.name!r}: a local base is shared")
        if self.is_nearest and self.session is SessionPolicy.PER_DEVICE:
            raise ValueError(f"correction {self.name!r}: the nearest base is shared")
        if self.max_age_s <= 0.0 or self.alarm_s <= 0.0 or self.sessions_per_account < 1:
            raise ValueError(f"correction {self.name!r}: ages and numbers of sessions are above 0")
        if self.name in self.standby or len(set(self.standby)) != len(self.standby):
            raise ValueError(
                f"correction {self.name!r}: each standby is another source, named once"
            )

    @property
    def datum(self) -> Datum:
        """Frame and epoch, normalised."""
        return Datum.of(self.frame, self.frame_epoch_year, owner=self.name)

    @property
    def is_nearest(self) -> bool:
        """Whether its mount is chosen by the place of the rover."""
        return self.kind is SourceKind.NTRIP and self.mount is None


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """Which source a device gets: the name of one, or ``nearest`` of all."""

    device: str
    correction: str


def frame_conflicts(specs: Sequence[SourceSpec]) -> list[str]:
    """Say which standbys can never take over because of their frame; for ``bdgw check``."""
    by_name = {spec.name: spec for spec in specs}
    return [
        f"correction {spec.name!r}: standby {name!r} will be refused: {why}"
        for spec in specs
        for name in spec.standby
        if name in by_name and (why := spec.datum.refusal(by_name[name].datum)) is not None
    ]
