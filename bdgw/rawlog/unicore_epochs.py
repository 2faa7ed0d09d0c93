"""The epochs of a receiver of Unicore's that sends OBSVM and OBSVMCMP both.

They say the same, and one goes on where the other ends: of an instant the first one counts, so that
an epoch is not solved twice, and where a frame is lost the other serves.
"""

from __future__ import annotations

__all__ = ["UnicoreEpochs"]


class UnicoreEpochs:
    """One stream of messages."""

    def __init__(self) -> None:
        self._last: tuple[int, int | None] = (0, None)

    def is_new(self, kind: int, t_gpst_ns: int | None) -> bool:
        """Take a message; tells whether its instant has not been told by one of the other kind."""
        last_kind, last_ns = self._last
        if last_ns is not None and t_gpst_ns == last_ns and kind != last_kind:
            return False
        self._last = (kind, t_gpst_ns)
        return True
