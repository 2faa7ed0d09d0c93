"""Recorded observations and orbits of GPS and BeiDou, written again as a stream of RTCM 3."""

from __future__ import annotations

import msgspec
import numpy as np

from bdgw.positioning.ephemeris import KeplerOrbit, Orbit
from bdgw.positioning.observation import ObservationEpoch
from bdgw.positioning.satellite import satellite_name_of, signal_code_of
from bdgw.rtcm import message as rtcm
from bdgw.rtcm.ephemeris import BdsEphemeris, GpsEphemeris
from bdgw.rtcm.head import RawEpoch, TimeScale
from bdgw.rtcm.observation import SPEED_OF_LIGHT_M_S, Observations
from bdgw.rtcm.signal import id_of_satellite, signal_of
from bdgw.timescale import GPST_MINUS_BDT_S, WEEK_NS

_SCALES = {"G": TimeScale.GPST, "C": TimeScale.BDT}
_NUMBERS = {"G": 1077, "C": 1127}
_FIRST_WEEK = {"G": 0, "C": 1356}
_APART_M = 500.0
"""Phases may lie at most 1,171 m from the range of their satellite: whole cycles are taken out."""
_CELLS = 64
_SHARED = (
    *("m0_rad", "delta_n_rad_s", "omega0_rad", "omega_dot_rad_s", "i0_rad", "idot_rad_s"),
    *("omega_rad", "crs_m", "crc_m", "cuc_rad", "cus_rad", "cic_rad", "cis_rad"),
)
"""What sets and messages call by the same name."""


class Writer:
    """One station; remembers arcs, for their whole cycles and their age."""

    def __init__(self, station: int) -> None:
        self._station = station
        self._arcs: dict[tuple[str, int], tuple[float, int, int]] = {}

    def epoch(self, epoch: ObservationEpoch) -> list[bytes]:
        """All messages of an epoch."""
        parts: list[Observations] = []
        for system in "GC":
            parts += self._of_system(system, epoch)
        return [rtcm.encode(_with_more(part, n + 1 < len(parts))) for n, part in enumerate(parts)]

    def _of_system(self, system: str, epoch: ObservationEpoch) -> list[Observations]:
        signals = {signal.code: n for n in range(1, 33) if (signal := signal_of(system, n)).code}
        cells: list[tuple[int, int, int]] = []
        for k, (satellite, signal) in enumerate(zip(epoch.satellite, epoch.signal, strict=True)):
            name = satellite_name_of(int(satellite))
            place = signals.get(signal_code_of(int(signal)))
            values = (epoch.pseudorange_m[k], epoch.phase_cycles[k])
            if name[0] == system and place is not None and np.isfinite(values).all():
                cells.append((id_of_satellite(system, name), place, k))
        cells.sort()
        places = sorted({place for _, place, _ in cells})
        satellites = sorted({satellite for satellite, _, _ in cells})
        step = _CELLS // max(len(places), 1)
        return [
            self._message(system, epoch, cells, satellites[i : i + step])
            for i in range(0, len(satellites), step)
        ]

    def _message(self, system, epoch, cells, satellites) -> Observations:
        cells = [cell for cell in cells if cell[0] in satellites]
        places = sorted({place for _, place, _ in cells})
        index = np.array([k for _, _, k in cells])
        behind_ns = GPST_MINUS_BDT_S * 10**9 if system == "C" else 0
        tow_ms = (epoch.t_gpst_ns - behind_ns) % WEEK_NS // 10**6
        phase_m, lock_s = zip(*(self._phase(system, epoch, cell) for cell in cells), strict=True)
        return Observations(
            number=_NUMBERS[system],
            station=self._station,
            system=system,
            epoch=RawEpoch(_SCALES[system], tow_ms),
            satellites=tuple(
                satellite_name_of(int(epoch.satellite[next(k for s, _, k in cells if s == one)]))
                for one in satellites
            ),
            signals=tuple(signal_of(system, place) for place in places),
            satellite_index=np.array([satellites.index(s) for s, _, _ in cells]),
            signal_index=np.array([places.index(place) for _, place, _ in cells]),
            pseudorange_m=epoch.pseudorange_m[index],
            phase_range_m=np.array(phase_m),
            phase_rate_m_s=-epoch.doppler_hz[index]
            * SPEED_OF_LIGHT_M_S
            / epoch.frequency_hz[index],
            lock_s=np.array(lock_s),
            cn0_dbhz=epoch.cn0_dbhz[index],
            frequency_hz=epoch.frequency_hz[index],
            is_half_cycle=epoch.is_half_cycle[index],
        )

    def _phase(self, system, epoch, cell) -> tuple[float, float]:
        """The phase in metres near the range, and how long it has been tracked."""
        satellite, place, k = cell
        wave_m = SPEED_OF_LIGHT_M_S / epoch.frequency_hz[k]
        phase, range_m, t_ns = epoch.phase_cycles[k], epoch.pseudorange_m[k], epoch.t_gpst_ns
        key = (f"{system}{satellite}", place)
        cycles, since_ns, last_ns = self._arcs.get(key, (0.0, t_ns, 0))
        is_new = last_ns == 0 or bool(epoch.has_slipped[k]) or t_ns - last_ns > 10 * 10**9
        if is_new or abs((phase - cycles) * wave_m - range_m) > _APART_M:
            cycles, since_ns = round(phase - range_m / wave_m), t_ns
        self._arcs[key] = (cycles, since_ns, t_ns)
        return (phase - cycles) * wave_m, (t_ns - since_ns) / 1e9


def orbit_frame(orbit: Orbit) -> bytes | None:
    """The ephemeris message of a set of GPS or BeiDou, None of others."""
    name = satellite_name_of(orbit.satellite)
    if not isinstance(orbit, KeplerOrbit) or name[0] not in "GC":
        return None
    is_bds = name[0] == "C"
    behind_ns = GPST_MINUS_BDT_S * 10**9 if is_bds else 0
    week = (orbit.toe_gpst_ns - behind_ns) // WEEK_NS - _FIRST_WEEK[name[0]]
    shared = {
        "satellite": name,
        "raw_week": week % (8192 if is_bds else 1024),
        "toe_s": round(orbit.toe_s),
        "toc_s": (orbit.toc_gpst_ns - behind_ns) % WEEK_NS // 10**9,
        "af0_s": orbit.a0_s,
        "af1_s_s": orbit.a1_s_s,
        "af2_s_s2": orbit.a2_s_s2,
        "sqrt_a_sqrt_m": orbit.sqrt_a,
        "eccentricity": orbit.e,
        "ura_index": 0,
        **{column: getattr(orbit, column) for column in _SHARED},
    }
    if is_bds:
        return rtcm.encode(
            BdsEphemeris(
                number=1042,
                aode=orbit.issue % 32,
                aodc=orbit.issue % 32,
                is_unhealthy=not orbit.is_healthy,
                tgd1_s=orbit.tgd_s[0],
                tgd2_s=orbit.tgd_s[1],
                **shared,
            )
        )
    return rtcm.encode(
        GpsEphemeris(
            number=1019,
            iode=orbit.issue % 256,
            iodc=orbit.issue % 256,
            raw_health=0 if orbit.is_healthy else 1,
            codes_on_l2=1,
            tgd_s=orbit.tgd_s[0],
            has_long_fit=False,
            is_l2p_data_off=False,
            **shared,
        )
    )


def _with_more(part: Observations, has_more: bool) -> Observations:
    return msgspec.structs.replace(part, has_more=has_more)
