"""What a station measured at one epoch, as columns: one value a satellite and signal.

Legacy messages (1001-1004, 1009-1012) and MSM become the same value. Absent is NaN in a column of
floats; the JSON edge leaves it out. Columns may share memory and must not be written to.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
import numpy.typing as npt

from bdgw.errors import EncodeError
from bdgw.rtcm.head import RawEpoch
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.signal import GLONASS_CHANNELS, Signal, glonass_frequency_hz

__all__ = ["LIGHT_MS_M", "MAX_CELLS", "SPEED_OF_LIGHT_M_S", "BoolArray", "IntArray", "Observations"]

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

SPEED_OF_LIGHT_M_S = 299_792_458.0
LIGHT_MS_M = 299_792.458
"""How far light goes in a millisecond (RTCM 10403.3, clause 3.5.16: PRUNIT)."""
MAX_CELLS = 64
"""RTCM 10403.3, DF396: most satellites times signals of one MSM."""
_CHANNEL_OFFSET = 7


class Observations(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The observations of one message.

    ``satellites`` are RINEX names and ``signals`` what the mask lists; columns of satellites have
    shape (len(satellites),). ``satellite_index`` and ``signal_index`` say of which satellite and
    signal a cell is; all other columns of cells have their shape, (n_cells,), in the order of the
    wire: by satellite, then by signal.

    ``pseudorange_m`` and ``phase_range_m`` grow with distance; ``phase_rate_m_s`` is positive when
    the satellite goes away. Where ``range_modulus_m`` is not None, ranges are known only up to
    whole multiples of it. ``lock_s`` is the shortest time that the indicator stands for.
    ``is_half_cycle`` True says that a half cycle is not resolved yet; None where the message has
    no such flag. ``frequency_hz`` is NaN where signal or GLONASS channel is not known, and so are
    ``phase_cycles`` and ``doppler_hz`` there.

    ``rough_range_m`` and ``rough_rate_m_s`` are what the cells of a satellite were counted from;
    an encoder needs them to give the same bits again and finds its own where they are None.
    ``extended_info`` is the raw word beside the satellite (GLONASS: channel + 7), None where the
    message has none. ``smoothing_interval`` is raw (DF418, DF008): 0 none, 7 unlimited.
    """

    number: int
    station: int
    system: str
    epoch: RawEpoch
    has_more: bool = False
    iods: int | None = None
    clock_steering: int | None = None
    external_clock: int | None = None
    is_divergence_free: bool = False
    smoothing_interval: int = 0
    range_modulus_m: float | None = None
    satellites: tuple[str, ...]
    signals: tuple[Signal, ...]
    extended_info: IntArray | None = None
    rough_range_m: FloatArray | None = None
    rough_rate_m_s: FloatArray | None = None
    satellite_index: IntArray
    signal_index: IntArray
    pseudorange_m: FloatArray
    phase_range_m: FloatArray
    phase_rate_m_s: FloatArray
    lock_s: FloatArray
    cn0_dbhz: FloatArray
    frequency_hz: FloatArray
    is_half_cycle: BoolArray | None = None

    @property
    def n_cells(self) -> int:
        """How many satellites and signals were measured."""
        return len(self.satellite_index)

    @property
    def phase_cycles(self) -> FloatArray:
        """Carrier phase in cycles, shape (n_cells,); grows with distance as RINEX has it."""
        return self.phase_range_m * (self.frequency_hz / SPEED_OF_LIGHT_M_S)

    @property
    def doppler_hz(self) -> FloatArray:
        """Doppler in hertz, shape (n_cells,): positive when the satellite comes nearer."""
        return self.phase_rate_m_s * (self.frequency_hz / -SPEED_OF_LIGHT_M_S)

    @property
    def n_unknown_signals(self) -> int:
        """How many cells are of a signal that the table does not know."""
        unknown = [i for i, signal in enumerate(self.signals) if signal.code is None]
        return int(np.isin(self.signal_index, unknown).sum()) if unknown else 0

    @property
    def n_unknown_frequencies(self) -> int:
        """How many cells have no known carrier, hence no phase in cycles and no Doppler."""
        return int(np.isnan(self.frequency_hz).sum())

    @property
    def frequency_channels(self) -> dict[str, int]:
        """GLONASS frequency channels that the message itself says, by satellite."""
        if self.system != "R" or self.extended_info is None:
            return {}
        pairs = zip(self.satellites, self.extended_info.tolist(), strict=True)
        found = {name: info - _CHANNEL_OFFSET for name, info in pairs}
        last = GLONASS_CHANNELS.stop if self.is_legacy else _LAST_MSM_CHANNEL + 1
        return {name: channel for name, channel in found.items() if channel < last}

    @property
    def is_legacy(self) -> bool:
        """Whether these came in one of 1001-1004 and 1009-1012."""
        return self.number < _FIRST_MSM

    def require_finite(self) -> None:
        """Refuse infinities; NaN is absent.

        Raises:
            EncodeError: a column has one.
        """
        for name in _MEASURED:
            column = getattr(self, name)
            if column is not None and np.isinf(column).any():
                raise EncodeError(f"{name} is not finite")

    def with_channels(self, channels: Mapping[str, int]) -> Observations:
        """Fill in carriers of GLONASS satellites whose channels are known from elsewhere.

        ``channels`` is by RINEX name, as ``frequency_channels`` and 1020 give them; what the
        message says itself goes before.
        """
        if self.system != "R":
            return self
        known = {**channels, **self.frequency_channels}
        found = [
            glonass_frequency_hz(self.signals[signal].code, known.get(self.satellites[satellite]))
            for satellite, signal in zip(
                self.satellite_index.tolist(), self.signal_index.tolist(), strict=True
            )
        ]
        frequency_hz = np.array([np.nan if hz is None else hz for hz in found])
        return msgspec.structs.replace(self, frequency_hz=frequency_hz)


_MEASURED = (
    "rough_range_m",
    "rough_rate_m_s",
    "pseudorange_m",
    "phase_range_m",
    "phase_rate_m_s",
    "cn0_dbhz",
)
_FIRST_MSM = 1071
_LAST_MSM_CHANNEL = 6
"""DF419: 0 to 13 are channels -7 to +6, 14 and 15 say nothing."""
