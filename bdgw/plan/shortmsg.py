"""What the room of short messages is told: terminals, peers, keys, capacities, retention."""

from __future__ import annotations

from pathlib import Path

from bdgw.config import (
    CapacityConfig,
    Config,
    PeerConfig,
    PermissionConfig,
    ShortMessageConfig,
)
from bdgw.errors import ConfigError
from bdgw.messaging import OfficeSpec
from bdgw.plan.secret import fetch
from bdgw.shortmsg.authority import Permission
from bdgw.shortmsg.capacity import Override
from bdgw.shortmsg.courier_rules import CourierRules
from bdgw.shortmsg.key import KeyRing, parse_key_ring
from bdgw.shortmsg.outgoing import Peer
from bdgw.shortmsg.peer_group import PeerGroups
from bdgw.shortmsg.service import ServiceSpec
from bdgw.shortmsg.terminal import TerminalSpec
from bdgw.shortmsg.vocabulary import Family, Service
from bdgw.store.retention import RetentionLimits

__all__ = ["office_spec"]

_NS_PER_DAY = 86_400 * 1_000_000_000
_HOST_FILES = (Path("/sys/class/dmi/id/product_uuid"), Path("/etc/machine-id"))
"""The first one stays when a disk is copied to another machine, and only root may read it."""


def office_spec(config: Config) -> OfficeSpec | None:
    """Give the rules of short messages; None where no device is a terminal.

    Raises:
        ConfigError: names peer, group or capacity, and what is wrong; never shows a key.
    """
    devices = [device for device in config.device if device.role == "terminal"]
    if not devices:
        if "shortmsg" in config.model_fields_set:
            raise ConfigError('shortmsg: no device has role = "terminal"')
        return None
    families = {
        device.id: None if device.family is None else Family(device.family) for device in devices
    }
    wanted = config.shortmsg
    rings = _rings(wanted)
    return OfficeSpec(
        service=ServiceSpec(
            terminals=families,
            peers=_peers(wanted),
            permissions=tuple(
                _permission(number, one) for number, one in enumerate(wanted.permissions, start=1)
            ),
            overrides=tuple(_override(one) for one in wanted.capacities),
            rules=CourierRules(
                receipt_batch_s=wanted.receipt_batch_s, receipt_wait_s=wanted.receipt_wait_s
            ),
        ),
        terminals={name: TerminalSpec(family=family) for name, family in families.items()},
        rings=rings,
        host=_host() if rings else "",
        max_seal_age_s=wanted.max_seal_age_s,
        retention=RetentionLimits(
            max_age_ns=None if wanted.keep_days is None else round(wanted.keep_days * _NS_PER_DAY),
            max_bytes=wanted.keep_bytes,
        ),
    )


def _peers(wanted: ShortMessageConfig) -> tuple[Peer, ...]:
    owners: dict[int, str] = {}
    for peer in wanted.peers:
        for address in peer.addresses:
            if address in owners:
                raise ConfigError(
                    f"peer {peer.name!r}: address {address} is also of {owners[address]!r}"
                )
            owners[address] = peer.name
    return tuple(_peer(peer) for peer in wanted.peers)


def _peer(peer: PeerConfig) -> Peer:
    return Peer(
        name=peer.name,
        addresses=frozenset(peer.addresses),
        group=peer.group,
        cards=None if peer.cards is None else frozenset(peer.cards),
        family=None if peer.family is None else Family(peer.family),
    )


def _permission(number: int, one: PermissionConfig) -> Permission:
    try:
        return Permission(
            commands=frozenset(one.commands),
            senders=None if one.senders is None else frozenset(one.senders),
            key_ids=None if one.key_ids is None else frozenset(one.key_ids),
            is_unsealed_accepted=one.is_unsealed_accepted,
        )
    except ConfigError as error:
        raise ConfigError(f"shortmsg.permissions[{number}]: {error}") from None


def _override(one: CapacityConfig) -> Override:
    try:
        return Override(
            bits=one.bits,
            family=None if one.family is None else Family(one.family),
            service=Service(one.service),
            level=one.level,
            is_encrypted=one.is_encrypted,
            is_express=one.is_express,
        )
    except ConfigError as error:
        raise ConfigError(f"shortmsg.capacities: {error}") from None


def _rings(wanted: ShortMessageConfig) -> dict[str, KeyRing]:
    rings: dict[str, KeyRing] = {}
    for group in wanted.groups:
        text = fetch(f"group {group.name!r}: keys", group.keys)
        try:
            rings[group.name] = parse_key_ring(text, sending=group.send_with)
        except ConfigError as error:
            raise ConfigError(f"group {group.name!r}: {error}") from None
    # An id or a key that stands in two groups is found here and not at the first start.
    PeerGroups(rings, stored={}, host="check")
    return rings


def _host() -> str:
    """Name this machine by what a copied disk does not carry along, as far as we may read it."""
    for path in _HOST_FILES:
        try:
            text = path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if text:
            return text.lower()
    raise ConfigError(
        "shortmsg.groups: this machine has no id (product_uuid or machine-id), by which a copied "
        "disk is told from the first one; systemd-machine-id-setup makes one"
    )
