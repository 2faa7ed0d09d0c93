"""What the caster is told: its mounts, who may use them, and its certificate."""

from __future__ import annotations

import ssl
from pathlib import Path

from bdgw.augmentation import UsersFile
from bdgw.caster import CasterSpec, Limits, MountKind, MountSpec
from bdgw.caster.user import Password, Pusher, User, UserTable
from bdgw.config import (
    CasterConfig,
    CasterMountConfig,
    CasterUserConfig,
    Config,
    load_users,
)
from bdgw.errors import ConfigError
from bdgw.plan.correction import correction_specs
from bdgw.plan.secret import fetch, host_and_port

__all__ = ["caster_spec", "caster_tls", "caster_users", "users_file"]


def caster_spec(config: Config) -> CasterSpec | None:
    """Give the caster's address and mounts; None where the configuration has no caster.

    Raises:
        ConfigError: names the mount and what is wrong with it.
    """
    if config.caster is None:
        return None
    host, port = host_and_port(config.caster.listen)
    try:
        return CasterSpec(
            host=host,
            port=port,
            mounts=tuple(_mount(mount, config) for mount in config.caster.mounts),
            identifier=config.gateway.id,
            operator=config.caster.operator,
            public_host=config.caster.public_host,
            limits=Limits(
                max_connections=config.caster.max_clients,
                max_per_address=config.caster.max_per_address,
            ),
        )
    except ValueError as error:
        raise ConfigError(f"caster: {error}") from None


def _mount(mount: CasterMountConfig, config: Config) -> MountSpec:
    kind, _, name = mount.source.partition(":")
    frame, frame_epoch_year = mount.frame, mount.epoch
    if kind == "device":
        device = next(device for device in config.device if device.id == name)
        frame, frame_epoch_year = device.frame, device.epoch
    elif kind == "correction":
        source = next(spec for spec in correction_specs(config) if spec.name == name)
        frame, frame_epoch_year = source.frame, source.frame_epoch_year
    return MountSpec(
        name=mount.name,
        kind=_KINDS[kind],
        identifier=mount.identifier,
        country=mount.country,
        lat_deg=mount.lat_deg,
        lon_deg=mount.lon_deg,
        max_distance_m=mount.max_distance_m,
        frame=frame,
        frame_epoch_year=frame_epoch_year,
        members=mount.members,
        is_open=mount.is_open,
    )


_KINDS = {
    "device": MountKind.LOCAL,
    "correction": MountKind.RELAY,
    "push": MountKind.PUSH,
    "nearest": MountKind.NEAR,
}


def caster_users(caster: CasterConfig) -> UserTable:
    """Fetch the accounts, from the configuration or from the file that it names.

    Raises:
        ConfigError: the file is not as it must be, or a secret is missing; never shows one.
    """
    users = caster.users if caster.users_file is None else load_users(caster.users_file)
    key = "caster.users" if caster.users_file is None else f"{caster.users_file}: users"
    try:
        return UserTable(
            users=tuple(_user(f"{key}[{n}]", user) for n, user in enumerate(users, start=1)),
            pushers={
                mount.name: Pusher(
                    password=Password(fetch(f"caster.mounts[{n}].password", mount.password)),
                    username=mount.username,
                )
                for n, mount in enumerate(caster.mounts, start=1)
                if mount.password is not None
            },
        )
    except ValueError as error:
        raise ConfigError(f"{key}: {error}") from None


def users_file(config: Config) -> UsersFile | None:
    """Give the file of accounts that is to be watched, None where there is none."""
    caster = config.caster
    if caster is None or caster.users_file is None:
        return None
    path = caster.users_file
    return UsersFile(stamp=lambda: _stamp(path), read=lambda: caster_users(caster))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _user(key: str, user: CasterUserConfig) -> User:
    text = user.password_scrypt or ""
    if user.password is not None:
        text = fetch(f"{key}.password", user.password)
    return User(
        name=user.name,
        password=Password(text),
        mounts=user.mounts or None,
        max_sessions=user.max_sessions,
    )


def caster_tls(caster: CasterConfig) -> ssl.SSLContext | None:
    """Read the certificate that the caster shows; None where it speaks plain TCP.

    Raises:
        ConfigError: a file is missing or is no certificate with its key.
    """
    if caster.cert_file is None or caster.key_file is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(caster.cert_file, caster.key_file)
    except OSError as error:
        files = f"{caster.cert_file}, {caster.key_file}"
        raise ConfigError(f"caster.cert_file, key_file: {files}: {error}") from None
    return context
