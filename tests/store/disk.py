"""The disk that forgets and fails, of ``bdgw prove``; skips where SQLite cannot be reached."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from bdgw.errors import UnavailableError
from bdgw.prove import disk as proved
from bdgw.prove.disk import Disk, Op, after_power_cut, lay_out

__all__ = ["Disk", "Op", "after_power_cut", "disk", "lay_out"]


@contextlib.contextmanager
def disk() -> Iterator[Disk]:
    """Put the disk under every connection that is opened inside."""
    with contextlib.ExitStack() as stack:
        try:
            made = stack.enter_context(proved.disk())
        except UnavailableError as error:
            pytest.skip(str(error))
        yield made
