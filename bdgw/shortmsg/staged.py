"""A value of which the newest versions may not be on the disk yet. Pure."""

from __future__ import annotations

from typing import Generic, TypeVar

__all__ = ["Staged"]

T = TypeVar("T")


class Staged(Generic[T]):
    """The version on the disk, and those that are being written.

    When one cannot be written, it is gone, and so are those that were made of it.
    """

    def __init__(self, durable: T | None) -> None:
        self.durable = durable
        self._pending: list[tuple[object, T, bool]] = []

    @property
    def latest(self) -> T | None:
        """The newest version, written or not."""
        return self._pending[-1][1] if self._pending else self.durable

    @property
    def is_pending(self) -> bool:
        """Whether something is being written."""
        return bool(self._pending)

    def stage(self, version: T, *, is_independent: bool = False) -> object:
        """Make this the newest version, made of the one before it; the token is for ``resolve``."""
        token = object()
        self._pending.append((token, version, is_independent))
        return token

    def resolve(self, token: object, *, is_written: bool) -> None:
        """The write of a version has ended. Unknown tokens fell with an earlier one."""
        tokens = [staged for staged, _version, _is_independent in self._pending]
        if token not in tokens:
            return
        first = tokens.index(token)
        if is_written:
            self.durable = self._pending[first][1]
            del self._pending[: first + 1]
            return
        end = first + 1
        while end < len(self._pending) and not self._pending[end][2]:
            end += 1
        del self._pending[first:end]
