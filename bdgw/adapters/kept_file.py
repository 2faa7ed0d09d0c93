"""Small files that an adapter keeps. What goes wrong with them is said, and stops nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog

__all__ = ["read_kept", "write_kept"]

T = TypeVar("T")

_log = structlog.get_logger(__name__)


def read_kept(path: Path, kind: type[T]) -> T | None:
    """Read a file of JSON; None where there is none, or it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        _log.warning("adapter_file_unreadable", path=str(path), reason=str(error))
        return None


def write_kept(path: Path, data: bytes) -> bool:
    """Replace a file that only its owner may read; it is on the disk before this returns True."""
    draft = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        _log.error("adapter_file_unwritable", path=str(path), reason=str(error))
        return False
    return True
