"""How much of the past is kept, and where."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from bdgw.config.value import SecretConfig, Section, Url

__all__ = ["HistoryConfig", "StoreConfig"]


class HistoryConfig(Section):
    """Every fix that was numbered is kept, until it is too old or too much."""

    enabled: bool = True
    max_age_days: Annotated[float, Field(gt=0, le=36_600)] = 30.0
    max_size_mib: Annotated[int, Field(ge=16, le=16_777_216)] = 1024
    """Of the SQLite file; a PostgreSQL server is bounded by age alone."""


class StoreConfig(Section):
    """A PostgreSQL server that keeps the history of this and of other gateways."""

    url: Url
    password: SecretConfig | None = None

    @model_validator(mode="after")
    def _fits(self) -> StoreConfig:
        scheme, _, rest = self.url.partition("://")
        if scheme not in ("postgresql", "postgres") or not rest:
            raise ValueError('url is "postgresql://user@host:port/database"')
        account = rest.partition("/")[0].rpartition("@")[0]
        if ":" in account or "password=" in rest:
            # The text of this error must not repeat it.
            raise ValueError('a password does not stand in the url: use password = { env = "…" }')
        return self
