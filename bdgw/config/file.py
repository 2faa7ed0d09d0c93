"""The whole file, and errors that a person can act on."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError, model_validator
from pydantic_core import ErrorDetails

from bdgw.config.adapter import ADAPTER_KINDS, AdapterConfig
from bdgw.config.caster import CasterConfig, CasterUserConfig
from bdgw.config.correction import CorrectionConfig
from bdgw.config.device import DeviceConfig, ListenerConfig
from bdgw.config.gateway import ApiConfig, BrokerConfig, GatewayConfig, LogConfig
from bdgw.config.history import HistoryConfig, StoreConfig
from bdgw.config.outbox import OutboxConfig
from bdgw.config.shortmsg import ShortMessageConfig
from bdgw.config.value import Section, known_name
from bdgw.errors import ConfigError

__all__ = ["Config", "load", "load_users", "parse"]


SectionT = TypeVar("SectionT", bound=Section)


class Config(Section):
    """The whole file."""

    gateway: GatewayConfig
    broker: BrokerConfig
    api: ApiConfig | None = None
    log: LogConfig = LogConfig()
    outbox: OutboxConfig = OutboxConfig()
    history: HistoryConfig = HistoryConfig()
    store: StoreConfig | None = None
    listener: tuple[ListenerConfig, ...] = ()
    correction: tuple[CorrectionConfig, ...] = ()
    caster: CasterConfig | None = None
    shortmsg: ShortMessageConfig = ShortMessageConfig()
    device: tuple[DeviceConfig, ...] = ()
    adapter: tuple[AdapterConfig, ...] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> Config:
        for kind, names in (
            ("device ids", [device.id for device in self.device]),
            ("listener urls", [listener.url for listener in self.listener]),
            ("correction names", [correction.name for correction in self.correction]),
            ("mounts", [mount.name for mount in self.caster.mounts] if self.caster else []),
            ("peer names", [peer.name for peer in self.shortmsg.peers]),
            ("group names", [group.name for group in self.shortmsg.groups]),
            ("adapter names", [each.name or each.kind for each in self.adapter]),
            ("token names", [token.name for token in self.api.tokens] if self.api else []),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{kind} must differ: {', '.join(twice)} stands there twice")
        return self

    @model_validator(mode="after")
    def _names_exist(self) -> Config:
        """Whoever is named elsewhere in the file stands there."""
        corrections = {correction.name for correction in self.correction}
        bases = {device.id for device in self.device if device.role == "base"}
        live = {
            device.id
            for device in self.device
            if device.role != "terminal" and not device.url.startswith("file://")
        }
        mounts = self.caster.mounts if self.caster else ()
        pushed = {mount.name for mount in mounts if mount.source == "push"}
        for device in self.device:
            if device.correction not in ("none", "nearest"):
                known_name(f"device {device.id!r}: correction =", device.correction, corrections)
            if device.antenna is not None and device.antenna.type and self.gateway.antex is None:
                raise ValueError(
                    f"device {device.id!r}: antenna.type needs gateway.antex, the file of antennas"
                )
            if device.heading is not None:
                key = f"device {device.id!r}: heading.from ="
                known_name(key, device.heading.of, live - {device.id})
        for correction in self.correction:
            owner = f"correction {correction.name!r}"
            for standby in correction.standbys:
                known_name(f"{owner}: standby =", standby, corrections - {correction.name})
            if not correction.is_remote:
                kind, _, name = correction.url.partition("://")
                known_name(f"{owner}: url = {kind}://", name, bases if kind == "device" else pushed)
        for mount in mounts:
            kind, _, name = mount.source.partition(":")
            if kind in ("device", "correction"):
                names = bases if kind == "device" else corrections
                known_name(f"mount {mount.name!r}: source = {kind}:", name, names)
        return self

    @model_validator(mode="after")
    def _devices_of_adapters_exist(self) -> Config:
        devices = {device.id for device in self.device}
        for adapter in self.adapter:
            for name in adapter.devices:
                known_name(f"adapter {adapter.name or adapter.kind!r}: device", name, devices)
        return self


class _UsersFile(Section):
    users: tuple[CasterUserConfig, ...] = ()


def load(path: Path) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: one line a problem, with file, key, value and what is allowed.
    """
    return parse(_read(path), name=str(path))


def parse(text: str, *, name: str) -> Config:
    """Check the text of a configuration; ``name`` is what errors call it.

    Raises:
        ConfigError: one line a problem, with file, key, value and what is allowed.
    """
    return _validated(Config, text, name)


def load_users(path: Path) -> tuple[CasterUserConfig, ...]:
    """Read the users of the caster from a file of their own.

    Raises:
        ConfigError: one line a problem, with file, key and what is allowed.
    """
    users = _validated(_UsersFile, _read(path), str(path)).users
    names = [user.name for user in users]
    if len(set(names)) != len(names):
        raise ConfigError(f"{path}: users: a name stands there twice")
    return users


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None


def _validated(model: type[SectionT], text: str, name: str) -> SectionT:
    try:
        return model.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: not TOML: {error}") from None
    except ValidationError as error:
        lines = [f"{name}: {_explain(problem, model)}" for problem in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def _explain(problem: ErrorDetails, whole: type[BaseModel]) -> str:
    location = problem["loc"]
    key = _key(_without_kind(location))
    kind = problem["type"]
    if kind == "extra_forbidden":
        known = _known_keys(location[:-1], whole)
        near = difflib.get_close_matches(str(location[-1]), known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        return f"{key}: unknown key; {hint}known: {', '.join(known)}"
    if kind == "union_tag_not_found":
        return f"{key}.kind: is missing; allowed: {', '.join(ADAPTER_KINDS)}"
    if kind == "missing":
        return f"{key}: is missing"
    message = str(problem["msg"]).removeprefix("Value error, ")
    value = problem["input"]
    if _is_secret(location):
        return f'{key}: a secret is written as {{ env = "NAME" }} or {{ file = "/path" }}'
    if isinstance(value, str | int | float | bool) and not _holds_secrets(location):
        return f"{key} = {value!r}: {message}"
    return f"{key}: {message}"


def _is_secret(location: tuple[str | int, ...]) -> bool:
    return any(part in ("password", "secret", "keys", "auth_code") for part in location)


def _holds_secrets(location: tuple[str | int, ...]) -> bool:
    """A table with secrets, or all of them, written as something else: the text may be one."""
    names = [part for part in location if isinstance(part, str)]
    return names[-1:] in (["tokens"], ["accounts"], ["users"], ["groups"])


def _without_kind(location: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Take out the kind of an adapter, which stands in the place as if it were a key."""
    if location[:1] == ("adapter",) and location[2:3] and location[2] in ADAPTER_KINDS:
        return location[:2] + location[3:]
    return location


def _key(location: tuple[str | int, ...]) -> str:
    """Write a place as it looks in the file: ``device[2].url`` counts from 1."""
    text = ""
    for part in location:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "file"


def _known_keys(location: tuple[str | int, ...], whole: type[BaseModel]) -> list[str]:
    model = whole
    for part in location:
        if part in ADAPTER_KINDS:
            model = ADAPTER_KINDS[str(part)]
        elif isinstance(part, str):
            model = _model_of(model.model_fields[part].annotation) or model
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_of(annotation: object) -> type[BaseModel] | None:
    """Find the section class in ``Section | None`` or ``tuple[Section, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_of(argument)
        if found is not None:
            return found
    return None
