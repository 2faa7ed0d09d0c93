"""What the status shows of a device that the gateway solves; frozen."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from bdgw.positioning.base_place import BaseCheck

__all__ = ["SolverSnapshot"]


class SolverSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One device; counts are since the gateway started."""

    mode: str
    language: str | None
    """Of the epochs that are solved: ``rtcm3``, ``ubx``, ``unicore``; None while none has come."""
    epochs: int
    """Solved, with whatever result."""
    kinds: Mapping[str, int]
    waited: int
    """Went on without the base's epoch of their instant, as it did not come in time."""
    dropped: Mapping[str, int]
    """Not solved: ``repeated`` (not newer than the one before), ``overtaken`` (too many waited for
    the base), ``late`` (no worker was free), ``undated``, ``other_language`` (the
    receiver sends epochs in two), ``failed``, ``worker_ended``."""
    waiting: int
    ephemerides: int
    bad_checksums: int
    """Messages of modern broadcast data passed over, because their checksum is wrong."""
    ms_per_epoch: float | None
    """Of a processor, smoothed."""
    worker: str
    worker_restarts: int
    compared: Mapping[str, int]
    """Where both solve: ``agreed disagreed unchecked late_fix late_solution``, see ``joining``."""
    is_disagreeing: bool | None
    vectors: Mapping[str, int]
    """By result, where the device has a heading from another one."""
    vector_reason: str | None
    """Why the last vector is no better."""
    antennas: tuple[str, ...]
    """What is not as it should be with the phase centres of the antennas."""
    reason: str | None
    """Why the last epoch is no better."""
    base_check: BaseCheck | None = None
    """Whether the base stands where it says, by its own observations; None while not known."""
