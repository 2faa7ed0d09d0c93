"""What a protocol event says about the health of the link that it came from.

The composition root brings a ``classify`` function that knows the protocol's events; this
package only knows these three answers, and None for events that say nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

__all__ = ["Classify", "Epoch", "Good", "Skipped", "Verdict"]


class Good(msgspec.Struct, frozen=True, gc=False):
    """``n_frames`` frames were decoded."""

    n_frames: int = 1


class Epoch(msgspec.Struct, frozen=True, gc=False):
    """The receiver spoke of the instant ``t_s``; a new value means that its time moves.

    ``t_s`` is seconds on any scale that the receiver's own time drives (of the day is enough).
    ``n_frames`` counts frames that no ``Good`` has reported.
    """

    t_s: float
    n_frames: int = 0


class Skipped(msgspec.Struct, frozen=True, gc=False):
    """``n_bytes`` bytes belonged to no valid frame."""

    n_bytes: int


Verdict = Good | Epoch | Skipped | None

EventT_contra = TypeVar("EventT_contra", contravariant=True)
EventT = TypeVar("EventT")

Classify = Callable[[EventT], Verdict]
