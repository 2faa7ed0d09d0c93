"""Reports that a terminal repeats until it is told to stop. Pure."""

import math
from collections.abc import Callable

from fwsim.rdss_word import Report

LEAST_S = 0.2


class Reporter:
    """Says each report once, or again and again."""

    def __init__(
        self, say: Callable[[Report], None], after: Callable[[float, Callable[[], None]], None]
    ) -> None:
        """Begin with none."""
        self._say = say
        self._after = after
        self._turn: dict[Report, int] = {}
        self._n = 0

    def ask(self, report: Report, interval_s: float) -> None:
        """Say it now, and then every so many seconds if that is above 0."""
        self._say(report)
        self._turn.pop(report, None)
        if 0.0 < interval_s < math.inf:
            self._n += 1
            self._turn[report] = self._n
            self._again(report, self._n, max(interval_s, LEAST_S))

    def hush(self, report: Report | None) -> None:
        """Stop one, or all."""
        if report is None:
            self._turn.clear()
        else:
            self._turn.pop(report, None)

    def _again(self, report: Report, turn: int, interval_s: float) -> None:
        def say() -> None:
            if self._turn.get(report) == turn:
                self._say(report)
                self._again(report, turn, interval_s)

        self._after(interval_s, say)
