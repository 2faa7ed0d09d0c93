"""Secrets fetched under the key that names them, and addresses to listen on."""

from __future__ import annotations

from bdgw.config import SecretConfig
from bdgw.errors import ConfigError

__all__ = ["fetch", "host_and_port"]


def fetch(key: str, secret: SecretConfig) -> str:
    """Fetch a secret.

    Raises:
        ConfigError: it is missing; names the key and never the secret.
    """
    try:
        return secret.read().get_secret_value()
    except ConfigError as error:
        raise ConfigError(f"{key}: {error}") from None


def host_and_port(text: str) -> tuple[str, int]:
    """Split ``host:port``; an empty host is every address."""
    host, _, port = text.rpartition(":")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - an empty host is asked for
