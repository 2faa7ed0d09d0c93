"""Accounts for services that allow few sessions an account, most often one.

A device keeps the account that it has had, so that a service that counts sessions sees the same one
come again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bdgw.ntrip.account import Account

__all__ = ["AccountPool"]


class AccountPool:
    """Hands out the accounts of one source, each to so many holders at a time."""

    def __init__(self, accounts: Sequence[Account], *, sessions_per_account: int = 1) -> None:
        self._accounts = tuple(accounts)
        self._limit = sessions_per_account
        self._held: dict[str, Account] = {}
        self._last: dict[str, Account] = {}

    @property
    def is_open(self) -> bool:
        """Whether no account is needed."""
        return not self._accounts

    @property
    def n_free(self) -> int:
        """How many sessions could still be opened."""
        return len(self._accounts) * self._limit - len(self._held)

    def take(self, holder: str) -> Account | None:
        """Give ``holder`` its account, the same as before if it is free; None when none is."""
        if holder in self._held:
            return self._held[holder]
        held = Counter(self._held.values())
        free = [account for account in self._accounts if held[account] < self._limit]
        if not free:
            return None
        last = self._last.get(holder)
        unclaimed = [account for account in free if account not in self._last.values()]
        account = last if last in free else (unclaimed or free)[0]
        self._held[holder] = self._last[holder] = account
        return account

    def give_back(self, holder: str) -> None:
        """The session of ``holder`` is over."""
        self._held.pop(holder, None)
