"""What the sections are made of: checked texts and numbers, and secrets by reference."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from bdgw.errors import ConfigError

__all__ = [
    "Address",
    "Frame",
    "Mount",
    "Name",
    "Seconds",
    "SecretConfig",
    "Section",
    "Url",
    "Year",
    "known_name",
    "named_folder",
]

_SECRET_MAX_BYTES = 4096
_PORT_MAX = 65_535


def _with_a_possible_port(text: str) -> str:
    if int(text.rpartition(":")[2]) > _PORT_MAX:
        raise ValueError(f"a port is 0 to {_PORT_MAX}")
    return text


def named_folder(path: Path) -> Path:
    """Refuse the empty path, which would be the working directory."""
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


Frame = Annotated[str, Field(pattern=r"^[\w().: -]{1,32}$")]
Year = Annotated[float, Field(ge=1980, le=2100)]
Mount = Annotated[str, Field(pattern=r"^[^\s/?;,\x00-\x1f]{1,100}$")]
"""A mountpoint: casters use more characters than the standard's letters, digits, ``-_.``."""


class Section(BaseModel):
    """A table of the file: frozen, and without keys that nobody knows."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SecretConfig(Section):
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


def known_name(key: str, name: str, names: set[str]) -> None:
    """Refuse a name that is not one of these, with the nearest of them.

    Raises:
        ValueError: it is none of them.
    """
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        known = ", ".join(sorted(names)) or "none"
        raise ValueError(f"{key} {name!r} does not exist; {hint}known: {known}")
