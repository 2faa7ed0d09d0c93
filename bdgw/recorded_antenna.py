"""The antennas of both ends of recorded data."""

from __future__ import annotations

import numpy as np

from bdgw.recorded import Recording
from bdgw.rinex.antenna_choice import (
    AntennaEnd,
    Antennas,
    carrier_names,
    carriers_of,
    choose_antennas,
)
from bdgw.rinex.antex import Antex

__all__ = ["antennas_of"]


def antennas_of(
    atx: Antex,
    rover: Recording,
    base: Recording,
    *,
    systems: str,
    rover_name: str | None = None,
    base_name: str | None = None,
) -> Antennas:
    """Choose the antennas: as told by name, else as the files say.

    Carriers that both ends have and an antenna has not are remarked.
    """
    rover_end, base_end = (
        AntennaEnd(told) if told else AntennaEnd(recording.antenna, recording.antenna_serial)
        for recording, told in ((rover, rover_name), (base, base_name))
    )
    return choose_antennas(
        lambda _: atx,
        rover_end,
        base_end,
        t_gpst_ns=rover.epochs[0].t_gpst_ns if rover.epochs else None,
        carriers=_carriers(rover, systems) & _carriers(base, systems),
    )


def _carriers(recording: Recording, systems: str) -> set[str]:
    numbers = [carriers_of(epoch) for epoch in recording.epochs]
    return carrier_names(np.unique(np.concatenate(numbers)), systems) if numbers else set()
