"""What the corrections are told: sources, accounts, and which device gets which."""

from __future__ import annotations

import ssl

from bdgw.augmentation import Routes
from bdgw.config import AccountConfig, Config, CorrectionConfig, GgaConfig
from bdgw.corrections import Binding, SessionPolicy, SourceKind, SourceSpec
from bdgw.corrections.base_guard import BaseJump
from bdgw.errors import ConfigError
from bdgw.model import Fix, FixKind
from bdgw.ntrip.account import Account
from bdgw.ntrip.address import CasterAddress, parse_caster_url
from bdgw.ntrip.gga import GgaPolicy, GgaQuality, GgaWhen
from bdgw.ntrip.request import NtripVersion
from bdgw.ntrip.service import SERVICES, Service
from bdgw.plan.secret import account_of
from bdgw.plan.trust import trust_of

__all__ = [
    "correction_bindings",
    "correction_routes",
    "correction_specs",
    "correction_tls",
]

_BY_NAME = {service.name: service for service in SERVICES}


def correction_bindings(config: Config) -> tuple[Binding, ...]:
    """Give which device gets which corrections."""
    return tuple(
        Binding(device=device.id, correction=device.correction)
        for device in config.device
        if device.correction != "none"
    )


def correction_specs(config: Config) -> tuple[SourceSpec, ...]:
    """Give every source of corrections, with what is known of its service.

    Raises:
        ConfigError: names the correction, the key and what is wrong.
    """
    specs = []
    for correction in config.correction:
        owner = f"correction {correction.name!r}"
        try:
            specs.append(_remote(correction) if correction.is_remote else _local(correction))
        except ValueError as error:
            raise ConfigError(f"{owner}: {error}") from None
    return tuple(specs)


def correction_tls(correction: CorrectionConfig) -> ssl.SSLContext | None:
    """Read whom a caster's certificate must be signed by; None for the system's authorities.

    Raises:
        ConfigError: the file is missing or holds no certificate.
    """
    return trust_of(f"correction {correction.name!r}: ca_file", correction.ca_file)


def _local(correction: CorrectionConfig) -> SourceSpec:
    return SourceSpec(
        name=correction.name,
        kind=SourceKind.LOCAL,
        mount=correction.url.partition("://")[2],
        frame=correction.frame,
        frame_epoch_year=correction.epoch,
        max_age_s=correction.max_age_s,
        standby=correction.standbys,
        base_jump=BaseJump(correction.base_jump),
    )


def _remote(correction: CorrectionConfig) -> SourceSpec:
    address, mount = parse_caster_url(correction.url)
    if mount is not None:
        raise ValueError(f"url: the mountpoint stands apart: mount = {mount!r}")
    service = _BY_NAME[correction.service]
    frame, frame_epoch_year = _frame(correction, service, address)
    return SourceSpec(
        name=correction.name,
        address=address,
        mount=correction.mount,
        mounts=correction.mounts,
        accounts=_accounts(correction),
        sessions_per_account=correction.sessions_per_account or service.sessions_per_account,
        frame=frame,
        frame_epoch_year=frame_epoch_year,
        max_age_s=correction.max_age_s,
        standby=correction.standbys,
        session=_session(correction, service),
        gga=_gga(correction.gga),
        position=_position(correction),
        version=None if correction.version == "auto" else NtripVersion(correction.version),
        needs_gga=service.needs_gga,
        base_jump=BaseJump(correction.base_jump),
    )


def _frame(
    correction: CorrectionConfig, service: Service, address: CasterAddress
) -> tuple[str | None, float | None]:
    """Give the frame that is configured, or else that of the service's port.

    Raises:
        ValueError: both are known and differ.
    """
    port = service.find_port(address.port)
    if port is None or port.frame is None:
        return correction.frame, correction.epoch
    if correction.frame is None:
        return port.frame, port.frame_epoch_year
    if correction.frame != port.frame:
        raise ValueError(
            f"frame = {correction.frame!r}: port {address.port} of {service.name} gives "
            f'{port.frame} ({port.mark}); service = "generic" believes you'
        )
    return correction.frame, correction.epoch or port.frame_epoch_year


def _session(correction: CorrectionConfig, service: Service) -> SessionPolicy:
    if correction.session is not None:
        return SessionPolicy(correction.session)
    return SessionPolicy.PER_DEVICE if service.needs_gga else SessionPolicy.SHARED


def _gga(gga: GgaConfig) -> GgaPolicy:
    return GgaPolicy(
        when=GgaWhen(gga.when),
        talker=gga.talker,
        period_s=gga.period_s,
        decimals=gga.decimals,
        move_m=gga.move_m,
        quality=GgaQuality.TRUE if gga.quality == "true" else GgaQuality.ONE,
    )


def _position(correction: CorrectionConfig) -> Fix | None:
    place = correction.position
    if place is None:
        return None
    return Fix(
        kind=FixKind.SINGLE,
        lat_deg=place.lat_deg,
        lon_deg=place.lon_deg,
        alt_hae_m=place.alt_hae_m,
    )


def _accounts(correction: CorrectionConfig) -> tuple[Account, ...]:
    listed = correction.accounts
    if correction.username is not None:
        listed = (AccountConfig(username=correction.username, password=correction.password),)
    key = f"correction {correction.name!r}: accounts"
    made = (account_of(f"{key}[{n}]", a.username, a.password) for n, a in enumerate(listed, 1))
    return tuple(account for account in made if account is not None)


def correction_routes(config: Config) -> Routes:
    """Give which frames go where: bases to sources and mounts, sources to mounts."""
    of_device: dict[str, list[str]] = {}
    of_mount: dict[str, list[str]] = {}
    for correction in config.correction:
        kind, _, name = correction.url.partition("://")
        if not correction.is_remote:
            by_name = of_device if kind == "device" else of_mount
            by_name.setdefault(name, []).append(correction.name)
    mounts: dict[str, dict[str, list[str]]] = {"device": {}, "correction": {}}
    for mount in config.caster.mounts if config.caster else ():
        kind, _, name = mount.source.partition(":")
        if kind in mounts:
            mounts[kind].setdefault(name, []).append(mount.name)
    return Routes(
        sources_of_device=_frozen(of_device),
        mounts_of_device=_frozen(mounts["device"]),
        mounts_of_source=_frozen(mounts["correction"]),
        sources_of_mount=_frozen(of_mount),
    )


def _frozen(names: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {key: tuple(values) for key, values in names.items()}
