"""Who may command what by short message: a list of permissions, and nothing beyond it. Pure.

The address of a sender is vouched for by the satellite system alone, and by the cable to the
terminal; a key id is vouched for by a seal. Both can be asked for.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from bdgw.errors import ConfigError

__all__ = ["AllowList", "Permission"]


class Permission(msgspec.Struct, frozen=True, kw_only=True):
    """One line: these commands, for messages that meet every condition given."""

    commands: frozenset[str]
    senders: frozenset[int] | None = None
    """Addresses; None: any, which needs ``key_ids``."""
    key_ids: frozenset[int] | None = None
    """Seals; None accepts unsealed messages, which must be said by ``is_unsealed_accepted``."""
    is_unsealed_accepted: bool = False

    def __post_init__(self) -> None:
        if not self.commands:
            raise ConfigError("a permission names no command")
        if self.senders is not None and not self.senders:
            raise ConfigError("a permission for no sender; leave the senders out for any")
        if self.key_ids is not None and not self.key_ids:
            raise ConfigError("a permission for no key")
        if self.key_ids is None and not self.is_unsealed_accepted:
            raise ConfigError("a permission without keys must say that it accepts unsealed ones")
        if self.key_ids is not None and self.is_unsealed_accepted:
            raise ConfigError("a permission asks for a seal and accepts messages without one")
        if self.senders is None and self.key_ids is None:
            raise ConfigError("a permission for everybody with a card; name senders or keys")

    def allows(self, command: str, *, sender: int, key_id: int | None) -> bool:
        """Tell whether this line lets a command through; ``key_id`` None: it was not sealed."""
        return (
            command in self.commands
            and (self.senders is None or sender in self.senders)
            and (self.key_ids is None or key_id in self.key_ids)
        )


class AllowList:
    """All permissions of a gateway; what none of them allows is refused."""

    def __init__(self, permissions: Iterable[Permission] = ()) -> None:
        self._permissions = tuple(permissions)

    def allows(self, command: str, *, sender: int, key_id: int | None) -> bool:
        """Tell whether a sender may command this; ``key_id`` is that of the opened seal."""
        return any(one.allows(command, sender=sender, key_id=key_id) for one in self._permissions)

    def commands(self, *, sender: int, key_id: int | None) -> frozenset[str]:
        """Give everything that a sender may command."""
        return frozenset(
            command
            for one in self._permissions
            for command in one.commands
            if one.allows(command, sender=sender, key_id=key_id)
        )
