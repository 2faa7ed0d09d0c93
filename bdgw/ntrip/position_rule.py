"""Whether a mountpoint is told where the rover is, and why. Pure."""

from __future__ import annotations

import re

import msgspec

from bdgw.ntrip.gga import GgaPolicy, GgaWhen
from bdgw.ntrip.sourcetable import StreamRecord

__all__ = ["PositionRule", "decide_position"]

_NETWORK_NAME = re.compile(r"(^|[^A-Z])(AUTO|VRS|I?MAX|NEAR(EST)?)([^A-Z]|$)", re.IGNORECASE)
"""Names that network casters give to streams made for one rover."""


class PositionRule(msgspec.Struct, frozen=True, kw_only=True):
    """The decision, and where it comes from in plain words."""

    is_on: bool
    is_known: bool
    """False: nobody can say; the silence of a granted stream will be taken as a question."""
    text: str


def decide_position(
    policy: GgaPolicy,
    mount: str,
    *,
    needs_gga: bool | None,
    is_learned: bool,
    record: StreamRecord | None,
) -> PositionRule:
    """Decide by configuration, service, experience, table, name: the first that knows counts.

    ``record`` is what the table says of the mountpoint, None where it says nothing.
    """
    if policy.when is not GgaWhen.AUTO:
        is_on = policy.when is GgaWhen.ALWAYS
        return PositionRule(
            is_on=is_on, is_known=True, text=f"the configuration says {policy.when}"
        )
    if needs_gga is not None:
        verb = "wants" if needs_gga else "does not want"
        return PositionRule(is_on=needs_gga, is_known=True, text=f"the service {verb} a position")
    if is_learned:
        text = "the mountpoint spoke only after it was told a position"
        return PositionRule(is_on=True, is_known=True, text=text)
    if record is not None and (record.needs_gga is not None or record.is_network is not None):
        is_on = bool(record.needs_gga or record.is_network)
        verb = "wants" if is_on else "does not want"
        text = f"the sourcetable says that the mountpoint {verb} a position"
        return PositionRule(is_on=is_on, is_known=True, text=text)
    if _NETWORK_NAME.search(mount):
        text = "the mountpoint is named like one computed for a position"
        return PositionRule(is_on=True, is_known=False, text=text)
    text = "the sourcetable says nothing of the mountpoint"
    return PositionRule(is_on=False, is_known=False, text=text)
