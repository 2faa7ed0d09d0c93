"""The signals a reference station measures: frequency, place in the MSM signal mask, delay.

Source: RTCM 10403.3 tables of MSM signals (DF395); frequencies of the interface documents.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fwsim.constellation import Orbit, System
from fwsim.orbit import SPEED_OF_LIGHT_M_S, Ephemeris, KeplerEphemeris

L1_HZ = 1_575_420_000.0
L2_HZ = 1_227_600_000.0
L5_HZ = 1_176_450_000.0
B1I_HZ = 1_561_098_000.0
B3I_HZ = 1_268_520_000.0
E5B_HZ = 1_207_140_000.0
G1_HZ, G1_STEP_HZ = 1_602_000_000.0, 562_500.0
G2_HZ, G2_STEP_HZ = 1_246_000_000.0, 437_500.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """A signal: RINEX code, MSM signal id (1 to 32), frequency, strength below the strongest."""

    system: System
    code: str
    msm_id: int
    base_hz: float
    step_hz: float = 0.0
    loss_db: float = 0.0

    def frequency_hz(self, channel: int | None) -> float:
        """Return the frequency; GLONASS satellites differ by their channel."""
        return self.base_hz + self.step_hz * (channel or 0)

    def wavelength_m(self, channel: int | None) -> float:
        """Return the wavelength."""
        return SPEED_OF_LIGHT_M_S / self.frequency_hz(channel)


def _carrier(system: System, code: str, msm_id: int, hz: float, loss_db: float = 0.0) -> Carrier:
    return Carrier(system=system, code=code, msm_id=msm_id, base_hz=hz, loss_db=loss_db)


L1C = _carrier(System.GPS, "1C", 2, L1_HZ)
L2W = _carrier(System.GPS, "2W", 10, L2_HZ, 6.0)
L5Q = _carrier(System.GPS, "5Q", 23, L5_HZ, -1.0)
G1C = Carrier(system=System.GLONASS, code="1C", msm_id=2, base_hz=G1_HZ, step_hz=G1_STEP_HZ)
G2C = Carrier(
    system=System.GLONASS, code="2C", msm_id=8, base_hz=G2_HZ, step_hz=G2_STEP_HZ, loss_db=2.0
)
E1C = _carrier(System.GALILEO, "1C", 2, L1_HZ)
E5BQ = _carrier(System.GALILEO, "7Q", 15, E5B_HZ, -1.0)
E5AQ = _carrier(System.GALILEO, "5Q", 23, L5_HZ, -1.0)
B1I = _carrier(System.BEIDOU, "2I", 2, B1I_HZ)
B3I = _carrier(System.BEIDOU, "6I", 8, B3I_HZ, -0.5)
B2I = _carrier(System.BEIDOU, "7I", 14, E5B_HZ, 0.5)
B2AP = _carrier(System.BEIDOU, "5P", 23, L5_HZ, -1.5)
B1CP = _carrier(System.BEIDOU, "1P", 31, L1_HZ, 0.5)
J1C = _carrier(System.QZSS, "1C", 2, L1_HZ)
J2L = _carrier(System.QZSS, "2L", 16, L2_HZ, 1.0)
J5Q = _carrier(System.QZSS, "5Q", 23, L5_HZ, -1.0)


def carriers_of(orbit: Orbit) -> tuple[Carrier, ...]:
    """Return what a satellite transmits and a geodetic receiver measures, by MSM id."""
    names = {signal.name for signal in orbit.signals}
    if orbit.system is System.BEIDOU:
        return (B1I, B3I, B2I) if "B2I" in names else (B1I, B3I, B2AP, B1CP)
    if orbit.system is System.GPS:
        return (L1C, L2W, L5Q) if "L5Q" in names else (L1C, L2W)
    return {
        System.GLONASS: (G1C, G2C),
        System.GALILEO: (E1C, E5BQ, E5AQ),
        System.QZSS: (J1C, J2L, J5Q),
    }[orbit.system]


def code_delay_s(carrier: Carrier, eph: Ephemeris) -> float:
    """Return how much later than by its broadcast clock a satellite sends a code.

    The clock of GPS and QZSS is that of the ionosphere-free pair, of Galileo that of E1 and E5b
    (I/NAV), of BeiDou that of B3I. What no RTCM ephemeris carries, the delays of B1C, B2a and of
    the GLONASS bands, is zero.
    """
    if not isinstance(eph, KeplerEphemeris):
        return 0.0
    return _DELAYS[carrier.system](carrier, eph)


def _by_frequency(carrier: Carrier, eph: KeplerEphemeris) -> float:
    return eph.delays_s[0] * (L1_HZ / carrier.base_hz) ** 2


def _galileo(carrier: Carrier, eph: KeplerEphemeris) -> float:
    to_e5a_s, to_e5b_s = eph.delays_s
    if carrier is E5AQ:
        return to_e5b_s - to_e5a_s + to_e5a_s * (L1_HZ / L5_HZ) ** 2
    return to_e5b_s * (L1_HZ / carrier.base_hz) ** 2


def _beidou(carrier: Carrier, eph: KeplerEphemeris) -> float:
    return {B1I: eph.delays_s[0], B2I: eph.delays_s[1]}.get(carrier, 0.0)


_DELAYS: Mapping[System, Callable[[Carrier, KeplerEphemeris], float]] = {
    System.GPS: _by_frequency,
    System.QZSS: _by_frequency,
    System.GALILEO: _galileo,
    System.BEIDOU: _beidou,
}
