"""The whole exception tree.

Bad bytes in a stream are events, not exceptions; these are for callers, configurations and links.
"""

from __future__ import annotations

__all__ = [
    "BdgwError",
    "ConfigError",
    "DecodeError",
    "EncodeError",
    "LinkError",
    "UnavailableError",
]


class BdgwError(Exception):
    """Base of every error that bdgw raises on purpose."""


class DecodeError(BdgwError):
    """A peer's bytes do not say what their kind promises; the bytes themselves travel on.

    ``what`` names the field or rule, ``bit`` is the offset in the payload where it failed.
    """

    def __init__(self, what: str, *, bit: int | None = None) -> None:
        super().__init__(what if bit is None else f"{what} (at bit {bit})")
        self.what = what
        self.bit = bit


class EncodeError(BdgwError):
    """A value that our caller gave does not fit the field that it belongs to."""


class LinkError(BdgwError):
    """The other end went away, never came, or timed out. Retryable."""


class UnavailableError(BdgwError):
    """Something that the gateway cannot start without is not there (exit status 69)."""


class ConfigError(BdgwError):
    """The configuration is wrong; the message names file, key, value and what is allowed."""
