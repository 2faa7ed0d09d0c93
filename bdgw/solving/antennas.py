"""The antennas of a live rover and its base: chosen once, and again when the base's is another.

The file of antennas is read by whoever runs the worker, and only for names that are asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bdgw.errors import UnavailableError
from bdgw.positioning.antenna import AntennaPair
from bdgw.positioning.observation import ObservationEpoch
from bdgw.rinex.antenna_choice import AntennaEnd, carrier_names, carriers_of, choose_antennas
from bdgw.rinex.antex import Antex

__all__ = ["AntennaChooser", "ReadAntex", "no_file"]

ReadAntex = Callable[[str, str], Antex]
"""Path and name of an antenna to what the file has of that name; UnavailableError without it."""


def no_file(path: str, name: str) -> Antex:
    """Read nothing: for those who have no files.

    Raises:
        UnavailableError: always.
    """
    raise UnavailableError(f"{path}: not read for {name}")


class AntennaChooser:
    """One rover and what it is solved against."""

    def __init__(self, read: ReadAntex) -> None:
        self._read = read
        self._key: tuple[object, ...] | None = None
        self._pair: AntennaPair | None = None
        self.remarks: tuple[str, ...] = ()

    def choose(
        self, path: str, systems: str, own: AntennaEnd, base: AntennaEnd, epoch: ObservationEpoch
    ) -> AntennaPair | None:
        """Give both antennas; ``remarks`` then says what is not as it should be."""
        key = (path, own, base)
        if key != self._key:
            self._key = key
            self._pair, self.remarks = choose_antennas(
                partial(self._read, path),
                own,
                base,
                t_gpst_ns=epoch.t_gpst_ns,
                carriers=carrier_names(carriers_of(epoch), systems),
            )
        return self._pair
