"""The NTRIP caster of the gateway: its mounts and who may use them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from bdgw.config.value import Address, Frame, Mount, SecretConfig, Section, Year

__all__ = ["CasterConfig", "CasterMountConfig", "CasterUserConfig"]


class CasterUserConfig(Section):
    """Who may use the caster."""

    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^:\x00-\x1f]+$")]
    password: SecretConfig | None = None
    password_scrypt: Annotated[str, Field(pattern=r"^scrypt\$", max_length=512)] | None = None
    """Instead of the password its hash, which may stand in the file: it opens nothing."""
    mounts: tuple[Mount, ...] = ()
    """Mounts that it may have; empty: all."""
    max_sessions: Annotated[int, Field(ge=1, le=100_000)] = 1

    @model_validator(mode="after")
    def _one_of_both(self) -> CasterUserConfig:
        if (self.password is None) == (self.password_scrypt is None):
            raise ValueError("give either password or password_scrypt")
        return self


class CasterMountConfig(Section):
    """One mountpoint that the gateway offers."""

    name: Mount
    source: Annotated[str, Field(min_length=1, max_length=128)]
    """``device:ID``, ``correction:NAME``, ``push`` or ``nearest``."""
    username: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """For ``push``: what the base must say with ``POST``; default: anything."""
    password: SecretConfig | None = None
    """For ``push``: what the base shows."""
    identifier: Annotated[str, Field(max_length=64, pattern=r"^[^;\x00-\x1f]*$")] = ""
    country: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    lat_deg: Annotated[float, Field(ge=-90, le=90)] | None = None
    """Where the base stands, until the stream itself says so."""
    lon_deg: Annotated[float, Field(ge=-180, le=180)] | None = None
    frame: Frame | None = None
    """Of what is pushed; others have that of their source."""
    epoch: Year | None = None
    members: tuple[Mount, ...] = ()
    """For ``nearest``: the mounts to choose from; empty: all others."""
    max_distance_m: Annotated[float, Field(gt=0)] | None = None
    """For ``nearest``: a base further away serves nobody."""
    is_open: bool = False
    """Whether it is given to anybody, without an account."""

    @model_validator(mode="after")
    def _fits(self) -> CasterMountConfig:
        kind, _, rest = self.source.partition(":")
        needs_name = kind in ("device", "correction")
        if kind not in ("device", "correction", "push", "nearest") or bool(rest) != needs_name:
            raise ValueError('source is "device:ID", "correction:NAME", "push" or "nearest"')
        if self.frame is not None and kind != "push":
            raise ValueError("frame is for what is pushed; other mounts have that of their source")
        if self.epoch is not None and self.frame is None:
            raise ValueError("epoch needs frame: a year alone says nothing of the coordinates")
        if (self.members or self.max_distance_m is not None) and kind != "nearest":
            raise ValueError('members and max_distance_m are for source = "nearest"')
        if (self.lat_deg is None) != (self.lon_deg is None):
            raise ValueError("lat_deg and lon_deg go together")
        if self.username is not None and kind != "push":
            raise ValueError('username is for source = "push"')
        if (kind == "push") != (self.password is not None):
            raise ValueError('a password belongs to source = "push", and only to it')
        return self


class CasterConfig(Section):
    """The NTRIP caster of the gateway."""

    listen: Address
    cert_file: Path | None = None
    key_file: Path | None = None
    users: tuple[CasterUserConfig, ...] = ()
    users_file: Path | None = None
    """A TOML file with ``[[users]]`` as here, read again when it changes."""
    mounts: tuple[CasterMountConfig, ...] = ()
    max_clients: Annotated[int, Field(ge=1, le=100_000)] = 1000
    max_per_address: Annotated[int, Field(ge=1, le=100_000)] = 64
    """A mobile operator hides many rovers behind one address."""
    public_host: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """What the sourcetable calls this caster; default: the address that the client has reached."""
    operator: Annotated[str, Field(max_length=64, pattern=r"^[^;\x00-\x1f]*$")] = ""

    @model_validator(mode="after")
    def _fits(self) -> CasterConfig:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together")
        if self.users and self.users_file is not None:
            raise ValueError("give either users or users_file")
        return self
