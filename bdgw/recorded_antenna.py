"""The antennas of both ends of recorded data, and the mark below the rover's.

Where an antenna cannot be corrected that is said, with what it does to the positions.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np

from bdgw.positioning.antenna import N_BANDS, AntennaPair, AntennaTable, signal_name
from bdgw.positioning.geometry import place_of
from bdgw.positioning.observation import ObservationEpoch
from bdgw.positioning.satellite import N_SYSTEM_SATELLITES, SYSTEMS, band_of
from bdgw.positioning.solution import Solution
from bdgw.recorded import Recording
from bdgw.rinex.antex import NULL_ANTENNA, Antex, antenna_name
from bdgw.rtcm.observation import IntArray

__all__ = ["Antennas", "antennas_of", "at_mark"]

_UNCORRECTED = {
    "rover": "positions are of its phase centre and not of its reference point",
    "base": "positions are off by its phase centre, mostly in height",
}


class Antennas(NamedTuple):
    """What the engine is told, and what a person should know."""

    pair: AntennaPair
    warnings: list[str]


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

    The null antenna of a base needs no correction: it has been made already. Carriers that both
    ends have and an antenna has not are warned of.
    """
    carriers = _carriers(rover, systems) & _carriers(base, systems)
    tables, warnings = {}, []
    for end, recording, told in (("rover", rover, rover_name), ("base", base, base_name)):
        table, remarks = _table(atx, recording, told, carriers, _UNCORRECTED[end])
        tables[end] = table
        warnings += [f"{end}: {remark}" for remark in remarks]
    return Antennas(AntennaPair(rover=tables["rover"], base=tables["base"]), warnings)


def at_mark(solution: Solution, antenna_hen_m: tuple[float, float, float]) -> Solution:
    """Give the position of the mark that an antenna stands over: up, east and north in metres."""
    if solution.ecef_m is None or not any(antenna_hen_m):
        return solution
    up, east, north = antenna_hen_m
    place = place_of(solution.ecef_m)
    x, y, z = (place.ecef_m - place.to_enu.T @ (east, north, up)).tolist()
    return msgspec.structs.replace(solution, ecef_m=(x, y, z))


def _table(
    atx: Antex, recording: Recording, told: str | None, carriers: set[str], otherwise: str
) -> tuple[AntennaTable | None, list[str]]:
    name = told or recording.antenna
    if name is None:
        return None, [f"no antenna is named: {otherwise}"]
    if antenna_name(name)[0] == NULL_ANTENNA:
        return None, []
    shown = " ".join(name.split())
    t_ns = recording.epochs[0].t_gpst_ns if recording.epochs else None
    found = atx.find(name, t_ns, serial=None if told else recording.antenna_serial)
    if found is None:
        return None, [f"{shown!r} is not in the file of antennas: {otherwise}"]
    table = AntennaTable(found.model)
    remarks = [] if found.remark is None else [f"{shown}: {found.remark}"]
    lent = sorted(one for one in carriers if one in table.stand_ins)
    if lent:
        pairs = ", ".join(f"{one} of {table.stand_ins[one]}" for one in lent)
        remarks.append(f"{shown}: not calibrated, values of the nearest carrier: {pairs}")
    absent = sorted(one for one in carriers if not table.has(one))
    if absent:
        remarks.append(f"{shown}: not calibrated, and not used: {', '.join(absent)}")
    return table, remarks


def _carriers(recording: Recording, systems: str) -> set[str]:
    numbers = [np.unique(_carrier(epoch)) for epoch in recording.epochs]
    found = np.unique(np.concatenate(numbers)).tolist() if numbers else []
    names = {signal_name(*divmod(number, N_BANDS)) for number in found}
    return {name for name in names if name[0] in systems}


def _carrier(epoch: ObservationEpoch) -> IntArray:
    system = np.minimum(epoch.satellite // N_SYSTEM_SATELLITES, len(SYSTEMS) - 1)
    return system * N_BANDS + band_of(epoch.signal)
