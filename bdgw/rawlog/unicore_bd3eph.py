"""Unicore BD3EPH, a set of one of the modern messages of BeiDou: B-CNAV1, B-CNAV2 or B-CNAV3.

Its times are those of the message, in BDT: in both checked examples they are whole hours. The
semi-major axis is told against that of its kind of orbit, the clock is that of B3I, and the health
is what it is called there, 0 or not. Of geostationary satellites there is none.

A receiver that did not get one of the delays tells 0: that stands for no delay, so that a signal is
rather not used than used without one. The book's example of a set of B2a has the offset of B1C's
data and not that of its own; so which of both is told is seen from the numbers alone.

Source: Unicore N4 Products Commands and Logs Reference Book R1.6, BD3EPH (table 7-75), which
pyunigps 1.0 has alike; the book's example, and one of a UM980 in public tests, of B-CNAV3. Their
checksums hold, and their numbers are whole multiples of the steps of the messages in radians and
metres (BDS-SIS-ICD-B1C-1.0, clauses 7.5 to 7.7). Not proven by them: which of both B-CNAV1 and
B-CNAV2 is named 0 and which 1, on which nothing but the name depends.
"""

from __future__ import annotations

import math
import struct

from bdgw.positioning.ephemeris import KeplerOrbit
from bdgw.positioning.satellite import is_bds_geo, signal_id
from bdgw.rawlog.beidou_cnav import REFERENCE_A_M
from bdgw.rawlog.unicore_kepler import BDT_NS, KEPLER, kepler_of, root_of
from bdgw.rawlog.unicore_tracking import satellite_of

__all__ = ["decode_bd3eph"]

_BODY = struct.Struct("<4B4H29di4B2iI")
_MESSAGES = {0: "CNV1", 1: "CNV2", 2: "CNV3"}
"""As RINEX 4.00 names them: of B1C, B2a and B2b."""
_B1C_PILOT, _B1C_DATA = signal_id("C", "1P"), signal_id("C", "1D")
_B2A_PILOT, _B2A_DATA = signal_id("C", "5P"), signal_id("C", "5D")
_B2B_I = signal_id("C", "7D")


def decode_bd3eph(payload: bytes, t_gpst_ns: int) -> KeplerOrbit | None:
    """Read a payload; None where it holds no set that can be used.

    Raises:
        struct.error: it is too short.
    """
    number, health, orbit_type, _, issue, _, _, _, *numbers = _BODY.unpack_from(payload)
    satellite = satellite_of("C", number)
    reference_m, message = REFERENCE_A_M.get(orbit_type), _MESSAGES.get(numbers[-1])
    if satellite is None or reference_m is None or message is None or is_bds_geo(satellite):
        return None
    _, toe_s, delta_a_m, a_dot_m_s, delta_n, delta_n_dot = numbers[:6]
    toc_s, b1c_pilot_s, b2a_pilot_s, b2b_i_s, _, b2a_data_s, b1c_data_s = numbers[19:26]
    a0_s, a1_s_s, a2_s_s2 = numbers[26:29]
    told = [(_B1C_PILOT, b1c_pilot_s), (_B2A_PILOT, b2a_pilot_s), (_B2B_I, b2b_i_s)]
    # The offsets of the data are on top of the pilots' (clause 7.6.2).
    if b1c_data_s:
        told.append((_B1C_DATA, b1c_pilot_s + b1c_data_s))
    if b2a_data_s:
        told.append((_B2A_DATA, b2a_pilot_s + b2a_data_s))
    fields = {
        "satellite": satellite,
        "message": message,
        "toe_s": toe_s,
        "behind_ns": BDT_NS,
        "issue": issue,
        "is_healthy": not health,
        "sqrt_a": root_of(reference_m + delta_a_m),
        "a_dot_m_s": a_dot_m_s,
        "delta_n_rad_s": delta_n,
        "delta_n_dot_rad_s2": delta_n_dot,
        "a0_s": a0_s,
        "a1_s_s": a1_s_s,
        "a2_s_s2": a2_s_s2,
        "signal_delays_s": tuple(
            (signal, delay_s) for signal, delay_s in told if delay_s and math.isfinite(delay_s)
        ),
        **dict(zip(KEPLER[1:], numbers[6:19], strict=True)),
    }
    return kepler_of(fields, t_gpst_ns, toc_s)
