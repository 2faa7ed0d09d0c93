"""Devices, and the addresses that several of them dial."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from bdgw.config.shortmsg import FamilyName
from bdgw.config.value import Frame, Name, Seconds, SecretConfig, Section, Url, Year

__all__ = ["DeviceConfig", "HeadingConfig", "ListenerConfig", "MatchConfig", "RtkConfig"]


class MatchConfig(Section):
    """How a device is told apart on a listener that several devices use."""

    registration: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """The bytes that a DTU sends first, as text; they are taken out of the data."""
    registration_hex: Annotated[str, Field(min_length=2, max_length=512)] | None = None
    registration_line: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """The same, as a whole first line."""
    peer: Annotated[str, Field(max_length=64)] | None = None
    """Address or network that it comes from."""
    sentence: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """Text of the first sentence that names it; stays in the data."""

    @model_validator(mode="after")
    def _one_rule(self) -> MatchConfig:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            allowed = ", ".join(type(self).model_fields)
            raise ValueError(f"exactly one of {allowed} is needed, not {len(given)}")
        return self


class ListenerConfig(Section):
    """What a listening address does with peers that no device claims."""

    url: Url
    unknown: Literal["refuse", "quarantine"] = "refuse"
    identify_s: Seconds = 30.0


class RtkConfig(Section):
    """How the gateway solves a device."""

    mask_deg: Annotated[float, Field(ge=0, lt=90)] = 15.0
    """Satellites below are not used."""
    static: bool = False
    """The device stands still."""
    max_age_s: Annotated[float, Field(gt=0, le=30)] = 5.0
    """An epoch of the base that is older is not used."""
    wait_s: Annotated[float, Field(ge=0, le=10)] = 0.5
    """How long an epoch waits for the base's of the same instant."""


class AntennaConfig(Section):
    """The antenna of a device."""

    type: Annotated[str, Field(min_length=1, max_length=32)] | None = None
    """IGS name of antenna and radome, as in the file of antennas."""
    height_m: Annotated[float, Field(gt=0, le=100)] | None = None
    """Its reference point over the mark: positions are then of the mark."""


class HeadingConfig(Section):
    """The heading from the antenna of another device on the same vehicle."""

    of: Annotated[str, Field(alias="from", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
    """The device of the other antenna."""
    baseline_m: Annotated[float, Field(gt=0, le=1000)] | None = None
    """How far both antennas are apart: a vector of another length is not believed."""
    offset_deg: Annotated[float, Field(ge=-360, le=360)] = 0.0
    """How far the bow is clockwise of the direction from the other antenna to this one."""


class DeviceConfig(Section):
    """One device."""

    id: Name
    url: Url
    role: Literal["receiver", "base", "terminal"] = "receiver"
    """A ``base`` gives corrections: its RTCM goes to the caster and to ``device://`` sources.
    A ``terminal`` carries short messages."""
    family: FamilyName | None = None
    """What a terminal speaks; without it that is found out, which costs nothing on air."""
    match: MatchConfig | None = None
    username: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """For ``ntrip://`` and ``ntrips://``."""
    password: SecretConfig | None = None
    ca_file: Path | None = None
    """Who signed the caster's certificate, for ``ntrips://``."""
    correction: Annotated[str, Field(min_length=1, max_length=64)] = "none"
    """Name of a correction, ``nearest``, or ``none``."""
    solve: Literal["receiver", "gateway", "both"] = "receiver"
    """Who computes the position."""
    rtk: RtkConfig | None = None
    antenna: AntennaConfig | None = None
    """For devices that the gateway solves, and those that a heading is taken from."""
    heading: HeadingConfig | None = None
    """Where the vehicle points, by the antenna of another device."""
    frame: Frame | None = None
    """Frame of the receiver's coordinates, e.g. WGS84 or CGCS2000. Without it fixes have none."""
    epoch: Year | None = None
    """Epoch of that frame as a year, e.g. 2000.0."""
    silence_s: Seconds | None = None
    """Default: 30; a terminal, which is asked every 90 s whether it is there, has 180."""
    sky: bool = False
    """Publish satellites in view."""

    @model_validator(mode="after")
    def _epoch_needs_frame(self) -> DeviceConfig:
        if self.epoch is not None and self.frame is None:
            raise ValueError("epoch needs frame: a year alone says nothing of the coordinates")
        return self

    @model_validator(mode="after")
    def _height_is_of_our_own_positions(self) -> DeviceConfig:
        # With "both", what the receiver says is of its antenna: they could not be compared.
        has_height = self.antenna is not None and self.antenna.height_m is not None
        if has_height and self.solve != "gateway":
            raise ValueError('antenna.height_m: only with solve = "gateway"')
        return self

    @model_validator(mode="after")
    def _solved_is_a_live_receiver(self) -> DeviceConfig:
        if self.solve == "receiver":
            if self.rtk is not None:
                raise ValueError('rtk: only with solve = "gateway" or "both"')
            if self.heading is not None:
                raise ValueError('heading: only with solve = "gateway" or "both"')
            return self
        if self.role != "receiver":
            raise ValueError('solve: only a device with role = "receiver" is solved')
        if self.url.startswith("file://"):
            raise ValueError('solve: a recording is solved with "bdgw rtk"')
        return self

    @model_validator(mode="after")
    def _terminal_is_no_receiver(self) -> DeviceConfig:
        if self.role != "terminal":
            if self.family is not None:
                raise ValueError('family is for role = "terminal" only')
            return self
        if not self.url.startswith(("serial://", "tcp://", "tcp-listen://")):
            raise ValueError("a terminal is on serial://, tcp:// or tcp-listen://")
        given = [
            name
            for name in ("correction", "frame", "epoch", "sky", "username", "password", "antenna")
            if name in self.model_fields_set
        ]
        if given:
            raise ValueError(f"{', '.join(given)}: not for a terminal")
        return self
