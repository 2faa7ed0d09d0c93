"""Topic names: one function a topic. ``<p>`` of the documentation is ``root(gateway)``."""

from __future__ import annotations

__all__ = ["alarm", "connection", "fix", "health", "history_fix", "root", "sky"]


def root(gateway: str) -> str:
    """Everything of one gateway is below this."""
    return f"bdgw/v1/{gateway}"


def connection(gateway: str) -> str:
    """Online or offline: retained, and the will's topic."""
    return f"{root(gateway)}/state/conn"


def health(gateway: str) -> str:
    """Summary a device, correction, terminal and of the outbox: retained."""
    return f"{root(gateway)}/state/health"


def fix(gateway: str, device: str) -> str:
    """Live fixes: retained, so that the broker keeps the latest."""
    return f"{root(gateway)}/dev/{device}/fix"


def history_fix(gateway: str, device: str) -> str:
    """Fixes that come late or again: never retained, never the latest."""
    return f"{root(gateway)}/dev/{device}/history/fix"


def sky(gateway: str, device: str) -> str:
    """Satellites in view and used."""
    return f"{root(gateway)}/dev/{device}/event/sky"


def alarm(gateway: str, kind: str) -> str:
    """Alarms of one kind."""
    return f"{root(gateway)}/alarm/event/{kind}"
