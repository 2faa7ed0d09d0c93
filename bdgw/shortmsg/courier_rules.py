"""How long messages wait for what, and how often they are tried. Pure values."""

from __future__ import annotations

import msgspec

from bdgw.shortmsg.transfer_state import TransferOptions

__all__ = ["CourierRules"]


class CourierRules(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds and counts."""

    receipt_batch_s: float = 60.0
    """A receipt waits so long for others that share its slot."""
    receipt_wait_s: float = 86400.0
    """After so long without the peer's receipt a message is given up."""
    repeat_after_s: float = 900.0
    """A plain text that may be repeated waits so long for the peer's receipt first."""
    feedback_s: float = 30.0
    """A session that says nothing of its request for so long is taken for gone."""
    n_refusals_max: int = 10
    """A terminal that refuses one message so often without a reason will not take it."""
    transfer: TransferOptions = TransferOptions()
