"""A reference station as a source of bursts: RTCM, with the sentences of its receiver if wanted."""

import math
from fractions import Fraction

from fwsim.device import Output
from fwsim.faults import Burst
from fwsim.gnss_time import gpst_of_utc_ns
from fwsim.receiver import Receiver
from fwsim.reference_station import ReferenceStation
from fwsim.scene import EpochGrid


def grid_rate_hz(rate_hz: Fraction) -> Fraction:
    """Return how often a station has something to send: at its epochs, and once a second.

    Raises:
        ValueError: the rate is neither a whole number of hertz nor of seconds.
    """
    if 1 not in {rate_hz.numerator, rate_hz.denominator}:
        msg = f"a station measures whole times a second or every whole second, not at {rate_hz} Hz"
        raise ValueError(msg)
    return max(rate_hz, Fraction(1))


class StationSource:
    """The epochs of a reference station, each a fixed latency after its instant."""

    def __init__(
        self,
        station: ReferenceStation,
        *,
        start_utc_ns: int,
        receiver: Receiver | None = None,
        latency_s: float = 0.0,
        max_epochs: int | None = None,
        max_s: float = math.inf,
    ) -> None:
        """Send what the station sends, and before it the sentences of ``receiver``.

        Stops after so many seconds or epochs, as other devices do.
        """
        self._station = station
        self._receiver = receiver
        self._grid = EpochGrid(
            rate_hz=grid_rate_hz(station.spec.rate_hz), start_utc_ns=gpst_of_utc_ns(start_utc_ns)
        )
        self._latency_s = latency_s
        self._max_epochs = max_epochs
        self._max_s = max_s
        self._n = 0

    def next_at_s(self) -> float | None:
        """Return when the next burst leaves."""
        elapsed_s = self._grid.elapsed_s(self._n)
        if self._n == self._max_epochs or elapsed_s >= self._max_s:
            return None
        return elapsed_s + self._latency_s

    def take(self) -> Output:
        """Return the next burst, which may be empty between the epochs of a slow station."""
        n = self._n
        self._n += 1
        truth: dict[str, object] = {}
        data = b""
        if self._receiver is not None:
            rendered = self._receiver.render(n)
            data = rendered.data
            truth = {"name": self._receiver.name, **rendered.truth}
        data += b"".join(self._station.frames(self._grid.utc_ns(n)))
        at_s = self._grid.elapsed_s(n) + self._latency_s
        return Output(Burst(n=n, at_s=at_s, data=data), truth)

    def hear(self, data: bytes, at_s: float) -> None:
        """Take no notice: a base needs no corrections."""

    def counts(self) -> dict[str, int]:
        """Return nothing of its own."""
        return {}
