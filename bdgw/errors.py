"""The whole exception tree.

Bad bytes in a stream are events, not exceptions; these are for callers, configurations and links.
"""

from __future__ import annotations

__all__ = ["BdgwError", "ConfigError", "LinkError", "UnavailableError"]


class BdgwError(Exception):
    """Base of every error that bdgw raises on purpose."""


class LinkError(BdgwError):
    """The other end went away, never came, or timed out. Retryable."""


class UnavailableError(BdgwError):
    """Something that the gateway cannot start without is not there (exit status 69)."""


class ConfigError(BdgwError):
    """The configuration is wrong; the message names file, key, value and what is allowed."""
