"""Which calibrations the antennas of both ends get, and what a person should know of that."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import NamedTuple

import numpy as np

from bdgw.errors import UnavailableError
from bdgw.positioning.antenna import N_BANDS, AntennaPair, AntennaTable, signal_name
from bdgw.positioning.observation import ObservationEpoch
from bdgw.positioning.satellite import N_SYSTEM_SATELLITES, SYSTEMS, band_of
from bdgw.rinex.antex import NULL_ANTENNA, Antex, antenna_name
from bdgw.rtcm.observation import IntArray

__all__ = ["AntennaEnd", "Antennas", "carrier_names", "carriers_of", "choose_antennas"]


class AntennaEnd(NamedTuple):
    """The antenna of one end: IGS name of it and its radome, and serial number, where known."""

    name: str | None
    serial: str | None = None


class Antennas(NamedTuple):
    """What the engine is told, and what a person should know."""

    pair: AntennaPair
    remarks: tuple[str, ...]


class _Choice(NamedTuple):
    table: AntennaTable | None
    is_known: bool
    remarks: tuple[str, ...]


def choose_antennas(
    read: Callable[[str], Antex],
    rover: AntennaEnd,
    base: AntennaEnd,
    *,
    t_gpst_ns: int | None,
    carriers: AbstractSet[str],
) -> Antennas:
    """Choose the calibrations of both ends; ``read`` gives what the file has of a name.

    The null antenna of a base needs no correction: it has been made already. With a base that is
    not known neither end is corrected: two antennas are more alike than one is like none, and
    positions would be off by all of the base's phase centre. With a rover that is not known the
    positions are of its phase centre. ``carriers`` are those in use, by their ANTEX names.
    """
    of_base = _choose(read, "base", base, "neither end is corrected", t_gpst_ns, carriers)
    if not of_base.is_known:
        return Antennas(AntennaPair(), of_base.remarks)
    otherwise = "positions are of its phase centre and not of its reference point"
    of_rover = _choose(read, "rover", rover, otherwise, t_gpst_ns, carriers)
    pair = AntennaPair(rover=of_rover.table, base=of_base.table)
    return Antennas(pair, of_rover.remarks + of_base.remarks)


def _choose(
    read: Callable[[str], Antex],
    end: str,
    antenna: AntennaEnd,
    otherwise: str,
    t_gpst_ns: int | None,
    carriers: AbstractSet[str],
) -> _Choice:
    name = antenna.name
    if not name:
        return _Choice(None, False, (f"{end}: no antenna is named: {otherwise}",))
    if antenna_name(name)[0] == NULL_ANTENNA:
        return _Choice(None, True, ())
    shown = " ".join(name.split())
    try:
        found = read(name).find(name, t_gpst_ns, serial=antenna.serial)
    except UnavailableError as error:
        return _Choice(None, False, (f"{end}: {error}: {otherwise}",))
    if found is None:
        text = f"{end}: {shown!r} is not in the file of antennas: {otherwise}"
        return _Choice(None, False, (text,))
    table = AntennaTable(found.model)
    remarks = [] if found.remark is None else [found.remark]
    lent = sorted(one for one in carriers if one in table.stand_ins)
    if lent:
        pairs = ", ".join(f"{one} of {table.stand_ins[one]}" for one in lent)
        remarks.append(f"not calibrated, values of the nearest carrier: {pairs}")
    absent = sorted(one for one in carriers if not table.has(one))
    if absent:
        remarks.append(f"not calibrated, and not used: {', '.join(absent)}")
    return _Choice(table, True, tuple(f"{end}: {shown}: {remark}" for remark in remarks))


def carriers_of(epoch: ObservationEpoch) -> IntArray:
    """Give the carriers of an epoch as numbers, each once; ``signal_name`` of their parts."""
    system = np.minimum(epoch.satellite // N_SYSTEM_SATELLITES, len(SYSTEMS) - 1)
    return np.unique(system * N_BANDS + band_of(epoch.signal))


def carrier_names(numbers: IntArray, systems: str) -> set[str]:
    """Give the ANTEX names of carriers of some systems."""
    names = {signal_name(*divmod(number, N_BANDS)) for number in numbers.tolist()}
    return {name for name in names if name[0] in systems}
