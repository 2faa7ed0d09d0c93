"""UBX-RXM-SFRBX, the words of navigation messages, to broadcast sets and ionospheres.

Source: u-blox ZED-F9P interface description UBX-22008968, clauses 1.5.4 (signals) and 3.17.9, and
the integration manual UBX-18010802, clause 3.13.1 (where the bits of each signal stand).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from bdgw.positioning.satellite import satellite_id
from bdgw.rawlog.beidou_cnav1 import BeidouCnav1Reader
from bdgw.rawlog.beidou_cnav2 import BeidouCnav2Reader
from bdgw.rawlog.beidou_d1 import BeidouReader
from bdgw.rawlog.beidou_d2 import BeidouGeoReader
from bdgw.rawlog.checked import Checked
from bdgw.rawlog.cnav import CnavReader
from bdgw.rawlog.event import IonosphereSeen, OrbitSeen
from bdgw.rawlog.galileo_fnav import GalileoFnavReader
from bdgw.rawlog.galileo_inav import GalileoReader
from bdgw.rawlog.glonass_string import GlonassReader
from bdgw.rawlog.lnav import LnavReader
from bdgw.rawlog.ubx_measurement import GNSS_LETTERS
from bdgw.rawlog.words import Page

__all__ = ["Broadcast", "WordReader", "glonass_channel"]

_HEAD_BYTES = 8
_CHANNEL_OFFSET = 7
_D1, _D2, _INAV = (0, 2, 4), (1, 3, 10), (1, 5)
"""Signals that carry a message: D1 and D2 come on B1I, B2I and B3I, I/NAV on E1-B and E5b-I."""
_B_CNAV1, _B_CNAV2 = 6, 8
"""The data components of B1C and B2a; the pilots, 5 and 7, carry none."""
_CNAV, _FNAV = (4, 6), 3
"""L2 CM and L5 I, each with messages of its own; E5a-I."""

_Read = Callable[[int, Sequence[int], int], Page | None]


class Broadcast(NamedTuple):
    """What one message brought.

    ``page`` tells it from the other messages of its satellite and signal, so that the newest of
    each page make up the set that ``events`` holds when it is whole.
    """

    satellite: int
    signal: int
    page: int
    events: tuple[OrbitSeen | IonosphereSeen, ...]


class WordReader:
    """Collects the pages of each satellite; nothing is raised, whatever the payload is."""

    def __init__(self) -> None:
        self._strings, self._checked = GlonassReader(), Checked()
        lnav, inav = LnavReader(), GalileoReader()
        self._readers: dict[tuple[str, int], _Read] = {
            ("G", 0): partial(lnav.read, is_qzss=False),
            ("J", 0): partial(lnav.read, is_qzss=True),
            ("C", _B_CNAV1): BeidouCnav1Reader(self._checked).read,
            ("C", _B_CNAV2): BeidouCnav2Reader(self._checked).read,
            ("E", _FNAV): GalileoFnavReader(self._checked).read,
        }
        self._readers |= {("G", signal): CnavReader(self._checked).read for signal in _CNAV}
        self._readers |= {("C", signal): BeidouReader().read for signal in _D1}
        self._readers |= {("C", signal): BeidouGeoReader().read for signal in _D2}
        self._readers |= {("E", signal): partial(inav.read, signal=signal) for signal in _INAV}

    @property
    def n_bad_checksum(self) -> int:
        """Count the modern messages that were passed over for their checksum."""
        return self._checked.n_failed

    def read(self, payload: bytes, near_gpst_ns: int) -> Broadcast | None:
        """Take a message; None where nothing of it is used."""
        if len(payload) < _HEAD_BYTES:
            return None
        gnss, number, signal, channel, n_words = payload[:5]
        letter = GNSS_LETTERS.get(gnss)
        if letter is None or not 0 < number < 100 or len(payload) < _HEAD_BYTES + 4 * n_words:
            return None
        words = struct.unpack_from(f"<{n_words}I", payload, _HEAD_BYTES)
        satellite = satellite_id(f"{letter}{number:02d}")
        if letter == "R":
            fcn = channel - _CHANNEL_OFFSET
            page: Page | None = self._strings.read(satellite, fcn, words, near_gpst_ns)
        else:
            reader = self._readers.get((letter, signal))
            page = None if reader is None else reader(satellite, words, near_gpst_ns)
        if page is None:
            return None
        events: list[OrbitSeen | IonosphereSeen] = []
        if page.orbit is not None:
            events.append(OrbitSeen(page.orbit))
        if page.ionosphere is not None:
            events.append(IonosphereSeen(letter, page.ionosphere))
        return Broadcast(satellite, signal, page.number, tuple(events))


def glonass_channel(payload: bytes) -> tuple[str, int] | None:
    """Give satellite and frequency channel of a message of GLONASS, None of another one."""
    if len(payload) < _HEAD_BYTES or GNSS_LETTERS.get(payload[0]) != "R":
        return None
    number, channel = payload[1], payload[3] - _CHANNEL_OFFSET
    return (f"R{number:02d}", channel) if 0 < number < 100 else None
