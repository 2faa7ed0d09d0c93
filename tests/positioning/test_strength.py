"""What signal strengths are taken for, by the figure of the model, and when they are not."""

from __future__ import annotations

import numpy as np
import pytest

from bdgw.model import FixKind
from bdgw.positioning.strength import strength_noise_m2
from tests.positioning.scene import BASE_M, ROVER_M, T0_NS, Receiver, replaced
from tests.positioning.test_glonass import S_NS, engine, off_m


def test_the_model_s_noise_at_42_db_hz_is_some_four_millimetres() -> None:
    """Ten decibels less are ten times the variance."""
    found = strength_noise_m2(np.array([42.0, 32.0, np.nan, 0.0]))
    assert np.sqrt(found[0]) == pytest.approx(0.0038, abs=0.0001)
    assert found[1] == pytest.approx(10.0 * found[0])
    assert found[2:].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("values", [(1.0, 9.0), (4.0, 25.0), (np.nan, np.nan)])
def test_strengths_in_another_unit_say_nothing(values: tuple[float, float]) -> None:
    one, rover, base = engine("GC"), Receiver(1, systems="GC"), Receiver(2, systems="GC")
    for k in range(3):
        t_ns = T0_NS + k * S_NS
        ends = []
        for unit, at_m in ((rover, ROVER_M), (base, BASE_M)):
            epoch = unit.measure(t_ns, at_m)
            strength = np.linspace(*values, len(epoch.satellite))
            ends.append(replaced(epoch, cn0_dbhz=strength))
        solution = one.solve(*ends)
    assert solution.kind is FixKind.RTK_FIXED
    assert off_m(solution) < 0.03
