"""How noisy these receivers and this site are, learned from what the solutions leave over."""

from __future__ import annotations

__all__ = ["Noise"]

_GAIN = 0.02
_MOST = 25.0


class Noise:
    """How much noisier than the model these receivers and this site are; never less."""

    def __init__(self) -> None:
        self.factor = 1.0
        self.mean = 1.0
        self._n = 0

    def learn(self, chi2: float) -> None:
        """Take the mean square of an epoch's residuals, in variances of the model."""
        self._n += 1
        self.mean += max(1.0 / self._n, _GAIN) * (chi2 - self.mean)
        self.factor = min(max(1.0, self.mean), _MOST)
