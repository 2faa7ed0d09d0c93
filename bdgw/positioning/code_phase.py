"""The code-phase bias of a pair of receivers: declared by them, or learned from what is fixed.

It belongs to the receivers, is the same for those of one make, and stands for hours (Wanninger
2012; Sleewaegen et al. 2012). A few fixed solutions that were found without it tell it, and then
one more whole number of each GLONASS band can be found. What was declared or learned is let go of
when the phases contradict it, or when nothing can be fixed with it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from bdgw.positioning.fdma import Bias, LevelFound
from bdgw.positioning.satellite import N_SIGNALS
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import IntArray

__all__ = ["CodePhase"]

_SUPPOSED_M = 50.0
"""How far apart the biases of two makes may be, a standard deviation: neighbouring channels differ
by up to 5 cm (Wanninger 2012, J. Geodesy 86:139), which is 142 m."""
_KNOWN_M = 2.0
"""Multipath of codes and phases, and biases of the codes from channel to channel, which change as
satellites come and go."""
_CLEAR_M = 4.0
"""What an epoch must tell a bias to; their mean is better."""
_GAIN = 0.02
_SIGMAS = 4.0
_PATIENCE = 30
_ROVER, _BASE = 0, 1


class _Learned(NamedTuple):
    mean_m: float
    n: int
    since_s: float
    is_known: bool


class CodePhase:
    """What is known of both ends by signal, and of both together by group.

    A bias is what must be added to the phases to bring them to the codes, in metres (RTCM
    10403.3, DF423 to DF426).
    """

    def __init__(self, *, n_epochs: int, span_s: float) -> None:
        self._n_epochs = n_epochs
        self._span_s = span_s
        self._declared: list[dict[int, float]] = [{}, {}]
        self._is_trusted = True
        self.forget()

    def declare(
        self,
        *,
        rover_m: Mapping[int, float] | None = None,
        base_m: Mapping[int, float] | None = None,
    ) -> None:
        """Take the biases of an end by signal; None leaves an end as it was."""
        for end, given in ((_ROVER, rover_m), (_BASE, base_m)):
            known = None if given is None else _finite(given)
            if known is not None and known != self._declared[end]:
                self._declared[end] = known
                self._is_trusted = True

    def reset(self) -> None:
        """Forget what was learned, and believe again what is declared."""
        self.forget()
        self._is_trusted = True

    def forget(self) -> None:
        """Forget what was learned."""
        self._learned: dict[int, _Learned] = {}
        self._n_failed = 0

    def bias(self, group: int, signals: IntArray, share: FloatArray) -> Bias:
        """Give the bias of a group, rover less base; ``signals`` (m,) are those of its pairs."""
        learned = self._learned.get(group)
        if learned is not None and learned.is_known:
            return Bias(learned.mean_m, _KNOWN_M, True)
        of_rover, of_base = self._declared
        bias_m, is_known = 0.0, self._is_trusted
        for both, part in zip(signals.tolist(), share.tolist(), strict=True):
            ours, theirs = divmod(both, N_SIGNALS)
            bias_m += part * (of_rover.get(ours, 0.0) - of_base.get(theirs, 0.0))
            is_known &= part <= 0.0 or (ours in of_rover and theirs in of_base)
        return Bias(bias_m, _KNOWN_M if is_known else _SUPPOSED_M, is_known)

    def fail(self) -> None:
        """Count an epoch whose whole numbers did not pass: it may be for a wrong bias."""
        self._n_failed += 1
        if self._n_failed >= _PATIENCE:
            self.doubt()

    def doubt(self) -> None:
        """Let go of all biases until they are learned."""
        self.forget()
        self._is_trusted = False

    def learn(self, t_s: float, found: Iterable[LevelFound]) -> None:
        """Take the levels of a fixed solution."""
        self._n_failed = 0
        for one in found:
            level = one.level
            # What the phases alone say: what was known before is taken out again.
            information = 1.0 / one.variance_m2 - 1.0 / level.variance_m2
            if information * _CLEAR_M**2 < 1.0:
                continue
            off_m = (one.bias_m - level.bias.bias_m) / (one.variance_m2 * information)
            if level.bias.is_known and off_m**2 > _SIGMAS**2 * (
                1.0 / information + level.variance_m2
            ):
                self.doubt()
                return
            self._add(level.group, level.bias.bias_m + off_m, t_s)

    def _add(self, group: int, bias_m: float, t_s: float) -> None:
        before = self._learned.get(group)
        if before is None:
            self._learned[group] = _Learned(bias_m, 1, t_s, False)
            return
        n = before.n + 1
        mean_m = before.mean_m + max(1.0 / n, _GAIN) * (bias_m - before.mean_m)
        is_known = n >= self._n_epochs and t_s - before.since_s >= self._span_s
        self._learned[group] = _Learned(mean_m, n, before.since_s, is_known)


def _finite(bias_m: Mapping[int, float]) -> dict[int, float]:
    return {signal: value_m for signal, value_m in bias_m.items() if math.isfinite(value_m)}
