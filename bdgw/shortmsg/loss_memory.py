"""What share of units to each peer is lost, learnt from what peers report. Pure.

A message promised without it comes late by every unit that the air takes. Kept in the ledger's
table of values, and forgotten by halves: air changes with place and weather.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from bdgw.shortmsg.transfer_state import TransferOptions
from bdgw.shortmsg.value_table import ValueTable

__all__ = ["LossMemory", "PeerLoss", "slots_expected", "slots_spread"]

_NAME = "shortmsg/loss/"
_UNITS_MAX = 300.0
"""Older units give way: as many as one long message has, so that the next shows a change."""
_HALF_LIFE_S = 3 * 86_400.0
_MEASURED_UNITS_MIN = 8.0
"""Fewer say less than the default does."""
_WEIGHT_MAX_UNITS = 100.0
"""What a transfer sees itself must be able to outweigh what earlier ones saw."""
_LOSS_MAX = 0.9
_NS_PER_S = 1_000_000_000


class PeerLoss(msgspec.Struct, frozen=True, kw_only=True):
    """What is expected of the way to a peer."""

    share: float
    """Units lost, 0 to 0.9."""
    n_units: float
    """The units it is known from, as they count now; 0 where there is no experience."""

    @property
    def is_measured(self) -> bool:
        """Whether it is experience rather than the configured default."""
        return self.n_units >= _MEASURED_UNITS_MIN

    @property
    def explanation(self) -> str:
        """In words, for a receipt."""
        if self.is_measured:
            return f"{self.share:.0%} loss expected, as measured"
        return f"{self.share:.0%} loss assumed, without experience"


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    n_units: float
    n_lost: float
    at_utc_ns: int


class LossMemory:
    """One for the gateway; peers by their name in the configuration."""

    def __init__(
        self, values: ValueTable, *, options: TransferOptions, utc_ns: Callable[[], int]
    ) -> None:
        self._values = values
        self.options = options
        self._utc_ns = utc_ns

    def expected(self, peer: str) -> PeerLoss:
        """What the next transfer to a peer will probably lose."""
        kept = self._aged(peer)
        weight = self.options.loss_weight_units
        lost = self.options.loss * weight + kept.n_lost
        return PeerLoss(share=min(_LOSS_MAX, lost / (weight + kept.n_units)), n_units=kept.n_units)

    def outlook(self, peer: str, n_units: int) -> tuple[int, str]:
        """How many slots a message of so many units will probably take, and that in words."""
        known = self.expected(peer)
        n_slots = slots_expected(n_units, known.share)
        spread = slots_spread(n_units, known, weight_units=self.options.loss_weight_units)
        return n_slots, f"{n_slots} ± {spread} slots ({known.explanation})"

    def options_for(self, peer: str) -> TransferOptions:
        """The options of a transfer to a peer, with this experience."""
        known = self.expected(peer)
        weight = min(_WEIGHT_MAX_UNITS, self.options.loss_weight_units + known.n_units)
        return msgspec.structs.replace(
            self.options,
            loss=known.share,
            loss_weight_units=max(self.options.loss_weight_units, weight),
        )

    def note(self, peer: str, *, n_units: int, n_lost: int) -> None:
        """A peer has reported what became of so many more units."""
        if n_units <= 0:
            return
        kept = self._aged(peer)
        n_before = kept.n_units
        share = min(1.0, max(0.0, _UNITS_MAX - n_units) / n_before) if n_before > 0.0 else 0.0
        now = _Kept(
            n_units=n_before * share + n_units,
            n_lost=kept.n_lost * share + min(max(0, n_lost), n_units),
            at_utc_ns=self._utc_ns(),
        )
        name = _NAME + peer
        self._values.compare_and_set(name, self._values.get(name), msgspec.json.encode(now))

    def _aged(self, peer: str) -> _Kept:
        now_utc_ns = self._utc_ns()
        raw = self._values.get(_NAME + peer)
        try:
            kept = msgspec.json.decode(raw or b"", type=_Kept)
        except msgspec.DecodeError:
            return _Kept(n_units=0.0, n_lost=0.0, at_utc_ns=now_utc_ns)
        # A clock that was set back makes nothing younger than new.
        age_s = max(0, now_utc_ns - kept.at_utc_ns) / _NS_PER_S
        share = 0.5 ** (age_s / _HALF_LIFE_S)
        return _Kept(n_units=kept.n_units * share, n_lost=kept.n_lost * share, at_utc_ns=now_utc_ns)


def slots_expected(n_units: int, loss: float) -> int:
    """Transmissions until ``n_units`` have arrived, on average."""
    return max(n_units, round(n_units / (1.0 - loss)))


def slots_spread(n_units: int, loss: PeerLoss, *, weight_units: float) -> int:
    """Two standard deviations of that: chance of the air, and how well the loss is known.

    The number of transmissions until ``n_units`` have arrived is negative binomial, with variance
    n p / (1-p)²; a loss known from k units has variance p (1-p) / k.
    """
    arrives = 1.0 - loss.share
    by_chance = n_units * loss.share / arrives**2
    k = weight_units + loss.n_units
    by_ignorance = (n_units / arrives**2) ** 2 * loss.share * arrives / k
    return math.ceil(2.0 * math.sqrt(by_chance + by_ignorance))
