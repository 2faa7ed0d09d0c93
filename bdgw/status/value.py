"""How values of the status are written: what is unknown is left out."""

from __future__ import annotations

from typing import Any

__all__ = ["present", "rounded"]


def present(value: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is unknown, and cut seconds to milliseconds."""
    return {
        key: rounded(item) if key.endswith("_s") and isinstance(item, float) else item
        for key, item in value.items()
        if item is not None and item != ""
    }


def rounded(seconds: float | None) -> float | None:
    """Cut to milliseconds."""
    return None if seconds is None else round(seconds, 3)
