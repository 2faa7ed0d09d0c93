"""MSM4 and MSM7 of every system, written column by column.

Source: RTCM 10403.3 section 3.5.13 (MSM header, satellite and signal data, DF394 to DF420).
"""

from collections.abc import Callable, Sequence

from fwsim.carrier import Carrier
from fwsim.constellation import System
from fwsim.gnss_time import DAY_S, NS_PER_S, WEEK_S, bdt_ns, glonass_ns
from fwsim.observation import Measurement, SatelliteObservation
from fwsim.orbit import SPEED_OF_LIGHT_M_S
from fwsim.rtcm_frame import BitWriter, frame

FIRST_NUMBERS = {
    System.GPS: 1070,
    System.GLONASS: 1080,
    System.GALILEO: 1090,
    System.QZSS: 1110,
    System.BEIDOU: 1120,
}
NS_PER_MS = 1_000_000
MS_M = SPEED_OF_LIGHT_M_S / 1000.0
MAX_CELLS = 64
NO_FINE_RATE = -(1 << 14)


def epoch_field(system: System, gpst_ns: int) -> int:
    """Return the 30 bits of the epoch as the system counts it."""
    if system is System.GLONASS:
        own_ns = glonass_ns(gpst_ns)
        days, of_day_ns = divmod(own_ns, DAY_S * NS_PER_S)
        # 1970-01-01 was a Thursday; days of the week count from Sunday.
        return (days + 4) % 7 << 27 | of_day_ns // NS_PER_MS
    own_ns = bdt_ns(gpst_ns) if system is System.BEIDOU else gpst_ns
    return own_ns % (WEEK_S * NS_PER_S) // NS_PER_MS


def groups(observations: Sequence[SatelliteObservation]) -> list[list[SatelliteObservation]]:
    """Part the satellites of a system so that satellites times signals stay within 64 cells."""
    parts: list[list[SatelliteObservation]] = []
    signals: set[Carrier] = set()
    for seen in sorted(observations, key=lambda item: item.prn):
        wanted = signals | {m.carrier for m in seen.measurements}
        if parts and (len(parts[-1]) + 1) * len(wanted) <= MAX_CELLS:
            parts[-1].append(seen)
            signals = wanted
        else:
            parts.append([seen])
            signals = {m.carrier for m in seen.measurements}
    return parts


def msm(
    kind: int,
    station: int,
    gpst_ns: int,
    observations: Sequence[SatelliteObservation],
    *,
    has_more: bool = False,
    issue: int = 0,
) -> bytes:
    """Return one frame of MSM4 or MSM7 with satellites of one system, in order of number.

    Raises:
        ValueError: not MSM4 or MSM7, no satellites, several systems or more than 64 cells.
    """
    systems = {seen.system for seen in observations}
    if kind not in {4, 7} or len(systems) != 1:
        msg = f"MSM{kind} of {len(systems)} systems is not written"
        raise ValueError(msg)
    system = observations[0].system
    out = BitWriter()
    out.unsigned(FIRST_NUMBERS[system] + kind, 12)
    out.unsigned(station, 12)
    out.unsigned(epoch_field(system, gpst_ns), 30)
    out.unsigned(int(has_more), 1)
    out.unsigned(issue, 3)
    out.unsigned(0, 7)
    out.unsigned(0, 2)  # clock steering not told
    out.unsigned(0, 2)  # internal clock
    out.unsigned(0, 1)
    out.unsigned(0, 3)
    _masks(out, observations)
    rough = [round(seen.measurements[0].pseudorange_m / MS_M * 1024.0) for seen in observations]
    for value in rough:
        out.unsigned(value >> 10, 8)
    if kind == 7:
        for seen in observations:
            out.unsigned(15 if seen.channel is None else seen.channel + 7, 4)
    for value in rough:
        out.unsigned(value & 1023, 10)
    rates = [round(seen.measurements[0].range_rate_m_s) for seen in observations]
    if kind == 7:
        for rate in rates:
            out.signed(rate, 14)
    cells = [
        (measured, rough_range, rate, seen.channel)
        for seen, rough_range, rate in zip(observations, rough, rates, strict=True)
        for measured in sorted(seen.measurements, key=lambda m: m.carrier.msm_id)
    ]
    for write in _SIGNAL_FIELDS[kind]:
        for cell in cells:
            write(out, *cell)
    return frame(out.payload())


