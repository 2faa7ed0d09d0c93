"""Whom to trust at a caster that is not signed by the system's authorities."""

from __future__ import annotations

import ssl
from pathlib import Path

from bdgw.errors import ConfigError

__all__ = ["trust_of"]


def trust_of(key: str, ca_file: Path | None) -> ssl.SSLContext | None:
    """Read who must have signed a caster's certificate; None for the system's authorities.

    ``key`` is how an error names the setting.

    Raises:
        ConfigError: the file is missing or holds no certificate.
    """
    if ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except OSError as error:
        raise ConfigError(f"{key} = {str(ca_file)!r}: {error}") from None
