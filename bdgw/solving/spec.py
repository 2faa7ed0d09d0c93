"""What the solving room is told of a device: who solves, and how. Frozen values."""

from __future__ import annotations

import enum

import msgspec

__all__ = ["HeadingSpec", "SolveMode", "SolverSpec"]


class SolveMode(enum.StrEnum):
    """Who computes the position of a device."""

    RECEIVER = "receiver"
    GATEWAY = "gateway"
    BOTH = "both"
    """Both do; they are compared, and one record an epoch is published."""


class HeadingSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The heading of a device from another one, whose antenna is on the same vehicle.

    ``baseline_m`` is how far both antennas are apart, where that is known. ``offset_deg`` is added
    to the direction from the other antenna to the device's own.
    """

    device: str
    baseline_m: float | None = None
    offset_deg: float = 0.0
    antenna: str | None = None
    """IGS name of the other antenna."""


class SolverSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A device that the gateway solves.

    ``wait_s`` is how long an epoch of the rover waits for the base's of the same instant, counted
    from when it was whole; without it, the newest one serves that is not older than ``max_age_s``.
    ``has_base`` is False where nothing corrects the device: its epochs are single points.
    """

    device: str
    mode: SolveMode
    has_base: bool
    systems: str = "GRECJ"
    mask_deg: float = 15.0
    is_static: bool = False
    max_age_s: float = 5.0
    wait_s: float = 0.5
    heading: HeadingSpec | None = None
    antenna: str | None = None
    """IGS name of the device's antenna and radome."""
    antenna_height_m: float = 0.0
    """Its reference point over the mark that positions are of."""
    antex: str | None = None
    """Path of the file of antennas; without it none is corrected."""
