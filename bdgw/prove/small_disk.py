"""A disk that is soon full: a small file system where one may be mounted, else a limit on files."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

__all__ = ["SmallDisk", "small_disk"]

_SIZE_BYTES = 8 * 1024 * 1024
_FREE_BYTES = 384 * 1024


class SmallDisk:
    """A folder in which room can be taken and given back."""

    def __init__(self, folder: Path, *, is_mounted: bool) -> None:
        self.folder = folder
        self.is_mounted = is_mounted
        self.kind = f"tmpfs of {_SIZE_BYTES >> 20} MiB" if is_mounted else "RLIMIT_FSIZE"
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave little room."""
        if self.is_mounted:
            free_bytes = shutil.disk_usage(self.folder).free
            with self._ballast.open("ab") as file:
                file.write(bytes(max(0, free_bytes - _FREE_BYTES)))

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)

    def limit_bytes(self) -> int | None:
        """How large a file may become, where that is how it is done."""
        if self.is_mounted:
            return None
        sizes = [each.stat().st_size for each in self.folder.iterdir()]
        return max(sizes, default=0) + _FREE_BYTES // 2


@contextlib.contextmanager
def small_disk(folder: Path, *, may_mount: bool = True) -> Iterator[SmallDisk]:
    """Make it below ``folder``, and take it away."""
    place = folder / "small"
    place.mkdir()
    is_mounted = may_mount and os.geteuid() == 0 and _run("mount", *_options(), str(place))
    try:
        yield SmallDisk(place, is_mounted=is_mounted)
    finally:
        if is_mounted:
            _run("umount", "-l", str(place))


def _options() -> tuple[str, ...]:
    return ("-t", "tmpfs", "-o", f"size={_SIZE_BYTES}", "bdgw-prove")


def _run(name: str, *arguments: str) -> bool:
    program = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/sbin:/usr/sbin")
    if program is None:
        return False
    done = subprocess.run([program, *arguments], check=False, capture_output=True)  # noqa: S603 - mount, umount
    return done.returncode == 0
