"""The configuration file: frozen models of its sections, and errors that a person can act on.

Unknown keys are refused with the nearest known name. Secrets stand in the environment or in a
file of their own, never here. Nothing that is physically true has a default.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from bdgw.errors import ConfigError

__all__ = [
    "ApiConfig",
    "BrokerConfig",
    "Config",
    "DeviceConfig",
    "GatewayConfig",
    "ListenerConfig",
    "MatchConfig",
    "SecretConfig",
    "TokenConfig",
    "load",
    "parse",
]

_SECRET_MAX_BYTES = 4096
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_PORT_MAX = 65_535


def _with_a_possible_port(text: str) -> str:
    if int(text.rpartition(":")[2]) > _PORT_MAX:
        raise ValueError(f"a port is 0 to {_PORT_MAX}")
    return text


def _named_folder(path: Path) -> Path:
    if path == Path():
        raise ValueError("the path of a folder is needed")
    return path


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
"""Gateway and device ids are topic levels and file names: letters, digits, dash, underscore."""
Url = Annotated[str, Field(min_length=1, max_length=1024)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Address = Annotated[
    str, Field(pattern=r"^[0-9A-Za-z.\[\]:_-]*:\d{1,5}$"), AfterValidator(_with_a_possible_port)
]
"""``host:port`` to listen on; an empty host means every address."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SecretConfig(_Section):
    """A secret by reference: ``{ env = "NAME" }`` or ``{ file = "/path" }``."""

    env: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    file: Path | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> SecretConfig:
        if (self.env is None) == (self.file is None):
            raise ValueError('give either { env = "NAME" } or { file = "/path" }')
        return self

    def read(self) -> SecretStr:
        """Fetch the secret.

        Raises:
            ConfigError: it is not there, is empty or is too long; the text never contains it.
        """
        if self.env is not None:
            value = os.environ.get(self.env, "")
            where = f"environment variable {self.env}"
        else:
            where = f"file {self.file}"
            try:
                value = Path(str(self.file)).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"secret: {where} cannot be read: {error}") from None
        if not value or len(value.encode()) > _SECRET_MAX_BYTES:
            raise ConfigError(f"secret: {where} is empty or longer than {_SECRET_MAX_BYTES} bytes")
        return SecretStr(value)


class GatewayConfig(_Section):
    """Who this gateway is and where it keeps what must survive."""

    id: Name
    state_dir: Annotated[Path, AfterValidator(_named_folder)]


class BrokerConfig(_Section):
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


class TokenConfig(_Section):
    """A bearer token of the API."""

    name: Name
    role: Literal["read", "operate", "admin"]
    secret: SecretConfig


class ApiConfig(_Section):
    """The REST API. Without a token nobody reads anything, unless ``anonymous`` says so."""

    listen: Address
    tokens: tuple[TokenConfig, ...] = ()
    anonymous: Literal["none", "read"] = "none"


class LogConfig(_Section):
    """What is written to stderr."""

    format: Literal["json", "console"] = "json"
    level: Literal["debug", "info", "warning", "error"] = "info"


class MatchConfig(_Section):
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


class ListenerConfig(_Section):
    """What a listening address does with peers that no device claims."""

    url: Url
    unknown: Literal["refuse", "quarantine"] = "refuse"
    identify_s: Seconds = 30.0


class DeviceConfig(_Section):
    """One device."""

    id: Name
    url: Url
    role: Literal["receiver"] = "receiver"
    match: MatchConfig | None = None
    correction: Literal["none"] = "none"
    solve: Literal["receiver"] = "receiver"
    frame: Annotated[str, Field(pattern=r"^[A-Za-z0-9()_. -]{1,32}$")] | None = None
    """Frame of the receiver's coordinates, e.g. WGS84 or CGCS2000. Without it fixes have none."""
    epoch: Annotated[float, Field(ge=1980, le=2100)] | None = None
    """Epoch of that frame as a year, e.g. 2000.0."""
    silence_s: Seconds = 30.0
    sky: bool = False
    """Publish satellites in view."""

    @model_validator(mode="after")
    def _epoch_needs_frame(self) -> DeviceConfig:
        if self.epoch is not None and self.frame is None:
            raise ValueError("epoch needs frame: a year alone says nothing of the coordinates")
        return self


class Config(_Section):
    """The whole file."""

    gateway: GatewayConfig
    broker: BrokerConfig
    api: ApiConfig | None = None
    log: LogConfig = LogConfig()
    listener: tuple[ListenerConfig, ...] = ()
    device: tuple[DeviceConfig, ...] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> Config:
        for kind, names in (
            ("device ids", [device.id for device in self.device]),
            ("listener urls", [listener.url for listener in self.listener]),
            ("token names", [token.name for token in self.api.tokens] if self.api else []),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{kind} must differ: {', '.join(twice)} stands there twice")
        return self


def load(path: Path) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: one line a problem, with file, key, value and what is allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    return parse(text, name=str(path))


def parse(text: str, *, name: str) -> Config:
    """Check the text of a configuration; ``name`` is what errors call it.

    Raises:
        ConfigError: one line a problem, with file, key, value and what is allowed.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: not TOML: {error}") from None
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        lines = [f"{name}: {_explain(problem)}" for problem in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def _explain(problem: ErrorDetails) -> str:
    location = problem["loc"]
    key = _key(location)
    kind = problem["type"]
    if kind == "extra_forbidden":
        known = _known_keys(location[:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        return f"{key}: unknown key; {hint}known: {', '.join(known)}"
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
    return any(part in ("password", "secret") for part in location)


def _holds_secrets(location: tuple[str | int, ...]) -> bool:
    """A whole token, or all of them, written as something else: its text may be the secret."""
    names = [part for part in location if isinstance(part, str)]
    return names[-1:] == ["tokens"]


def _key(location: tuple[str | int, ...]) -> str:
    """Write a place as it looks in the file: ``device[2].url`` counts from 1."""
    text = ""
    for part in location:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "file"


def _known_keys(location: tuple[str | int, ...]) -> list[str]:
    model: type[BaseModel] = Config
    for part in location:
        if isinstance(part, str):
            model = _model_of(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _model_of(annotation: object) -> type[BaseModel] | None:
    """Find the section class in ``Section | None`` or ``tuple[Section, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_of(argument)
        if found is not None:
            return found
    return None
