"""How much less a standard deviation is worth that only few measurements to spare vouch for."""

from __future__ import annotations

__all__ = ["student_factor"]


def student_factor(n_left: int) -> float:
    """Give what it is to be multiplied by, with at least one to spare.

    Three standard deviations shall hold as often as of a normal distribution: Student's t by its
    expansion at z = 3 (Abramowitz and Stegun, 26.7.5).
    """
    return 1.0 + 2.5 / n_left + 5.75 / n_left**2
