"""Secrets and accounts fetched under the key that names them, and addresses to listen on."""

from __future__ import annotations

from bdgw.config import SecretConfig
from bdgw.errors import ConfigError
from bdgw.ntrip.account import Account

__all__ = ["account_of", "fetch", "host_and_port"]


def fetch(key: str, secret: SecretConfig) -> str:
    """Fetch a secret.

    Raises:
        ConfigError: it is missing; names the key and never the secret.
    """
    try:
        return secret.read().get_secret_value()
    except ConfigError as error:
        raise ConfigError(f"{key}: {error}") from None


def account_of(key: str, username: str | None, password: SecretConfig | None) -> Account | None:
    """Fetch an account.

    Raises:
        ConfigError: the secret is missing, or one of both cannot be; never shows it.
    """
    if username is None:
        return None
    try:
        return Account(username, "" if password is None else fetch(f"{key}.password", password))
    except ValueError as error:
        raise ConfigError(f"{key}: {error}") from None


def host_and_port(text: str) -> tuple[str, int]:
    """Split ``host:port``; an empty host is every address."""
    host, _, port = text.rpartition(":")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - an empty host is asked for
