"""Sources of corrections."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from bdgw.config.value import Frame, Mount, Name, SecretConfig, Section, Url, Year

__all__ = ["AccountConfig", "CorrectionConfig", "GgaConfig", "PlaceConfig"]


class AccountConfig(Section):
    """An account at a caster."""

    username: Annotated[str, Field(min_length=1, max_length=256)]
    password: SecretConfig | None = None
    """Left out where the caster wants none (some take any)."""


class GgaConfig(Section):
    """How a caster is told the position of the rover."""

    when: Literal["auto", "always", "never"] = "auto"
    """``auto`` follows the sourcetable."""
    talker: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = "GP"
    period_s: Annotated[float, Field(ge=1, le=3600)] = 10.0
    decimals: Annotated[int, Field(ge=1, le=8)] = 5
    """Of the minutes: 5 is 2 cm, 1 is some 200 m."""
    move_m: Annotated[float, Field(ge=1, le=1_000_000)] = 5000.0
    """At once after a move of so many metres."""
    quality: Literal["true", "single"] = "true"


class PlaceConfig(Section):
    """A fixed place."""

    lat_deg: Annotated[float, Field(ge=-90, le=90)]
    lon_deg: Annotated[float, Field(ge=-180, le=180)]
    alt_hae_m: Annotated[float, Field(ge=-1000, le=20_000)] | None = None


class CorrectionConfig(Section):
    """A source of corrections."""

    name: Name
    url: Url
    """``ntrip://host:port``, ``ntrips://host:port``, ``device://ID`` or ``push://MOUNT``."""
    mount: Mount | None = None
    nearest: bool = False
    """Instead of a mount: the nearest of the caster's own, by sourcetable and live position."""
    mounts: tuple[Annotated[str, Field(min_length=1, max_length=128)], ...] = ()
    """With ``nearest``: patterns of the mounts that may be chosen, e.g. ``"SH*"``."""
    service: Literal["generic", "qianxun", "cmcc", "sixents"] = "generic"
    username: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    password: SecretConfig | None = None
    accounts: tuple[AccountConfig, ...] = ()
    """Several accounts, where each device has a session of its own."""
    frame: Frame | None = None
    epoch: Year | None = None
    max_age_s: Annotated[float, Field(gt=0, le=600)] = 10.0
    standby: str | tuple[str, ...] = ()
    """Names of other corrections, best first, that stand in when this one fails."""
    session: Literal["shared", "per_device"] | None = None
    """Default: as the service needs it; shared where nothing is known of it."""
    sessions_per_account: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Default: as the service allows, else 1."""
    version: Literal["auto", "1", "2"] = "auto"
    gga: GgaConfig = GgaConfig()
    position: PlaceConfig | None = None
    """What the caster is told instead of the place of a rover."""
    base_jump: Literal["alarm", "stop"] = "stop"
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _fits(self) -> CorrectionConfig:
        if self.epoch is not None and self.frame is None:
            raise ValueError("epoch needs frame: a year alone says nothing of the coordinates")
        if self.password is not None and self.username is None:
            raise ValueError("a password needs a username")
        if self.accounts and self.username is not None:
            raise ValueError("give either username and password, or accounts")
        if self.is_remote:
            if self.nearest == (self.mount is not None):
                raise ValueError("exactly one of mount and nearest = true is needed")
            if self.mounts and not self.nearest:
                raise ValueError("mounts is for nearest = true")
        elif self.mount is not None or self.nearest or self.username or self.accounts:
            raise ValueError("mount, nearest, username and accounts are for ntrip:// and ntrips://")
        return self

    @property
    def is_remote(self) -> bool:
        """Whether it comes from another caster, and not from a base of this gateway."""
        return self.url.startswith(("ntrip://", "ntrips://"))

    @property
    def standbys(self) -> tuple[str, ...]:
        """The standbys as a list, best first."""
        return (self.standby,) if isinstance(self.standby, str) else self.standby
