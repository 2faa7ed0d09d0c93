"""Commands on casters: what they offer, and what is in a mountpoint."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bdgw.cli.output import print_json, say
from bdgw.errors import ConfigError, LinkError, UnavailableError

if TYPE_CHECKING:
    from bdgw.model import Fix
    from bdgw.ntrip.account import Account
    from bdgw.ntrip.request import NtripVersion

__all__ = ["app"]

app = typer.Typer(
    name="ntrip",
    help="What a caster offers, and what is in a mountpoint.",
    no_args_is_help=True,
)

Url = Annotated[str, typer.Argument(metavar="URL", help="ntrip://host:port/MOUNT, or ntrips://")]
User = Annotated[str | None, typer.Option("--user", help="user name at the caster")]
PasswordEnv = Annotated[
    str | None, typer.Option(help="environment variable that holds the password")
]
PasswordFile = Annotated[Path | None, typer.Option(help="file that holds the password")]
CaFile = Annotated[
    Path | None, typer.Option(help="PEM file: who signed the caster's certificate (ntrips://)")
]
Version = Annotated[str, typer.Option(help="NTRIP version to ask in: auto, 1 or 2")]


@app.command()
def sourcetable(
    url: Url,
    *,
    user: User = None,
    password_env: PasswordEnv = None,
    password_file: PasswordFile = None,
    ca_file: CaFile = None,
    version: Version = "auto",
) -> None:
    """Print a caster's sourcetable, one record a line."""
    from bdgw.ntrip.address import parse_caster_url
    from bdgw.plan.trust import trust_of
    from bdgw.probe import table_lines

    try:
        address, _ = parse_caster_url(url)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    account = _account(user, password_env, password_file)
    try:
        lines = asyncio.run(
            table_lines(
                address,
                account=account,
                version=_version(version),
                ssl_context=trust_of("--ca-file", ca_file),
            )
        )
    except LinkError as error:
        raise UnavailableError(f"{address}: {error}") from None
    for line in lines:
        print_json(line)


@app.command()
def probe(
    url: Url,
    *,
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="how long to watch")] = 15.0,
    user: User = None,
    password_env: PasswordEnv = None,
    password_file: PasswordFile = None,
    ca_file: CaFile = None,
    at: Annotated[
        str | None, typer.Option(metavar="LAT,LON[,HEIGHT]", help="position to tell the caster")
    ] = None,
    version: Version = "auto",
) -> None:
    """Watch a mountpoint: dialect, messages, base, satellites, and what is missing, in words.

    Exit status 69 where no valid frame came.
    """
    from bdgw.ntrip.address import parse_caster_url
    from bdgw.plan.trust import trust_of
    from bdgw.probe import probe_mount

    try:
        address, mount = parse_caster_url(url)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if mount is None:
        raise typer.BadParameter(f"the mountpoint is missing: {address}/MOUNT")
    found = asyncio.run(
        probe_mount(
            address,
            mount,
            seconds=seconds,
            account=_account(user, password_env, password_file),
            position=_position(at),
            version=_version(version),
            ssl_context=trust_of("--ca-file", ca_file),
            say=lambda text: say(f"{text}\n"),
        )
    )
    print_json(found)
    if not found["ok"]:
        raise UnavailableError(f"{address}/{mount}: {found.get('problem', 'no valid frame came')}")


def _account(
    user: str | None, password_env: str | None, password_file: Path | None
) -> Account | None:
    from bdgw.ntrip.account import Account

    if user is None:
        return None
    password = ""
    if password_env is not None:
        password = os.environ.get(password_env, "")
        if not password:
            raise ConfigError(f"environment variable {password_env} is empty")
    elif password_file is not None:
        password = password_file.read_text(encoding="utf-8").strip()
    try:
        return Account(user, password)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _position(text: str | None) -> Fix | None:
    from bdgw.model import Fix, FixKind

    if text is None:
        return None
    try:
        lat_deg, lon_deg, *rest = (float(part) for part in text.split(","))
        (height_m,) = rest or (0.0,)
    except ValueError:
        raise typer.BadParameter("--at is LAT,LON[,HEIGHT] in degrees and metres") from None
    if not (abs(lat_deg) <= 90.0 and abs(lon_deg) <= 180.0):
        raise typer.BadParameter("--at is beyond 90 or 180 degrees")
    return Fix(kind=FixKind.SINGLE, lat_deg=lat_deg, lon_deg=lon_deg, alt_hae_m=height_m)


def _version(text: str) -> NtripVersion | None:
    from bdgw.ntrip.request import NtripVersion

    if text == "auto":
        return None
    try:
        return NtripVersion(text)
    except ValueError:
        raise typer.BadParameter("--version is auto, 1 or 2") from None
