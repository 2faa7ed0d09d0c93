"""UBX-RXM-SFRBX, the words of navigation messages, to broadcast sets and ionospheres.

Source: u-blox ZED-F9P interface description UBX-22008968, clauses 1.5.4 (signals) and 3.17.9, and
the integration manual UBX-18010802, clause 3.13.1 (where the bits of each signal stand).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from bdgw.positioning.satellite import satellite_id
from bdgw.rawlog.beidou_d1 import BeidouReader
from bdgw.rawlog.event import IonosphereSeen, OrbitSeen
from bdgw.rawlog.glonass_string import GlonassReader
from bdgw.rawlog.lnav import LnavReader
from bdgw.rawlog.ubx_measurement import GNSS_LETTERS
from bdgw.rawlog.words import Page

__all__ = ["Broadcast", "WordReader", "glonass_channel"]

_HEAD_BYTES = 8
_CHANNEL_OFFSET = 7


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
        self._lnav, self._strings, self._d1 = LnavReader(), GlonassReader(), BeidouReader()

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
        page: Page | None = None
        if letter in "GJ" and signal == 0:
            page = self._lnav.read(satellite, words, near_gpst_ns, is_qzss=letter == "J")
        elif letter == "R":
            fcn = channel - _CHANNEL_OFFSET
            page = self._strings.read(satellite, fcn, words, near_gpst_ns)
        elif letter == "C" and signal == 0:
            page = self._d1.read(satellite, words, near_gpst_ns)
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
