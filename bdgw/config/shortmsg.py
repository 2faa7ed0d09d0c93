"""Short messages: peers, groups that seal, capacities from a contract, and what is kept."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from bdgw.config.value import Name, Seconds, SecretConfig, Section, known_name

__all__ = [
    "CapacityConfig",
    "FamilyName",
    "GroupConfig",
    "PeerConfig",
    "PermissionConfig",
    "ShortMessageConfig",
]

_ADDRESS_DIGITS_MAX = 15

FamilyName = Literal["bd1-4.0", "bd2-2.1", "bd3"]


def _without_leading_zeros(value: object) -> object:
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        return int(value[:_ADDRESS_DIGITS_MAX])
    return value


CardAddress = Annotated[
    int, BeforeValidator(_without_leading_zeros), Field(ge=1, le=(1 << 24) - 1, strict=True)
]
"""Address of a card: a number, or digits in quotes where leading zeros are usual."""


class PeerConfig(Section):
    """Another bdgw gateway: it joins long messages and says what it has received."""

    name: Name
    addresses: Annotated[tuple[CardAddress, ...], Field(min_length=1)]
    """Its cards; it may answer by any of them."""
    group: Name | None = None
    """What goes to it is sealed for this group."""
    cards: tuple[CardAddress, ...] | None = None
    """The cards of ours that it listens to; default: any."""
    family: FamilyName | None = None
    """The oldest one of its terminals; nothing goes to it that these cannot receive."""


class GroupConfig(Section):
    """A peer group that shares keys."""

    name: Name
    keys: SecretConfig
    """Lines of a key id and 32 hexadecimal digits."""
    send_with: Annotated[int, Field(ge=0, le=255)] | None = None
    """Id of the key that seals; may be left out where there is one key."""


class CapacityConfig(Section):
    """What a contract says of a card, in place of the table's number."""

    bits: Annotated[int, Field(ge=8, le=14_000)]
    family: FamilyName | None = None
    service: Literal["regional", "global"] = "regional"
    level: Annotated[int, Field(ge=1, le=15)] | None = None
    is_encrypted: bool | None = None
    is_express: bool = False


class PermissionConfig(Section):
    """These commands, for messages that meet every condition given."""

    commands: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=64)], ...], Field(min_length=1)
    ]
    """Words of the consumers of received messages; bdgw itself knows none."""
    senders: tuple[CardAddress, ...] | None = None
    """Default: any, which needs ``key_ids``."""
    key_ids: tuple[Annotated[int, Field(ge=0, le=255)], ...] | None = None
    """Seals of these keys only."""
    is_unsealed_accepted: bool = False
    """Must be said where ``key_ids`` is left out."""


class ShortMessageConfig(Section):
    """Rules for all terminals of the gateway; terminals are devices with that role."""

    peers: tuple[PeerConfig, ...] = ()
    groups: tuple[GroupConfig, ...] = ()
    capacities: tuple[CapacityConfig, ...] = ()
    permissions: tuple[PermissionConfig, ...] = ()
    """Who may command what; what none of them allows is refused."""
    receipt_batch_s: Seconds = 60.0
    """A receipt to a peer waits so long for others that share its slot."""
    receipt_wait_s: Seconds = 86_400.0
    """A message to a peer is given up after so long without its receipt."""
    max_seal_age_s: Annotated[int, Field(ge=60)] | None = None
    """Sealed messages that are older are refused; default: the replay window alone decides."""
    keep_days: Annotated[float, Field(gt=0, le=36_500)] | None = 400.0
    """Settled and received messages are kept so long."""
    keep_bytes: Annotated[int, Field(ge=1_048_576)] | None = None
    """The oldest of them go when the ledger is larger."""

    @model_validator(mode="after")
    def _groups_exist(self) -> ShortMessageConfig:
        groups = {group.name for group in self.groups}
        for peer in self.peers:
            if peer.group is not None:
                known_name(f"peer {peer.name!r}: group =", peer.group, groups)
        return self
