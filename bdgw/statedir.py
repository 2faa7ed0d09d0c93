"""The folder that a gateway keeps between starts, and the lock that keeps a second one out."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from bdgw.errors import UnavailableError

__all__ = ["locked"]


@contextlib.contextmanager
def locked(state_dir: Path) -> Iterator[None]:
    """Make the folder and hold its lock; the kernel frees it however the process ends.

    Raises:
        UnavailableError: the folder cannot be made, or another gateway holds it.
    """
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        file = (state_dir / "lock").open("w", encoding="ascii")
    except OSError as error:
        raise UnavailableError(f"state_dir {state_dir}: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UnavailableError(f"state_dir {state_dir}: another gateway uses it") from None
        yield
