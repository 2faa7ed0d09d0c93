"""What a client is told to do, as a value."""

from __future__ import annotations

import msgspec

from bdgw.ntrip.account import Account
from bdgw.ntrip.address import CasterAddress
from bdgw.ntrip.client_event import ClientLimits
from bdgw.ntrip.courtesy import CourtesyLimits
from bdgw.ntrip.gga import GgaPolicy
from bdgw.ntrip.request import USER_AGENT, NtripVersion

__all__ = ["NtripClientSpec"]


class NtripClientSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One stream of one caster."""

    address: CasterAddress
    mount: str
    account: Account | None = None
    version: NtripVersion | None = None
    """None: version 2, and version 1 where the caster stays silent."""
    gga: GgaPolicy = GgaPolicy()
    needs_gga: bool | None = None
    """What is known of the service, for the policy ``auto``; None: ask the sourcetable."""
    sessions_per_account: int = 1
    connect_s: float = 10.0
    write_stall_s: float = 20.0
    """The caster takes nothing for so long: the connection is given up."""
    gga_silence_s: float = 10.0
    """Where nobody can say whether a position is wanted: after so much silence one is sent."""
    unproven_s: float = 10.0
    """Bytes without a valid frame for so long are said to be no corrections."""
    no_frames_s: float = 120.0
    """After so long the connection is given up: it may have been misread from its beginning."""
    limits: ClientLimits = ClientLimits()
    courtesy: CourtesyLimits = CourtesyLimits()
    user_agent: str = USER_AGENT

    def __post_init__(self) -> None:
        waits_s = (self.connect_s, self.write_stall_s, self.gga_silence_s)
        if min(*waits_s, self.unproven_s, self.no_frames_s) <= 0.0 or self.sessions_per_account < 1:
            raise ValueError("every wait of an NTRIP client is above 0 s, its sessions 1 and more")
