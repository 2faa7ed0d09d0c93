"""Compact RINEX, against what the ``hatanaka`` package (Hatanaka's own crx2rnx) restores."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.errors import DecodeError
from bdgw.positioning.satellite import satellite_id, signal_id
from bdgw.rinex.compact import plain_lines
from bdgw.rinex.observation import ObservationHeader, read_observations
from tests.conftest import shared_data

KMS3 = ("gnss", "spp", "kms3", "KMS300DNK_R_20221591000_01H_30S_MO.crx")


def lines() -> list[str]:
    text = shared_data(*KMS3).read_text(encoding="latin-1")
    return text.removesuffix("\n").split("\n")


@pytest.mark.capture
def test_the_fifth_epoch_reads_as_crx2rnx_writes_it() -> None:
    # Third differences first repeat in the fifth epoch.
    found = [line.rstrip() for line in plain_lines(lines())]
    assert len(found) == 1074
    assert found[334] == (
        "C05                  39975391.488 5                  39975391.289 5"
        "                  39975395.201 6                 208162329.41005"
        "                                                 160964338.27806"
    )


@pytest.mark.capture
def test_the_cells_of_an_epoch() -> None:
    header = ObservationHeader()
    epochs = list(read_observations(lines(), header))
    assert len(epochs) == 19
    assert header.version == 4.0
    assert header.approx_m == (3516213.4380, 781859.8595, 5246037.9660)
    epoch = epochs[4]
    at = np.flatnonzero(
        (epoch.satellite == satellite_id("C05")) & (epoch.signal == signal_id("C", "2I"))
    )
    assert epoch.pseudorange_m[at].tolist() == [39975391.488]
    assert epoch.phase_cycles[at].tolist() == [208162329.410]
    assert epoch.frequency_hz[at].tolist() == [1561.098e6]
    assert math.isnan(epoch.lock_s[at][0])
    # 2022-06-08T10:02:00 is Wednesday of GPS week 2213.
    assert epoch.t_gpst_ns == (2213 * 604_800 + 3 * 86_400 + 36_120) * 1_000_000_000


def test_plain_text_is_refused() -> None:
    with pytest.raises(DecodeError):
        list(plain_lines(["     3.04           OBSERVATION DATA"]))


@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="\n"), max_size=60)))
def test_no_body_raises(body: list[str]) -> None:
    head = [
        "3.0                 COMPACT RINEX FORMAT                    CRINEX VERS   / TYPE",
        "x                                                           CRINEX PROG / DATE",
        "     3.04           OBSERVATION DATA    M                   RINEX VERSION / TYPE",
        "G    2 C1C L1C                                              SYS / # / OBS TYPES",
        "                                                            END OF HEADER",
        "> 2024 05 03 00 00 00.0000000  0  1      G01",
        "",
        "3&22000000000 3&115000000000",
    ]
    assert list(read_observations([*head, *body]))
