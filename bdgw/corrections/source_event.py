"""What a stream of corrections says of itself, and how it is judged: values and no code."""

from __future__ import annotations

import enum

import msgspec

__all__ = ["Delivery", "SourceNews", "SourceState", "StreamLimits"]


class SourceState(enum.StrEnum):
    """What a stream is doing, told by fresh epochs and never by an open socket.

    Where no epoch can be read, what arrives stands in for them.
    """

    WAITING = "waiting"
    """No fresh epoch has come yet."""
    LIVE = "live"
    """Fresh epochs come and go out."""
    STALE = "stale"
    """Epochs come, and all are too old."""
    LOST = "lost"
    """Fresh epochs came once, and nothing comes any more."""
    HELD = "held"
    """Its base has jumped."""


class StreamLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How a stream is judged."""

    max_age_s: float = 10.0
    alarm_s: float = 30.0
    """Without a fresh epoch for so long an alarm is raised."""
    announced: tuple[tuple[int, float | None], ...] = ()
    """(message number, period in s) as the sourcetable promises."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """Whole frames of one read that may go out, as they came."""

    data: bytes
    n_frames: int
    stations: tuple[int, ...]
    """Station ids of the observations in it."""
    epoch_gpst_ns: int | None
    """The newest epoch in it."""


class SourceNews(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm in the making."""

    kind: str
    text: str
    fields: dict[str, str | int | float] = {}
