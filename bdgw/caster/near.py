"""Which base a client of a NEAR mount gets: the nearest one with data, with hysteresis. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from bdgw.geodesy import Ecef, chord_m

__all__ = ["Candidate", "Choice", "choose"]


class Candidate(msgspec.Struct, frozen=True):
    """A mount with a known base position, Earth-fixed metres."""

    mount: str
    ecef_m: Ecef
    is_flowing: bool


class Choice(msgspec.Struct, frozen=True):
    """The mount to serve from, and how far its base is."""

    mount: str
    distance_m: float


def choose(
    client_m: Ecef,
    candidates: Iterable[Candidate],
    *,
    current: str | None,
    hysteresis_m: float,
    max_distance_m: float | None,
) -> Choice | None:
    """Choose for a client at ``client_m``; None where no base is near enough.

    A base with data goes before one without, however far. Among equals the current one stays
    unless another is nearer by more than ``hysteresis_m``: each change costs the rover its
    ambiguities.
    """
    best: tuple[bool, float, str] | None = None
    for candidate in candidates:
        distance_m = chord_m(client_m, candidate.ecef_m)
        is_current = candidate.mount == current
        # Also at the outer edge, or a client on it would come and go.
        effective_m = distance_m - (hysteresis_m if is_current else 0.0)
        if max_distance_m is not None and effective_m > max_distance_m:
            continue
        rank = (not candidate.is_flowing, effective_m, candidate.mount)
        if best is None or rank < best:
            best, choice = rank, Choice(candidate.mount, distance_m)
    return None if best is None else choice
