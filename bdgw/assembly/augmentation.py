"""Builds the side of the gateway that gives corrections, from the checked configuration."""

from __future__ import annotations

import random
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

from bdgw.augmentation import Augmentation
from bdgw.caster import Caster
from bdgw.config import Config
from bdgw.corrections import Corrections, frame_conflicts
from bdgw.errors import ConfigError
from bdgw.model import Alarm, Fix
from bdgw.ntrip.account import Account
from bdgw.ntrip.address import CasterAddress, parse_caster_url
from bdgw.ntrip.asking import fetch_sourcetable
from bdgw.ntrip.gate import AccountGate
from bdgw.ntrip.runner import NtripClient
from bdgw.ntrip.sourcetable import Sourcetable
from bdgw.ntrip.spec import NtripClientSpec
from bdgw.ntrip.state import ClientState
from bdgw.plan import (
    caster_spec,
    caster_tls,
    caster_users,
    correction_bindings,
    correction_routes,
    correction_specs,
    correction_tls,
    users_file,
)
from bdgw.receivers import Clock

__all__ = ["build_augmentation", "check_augmentation"]


def check_augmentation(config: Config) -> None:
    """Find what does not fit together, without opening anything but certificates.

    Raises:
        ConfigError: names the correction or mount, and why.
    """
    conflicts = frame_conflicts(correction_specs(config))
    if conflicts:
        raise ConfigError("\n".join(conflicts))
    _tls_by_address(config)
    caster_spec(config)
    if config.caster is not None:
        caster_users(config.caster)
        caster_tls(config.caster)


def build_augmentation(
    config: Config,
    *,
    write: Callable[[str, bytes, Callable[[bool], None]], bool],
    emit: Callable[[Alarm], None],
    clock: Clock,
    host_gpst_ns: Callable[[float], int | None],
    rng: random.Random,
    gate: AccountGate,
) -> Augmentation:
    """Put corrections and caster together; nothing is opened yet.

    Raises:
        ConfigError: see ``check_augmentation``.
    """
    tls = _tls_by_address(config)

    def new_client(
        spec: NtripClientSpec,
        *,
        on_body: Callable[[bytes, float], None],
        on_state: Callable[[ClientState], None],
        position: Callable[[], Fix | None],
    ) -> NtripClient:
        return NtripClient(
            spec,
            on_body=on_body,
            on_state=on_state,
            position=position,
            clock=clock,
            rng=rng,
            gate=gate,
            ssl_context=tls.get(spec.address),
        )

    def fetch_table(address: CasterAddress, *, account: Account | None) -> Awaitable[Sourcetable]:
        return fetch_sourcetable(
            address, clock=clock, account=account, gate=gate, ssl_context=tls.get(address)
        )

    def new_caster(on_push: Callable[[str, bytes, float], None]) -> Caster | None:
        spec = caster_spec(config)
        if config.caster is None or spec is None:
            return None
        return Caster(
            spec,
            users=caster_users(config.caster),
            on_push=on_push,
            clock=clock,
            ssl_context=caster_tls(config.caster),
            rng=rng,
        )

    corrections = Corrections(
        correction_specs(config),
        correction_bindings(config),
        write=write,
        emit=emit,
        clock=clock,
        host_gpst_ns=host_gpst_ns,
        rng=rng,
        new_client=new_client,
        fetch_table=fetch_table,
        known_table=lambda address: gate.memory(address).table,
    )
    return Augmentation(
        corrections,
        correction_routes(config),
        new_caster=new_caster,
        users_file=users_file(config),
    )


def _tls_by_address(config: Config) -> dict[CasterAddress, ssl.SSLContext]:
    """Give whom to trust at each caster that is not signed by the system's authorities."""
    contexts: dict[CasterAddress, ssl.SSLContext] = {}
    named: dict[CasterAddress, tuple[str, Path | None]] = {}
    for correction in config.correction:
        context = correction_tls(correction)
        if not correction.is_remote:
            continue
        address = parse_caster_url(correction.url)[0]
        other, ca_file = named.setdefault(address, (correction.name, correction.ca_file))
        if ca_file != correction.ca_file:
            raise ConfigError(
                f"corrections {other!r} and {correction.name!r} are at one caster and must name "
                "the same ca_file"
            )
        if context is not None:
            contexts[address] = context
    return contexts
