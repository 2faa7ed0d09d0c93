"""A moving base on recorded raw data: the vector between two antennas, and the heading.

The epochs go through the same solver as they would live; only epochs of one instant are joined.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from bdgw.model import FixKind
from bdgw.positioning.antenna import AntennaPair
from bdgw.positioning.baseline import Attitude
from bdgw.positioning.moving_base import (
    SAME_NS,
    BaselineSolution,
    MovingBase,
    MovingBaseOptions,
)
from bdgw.positioning.observation import ObservationEpoch
from bdgw.recorded import Recording, covariance_line, fix_line, residual_line, tell_broadcast

__all__ = ["BaselineSummary", "baseline_line", "baselines", "of_one_instant"]

_NAMES = (
    ("fixed", FixKind.RTK_FIXED),
    ("float", FixKind.RTK_FLOAT),
    ("dgnss", FixKind.DGNSS),
    ("none", FixKind.NONE),
)


def baselines(
    rover: Recording,
    base: Recording,
    navigation: Iterable[Recording],
    options: MovingBaseOptions,
    antennas: AntennaPair | None = None,
) -> Iterator[BaselineSolution]:
    """Solve every epoch of the rover, in the order of its file; positions of files are not used."""
    solver = MovingBase(options)
    solver.engine.set_antennas(antennas)
    tell_broadcast(solver.engine, (*navigation, base, rover))
    for epoch, of_base in of_one_instant(rover.epochs, base.epochs):
        yield solver.solve(epoch, of_base)


def of_one_instant(
    rover: Iterable[ObservationEpoch], base: Sequence[ObservationEpoch]
) -> Iterator[tuple[ObservationEpoch, ObservationEpoch | None]]:
    """Give each epoch of the rover with the nearest one of the base, if that is near enough."""
    at = 0
    for epoch in rover:
        t_ns = epoch.t_gpst_ns
        while at + 1 < len(base) and (
            abs(base[at + 1].t_gpst_ns - t_ns) <= abs(base[at].t_gpst_ns - t_ns)
        ):
            at += 1
        is_same = at < len(base) and abs(base[at].t_gpst_ns - t_ns) <= SAME_NS
        yield epoch, base[at] if is_same else None


def baseline_line(solution: BaselineSolution) -> dict[str, Any]:
    """Write where the rover is, and the vector under ``baseline``; what is unknown is left out."""
    line = fix_line(solution.rover, None)
    vector: dict[str, Any] = {"fix": solution.kind.value}
    if solution.enu_m is not None:
        vector["enu_m"] = [round(value, 4) for value in solution.enu_m]
        vector["length_m"] = round(math.hypot(*solution.enu_m), 4)
    if solution.covariance_enu_m2 is not None:
        vector["cov_enu_m2"] = covariance_line(solution.covariance_enu_m2)
    if solution.attitude is not None:
        vector |= _attitude_fields(solution.attitude)
    if solution.kind is not FixKind.NONE:
        vector["sats_used"] = solution.sats_used
    for name, digits in (("ratio", 2), ("residual_m", 4)):
        value = getattr(solution, name)
        if value is not None and math.isfinite(value):
            vector[name] = round(value, digits)
    if solution.why is not None:
        vector["why"] = solution.why
    if solution.residuals is not None:
        vector["residuals"] = [residual_line(one) for one in solution.residuals]
    line["baseline"] = vector
    return line


def _attitude_fields(told: Attitude) -> dict[str, float]:
    fields = {"acc_length_m": round(told.acc_length_m, 4)}
    if told.heading_deg is not None and told.acc_heading_deg is not None:
        fields["heading_deg"] = round(told.heading_deg, 3) % 360.0
        fields["acc_heading_deg"] = round(told.acc_heading_deg, 3)
    fields["pitch_deg"] = round(told.pitch_deg, 3)
    fields["acc_pitch_deg"] = round(told.acc_pitch_deg, 3)
    return fields


class BaselineSummary:
    """Counts vectors as they come; means and deviations are of the fixed ones."""

    def __init__(self) -> None:
        self._kinds: Counter[FixKind] = Counter()
        self._lengths_m: list[float] = []
        self._pitches_deg: list[float] = []
        self._headings_deg: list[float] = []

    def add(self, solution: BaselineSolution) -> None:
        """Count one."""
        self._kinds[solution.kind] += 1
        told = solution.attitude
        if told is not None:
            self._lengths_m.append(told.length_m)
            self._pitches_deg.append(told.pitch_deg)
            if told.heading_deg is not None:
                self._headings_deg.append(told.heading_deg)

    def fields(self, ms_per_epoch: float) -> dict[str, Any]:
        """Write the summary."""
        line: dict[str, Any] = {"epochs": sum(self._kinds.values())}
        line |= {name: self._kinds[kind] for name, kind in _NAMES}
        for name, values, digits in (
            ("length_m", self._lengths_m, 4),
            ("pitch_deg", self._pitches_deg, 3),
        ):
            if values:
                mean = sum(values) / len(values)
                line[f"mean_{name}"] = round(mean, digits)
                line[f"std_{name}"] = round(_deviation([v - mean for v in values]), digits)
        if self._headings_deg:
            # The mean of directions: 359 and 1 degree have the mean 0.
            mean = math.degrees(
                math.atan2(
                    sum(math.sin(math.radians(value)) for value in self._headings_deg),
                    sum(math.cos(math.radians(value)) for value in self._headings_deg),
                )
            )
            off = [(value - mean + 180.0) % 360.0 - 180.0 for value in self._headings_deg]
            line["mean_heading_deg"] = round(mean % 360.0, 3)
            line["std_heading_deg"] = round(_deviation(off), 3)
        line["ms_per_epoch"] = round(ms_per_epoch, 3)
        return line


def _deviation(off: list[float]) -> float:
    return math.sqrt(sum(value**2 for value in off) / len(off))
