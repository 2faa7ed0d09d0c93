"""A change that is on its way to the disk. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from typing import Any, Generic, TypeVar

from bdgw.shortmsg.ledger_store import StoreError

__all__ = ["Commit", "Pending"]

T = TypeVar("T")


class Commit:
    """The end of one write."""

    def __init__(self) -> None:
        self.awaitable: Awaitable[None] | None = None
        self.is_durable = False
        self.error: StoreError | None = None

    def resolve(self, error: StoreError | None) -> None:
        """The write has ended."""
        self.error = error
        self.is_durable = error is None

    def __await__(self) -> Generator[Any, None, None]:
        if self.awaitable is not None and not self.is_durable:
            yield from self.awaitable.__await__()
        if self.error is not None:
            raise self.error


class Pending(Generic[T]):
    """``value`` is how things are now; ``await`` gives it once that is safe on the disk.

    Raises from ``await``: StoreError, and then it never will be, and is undone.
    """

    def __init__(self, value: T, *commits: Commit) -> None:
        """Without commits it is what is on the disk already."""
        self.value = value
        self.commits = commits

    @property
    def is_durable(self) -> bool:
        """Whether all of it is on the disk."""
        return all(commit.is_durable for commit in self.commits)

    @property
    def error(self) -> StoreError | None:
        """Why it never will be durable."""
        return next((commit.error for commit in self.commits if commit.error is not None), None)

    def __await__(self) -> Generator[Any, None, T]:
        for commit in self.commits:
            yield from commit.__await__()
        return self.value
