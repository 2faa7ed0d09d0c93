"""What the process itself takes: what must not grow while it runs."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

from bdgw.status.value import present

__all__ = ["process_fields"]

_PROC = Path("/proc/self")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def process_fields() -> dict[str, Any]:
    """Count now, in the event loop's thread; what the system does not tell is absent."""
    return present(
        {
            "rss_bytes": _rss_bytes(),
            "n_descriptors": _n_descriptors(),
            "n_threads": threading.active_count(),
            "n_tasks": len(asyncio.all_tasks()),
        }
    )


def _rss_bytes() -> int | None:
    # Source: proc(5), statm, the second field.
    try:
        return int((_PROC / "statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
    except OSError:
        return None


def _n_descriptors() -> int | None:
    try:
        return sum(1 for _ in (_PROC / "fd").iterdir())
    except OSError:
        return None