def _masks(out: BitWriter, observations: Sequence[SatelliteObservation]) -> None:
    signals = sorted({m.carrier.msm_id for seen in observations for m in seen.measurements})
    if len(observations) * len(signals) > MAX_CELLS:
        msg = f"{len(observations)} satellites with {len(signals)} signals are too many cells"
        raise ValueError(msg)
    out.unsigned(sum(1 << 64 - seen.prn for seen in observations), 64)
    out.unsigned(sum(1 << 32 - signal for signal in signals), 32)
    for seen in observations:
        present = {m.carrier.msm_id for m in seen.measurements}
        for signal in signals:
            out.unsigned(int(signal in present), 1)


Write = Callable[[BitWriter, Measurement, int, int, int | None], None]


def _fine(metres: float, rough: int, exponent: int, bits: int) -> int:
    """Return a range beyond the rough one in steps of 2^-exponent ms; the lowest means absent."""
    value = round((metres / MS_M - rough / 1024.0) * 2.0**exponent)
    limit = 1 << bits - 1
    return value if -limit < value < limit else -limit


def _code(exponent: int, bits: int) -> Write:
    def write(out: BitWriter, m: Measurement, rough: int, rate: int, channel: int | None) -> None:
        del rate, channel
        out.signed(_fine(m.pseudorange_m, rough, exponent, bits), bits)

    return write


def _phase(exponent: int, bits: int) -> Write:
    def write(out: BitWriter, m: Measurement, rough: int, rate: int, channel: int | None) -> None:
        del rate
        metres = m.phase_cycles * m.carrier.wavelength_m(channel)
        out.signed(_fine(metres, rough, exponent, bits), bits)

    return write


def _lock4(out: BitWriter, m: Measurement, rough: int, rate: int, channel: int | None) -> None:
    del rough, rate, channel
    out.unsigned(lock4(round(m.lock_s * 1000.0)), 4)


def _lock10(out: BitWriter, m: Measurement, rough: int, rate: int, channel: int | None) -> None:
    del rough, rate, channel
    out.unsigned(lock10(round(m.lock_s * 1000.0)), 10)


def _half(out: BitWriter, m: Measurement, rough: int, rate: int, channel: int | None) -> None:
    del m, rough, rate, channel
    out.unsigned(0, 1)


def _cn0(step: float, bits: int) -> Write:
    def write(out: BitWriter, m: Measurement, rough: int, rate: int, channel: int | None) -> None:
        del rough, rate, channel
        out.unsigned(round(m.cn0_dbhz / step), bits)

    return write


def _rate(out: BitWriter, m: Measurement, rough: int, rate: int, channel: int | None) -> None:
    del rough, channel
    value = round((m.range_rate_m_s - rate) / 0.0001)
    out.signed(value if abs(value) < 1 << 14 else NO_FINE_RATE, 15)


_SIGNAL_FIELDS: dict[int, tuple[Write, ...]] = {
    4: (_code(24, 15), _phase(29, 22), _lock4, _half, _cn0(1.0, 6)),
    7: (_code(29, 20), _phase(31, 24), _lock10, _half, _cn0(0.0625, 10), _rate),
}


def lock4(lock_ms: int) -> int:
    """Return DF402: the power of two below the lock time, from 32 ms on."""
    return min(max(lock_ms.bit_length() - 5, 0), 15)


def lock10(lock_ms: int) -> int:
    """Return DF407: milliseconds up to 64, then 32 values for each doubling."""
    if lock_ms < 64:
        return lock_ms
    doublings = lock_ms.bit_length() - 6
    return min(32 * doublings + (lock_ms >> doublings), 704)
