"""The gateway itself, the broker, the API and the log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from bdgw.config.value import Address, Name, SecretConfig, Section, Url, named_folder

__all__ = ["ApiConfig", "BrokerConfig", "GatewayConfig", "LogConfig", "TokenConfig"]

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class GatewayConfig(Section):
    """Who this gateway is and where it keeps what must survive."""

    id: Name
    state_dir: Annotated[Path, AfterValidator(named_folder)]
    antex: Path | None = None
    """Phase centres of antennas, ANTEX 1.4, for devices that the gateway solves."""


class BrokerConfig(Section):
    """Where messages go: ``embedded``, or an MQTT broker."""

    url: Url
    version: Literal["3.1.1", "5"] | None = None
    """Default: 5, or 3.1.1 with the embedded broker, which speaks nothing else."""
    client_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = None
    username: Annotated[str, Field(max_length=256)] | None = None
    password: SecretConfig | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    listen: Address | None = None
    """Embedded only: where subscribers may connect, e.g. ``127.0.0.1:1883``."""

    @model_validator(mode="after")
    def _fits(self) -> BrokerConfig:
        if self.url == "embedded":
            if self.version == "5":
                raise ValueError("the embedded broker speaks MQTT 3.1.1 only")
            host = (self.listen or "").rpartition(":")[0]
            if self.listen and host not in _LOOPBACK and self.password is None:
                raise ValueError(
                    "an embedded broker that listens beyond this host needs a password"
                )
            if self.ca_file or self.cert_file or self.key_file:
                raise ValueError("ca_file, cert_file and key_file are for mqtts:// only")
        else:
            if not self.url.startswith(("mqtt://", "mqtts://")):
                raise ValueError('url is "embedded", "mqtt://host:port" or "mqtts://host:port"')
            if self.listen is not None:
                raise ValueError("listen is for the embedded broker only")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together")
        if self.password is not None and self.username is None:
            raise ValueError("a password needs a username")
        return self


class TokenConfig(Section):
    """A bearer token of the API."""

    name: Name
    role: Literal["read", "operate", "admin"]
    secret: SecretConfig


class ApiConfig(Section):
    """The REST API. Without a token nobody reads anything, unless ``anonymous`` says so."""

    listen: Address
    tokens: tuple[TokenConfig, ...] = ()
    anonymous: Literal["none", "read"] = "none"


class LogConfig(Section):
    """What is written to stderr."""

    format: Literal["json", "console"] = "json"
    level: Literal["debug", "info", "warning", "error"] = "info"
