"""Observation files of version 2 and 3, in the words of the format's own documents."""

from __future__ import annotations

import numpy as np
import pytest

from bdgw.errors import DecodeError
from bdgw.positioning.satellite import satellite_id, satellite_name_of, signal_code_of
from bdgw.rinex.observation import ObservationHeader, read_observations

# RINEX 2.11, table A7, cut down to two satellites.
TWO = """\
     2.11           OBSERVATION DATA    M (MIXED)           RINEX VERSION / TYPE
     4    P1    L1    L2    P2                              # / TYPES OF OBSERV
  2005     3    24    13    10   36.0000000     GPS         TIME OF FIRST OBS
                                                            END OF HEADER
 05  3 24 13 10 36.0000000  0  3G12G 9R21                         -.123456789
  23629347.915            .300 8         -.353 4  23629364.158
  20891534.648           -.120 9         -.358 6  20891541.292
  21345678.576       12345.567 5
 05  3 24 13 10 50.0000000  4  1
              A COMMENT                                     COMMENT
 05  3 24 13 10 54.0000000  0  1G12
  23619095.450      -53875.63218   -41981.375 4  23619112.008
"""
THREE = """\
     3.04           OBSERVATION DATA    M                   RINEX VERSION / TYPE
C    6 C2I L2I D2I S2I C6I L6I                              SYS / # / OBS TYPES
R    2 C1C L1C                                              SYS / # / OBS TYPES
  2024     6    24     8    20    0.0000000     GPS         TIME OF FIRST OBS
  1 R01  1                                                  GLONASS SLOT / FRQ #
                                                            END OF HEADER
> 2024 06 24 08 20  0.0000000  0  2
C01  36689218.704 7 191050392.04117       305.142 7        43.469    36689213.246
R01  20000000.000   107000000.0002
"""


def test_version_two_has_one_phase_a_band() -> None:
    epochs = list(read_observations(TWO.splitlines()))
    assert len(epochs) == 2
    first = epochs[0]
    found = {
        (satellite_name_of(s), signal_code_of(g)): (p, c)
        for s, g, p, c in zip(
            first.satellite.tolist(),
            first.signal.tolist(),
            first.pseudorange_m.tolist(),
            first.phase_cycles.tolist(),
            strict=True,
        )
    }
    assert found["G12", "1W"] == (23629347.915, 0.3)
    assert ("G12", "1C") not in found
    assert found["G09", "2W"] == (20891541.292, -0.358)
    assert found["R21", "1P"] == (21345678.576, 12345.567)
    # 2005-03-24 is a Thursday of GPS week 1315.
    assert first.t_gpst_ns == (1315 * 604_800 + 4 * 86_400 + 47_436) * 1_000_000_000


@pytest.mark.parametrize(
    ("types", "signals"),
    [
        ("C1    L1    C2    L2", [("1C", 0.3), ("2X", -0.353)]),
        ("P1    L1    C2    L2", [("1W", 0.3), ("2X", -0.353)]),
        ("C1    L1    P2    L2", [("1C", 0.3), ("2W", -0.353)]),
        ("C1    L1    S1    L2", [("1C", 0.3), ("2W", -0.353)]),
    ],
)
def test_a_phase_goes_with_the_code_of_its_band_that_is_there(types, signals) -> None:
    """Of version 2 the type says the band of a phase alone (RINEX 2.11, table A1)."""
    text = TWO.replace("P1    L1    L2    P2", types).splitlines()
    text = [*text[:5], "  23629347.915            .300 8  23629364.158          -.353 4", *text[6:]]
    text[4] = " 05  3 24 13 10 36.0000000  0  1G12"
    first = next(read_observations([*text[:6]]))
    found = zip(first.signal.tolist(), first.phase_cycles.tolist(), strict=True)
    assert sorted((signal_code_of(g), c) for g, c in found) == sorted(signals)


def test_loss_of_lock_is_read() -> None:
    last = list(read_observations(TWO.splitlines()))[1]
    assert last.has_slipped.tolist().count(True) == 1


def test_version_three_with_slots_and_indicators() -> None:
    header = ObservationHeader()
    (epoch,) = read_observations(THREE.splitlines(), header)
    assert header.channels == {"R01": 1}
    names = [signal_code_of(g) for g in epoch.signal.tolist()]
    assert names == ["2I", "6I", "1C"]
    assert epoch.cn0_dbhz[0] == 43.469
    assert np.isnan(epoch.phase_cycles[1])
    assert epoch.has_slipped.tolist() == [True, False, False]
    assert epoch.is_half_cycle.tolist() == [False, False, True]
    assert epoch.frequency_hz[2] == 1602.0e6 + 562_500.0
    assert epoch.satellite[2] == satellite_id("R01")


def test_other_files_are_refused() -> None:
    with pytest.raises(DecodeError):
        read_observations(["$GPGGA,,,,"])


def biased(text: str) -> ObservationHeader:
    header = ObservationHeader()
    line = f"{text:<60}GLONASS COD/PHS/BIS"
    list(read_observations(THREE.replace("  1 R01", f"{line}\n  1 R01").splitlines(), header))
    return header


def test_phases_are_aligned_where_a_correction_is_named() -> None:
    # RINEX 3.05, table A2: X1, A3, X1, F8.3, four times.
    header = biased(" C1C  -71.940 C1P  -71.940 C2C    0.000 C2P    0.000")
    assert [signal_code_of(one) for one in header.aligned_signals] == ["1C", "1P"]


@pytest.mark.parametrize("text", ["", " C1C    0.000 C2C    0.000", " C1C", " C1C -0.000"])
def test_zeros_and_blanks_say_nothing_of_alignment(text: str) -> None:
    assert biased(text).aligned_signals == []
