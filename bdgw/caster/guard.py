"""Slows down whoever guesses passwords, by address. Pure, bounded.

Nobody is locked out: many rovers share the address of their mobile operator, and one of them with
an old password must not shut out the others for longer than a few seconds.
"""

from __future__ import annotations

import ipaddress

__all__ = ["LoginGuard", "address_key"]

_FREE_FAILURES = 3
_FORGET_S = 600.0
_MAX_ADDRESSES = 4096


def address_key(host: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 that one IPv6 subscriber has."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))


class LoginGuard:
    """Counts failed logins by address; ``now`` is monotonic seconds."""

    def __init__(self, *, max_delay_s: float) -> None:
        self._max_delay_s = max_delay_s
        self._failures: dict[str, tuple[int, float]] = {}
        """Failures and the time of the last one, by address, longest quiet first."""

    def delay_s(self, address: str, now: float) -> float:
        """How long the next login of ``address`` waits before it is looked at."""
        self._forget(now)
        n_failures, _ = self._failures.get(address, (0, now))
        if n_failures < _FREE_FAILURES:
            return 0.0
        return min(self._max_delay_s, 0.5 * 2.0 ** min(n_failures - _FREE_FAILURES, 16))

    def failed(self, address: str, now: float) -> None:
        """Remember a failed login."""
        self._forget(now)
        n_failures, _ = self._failures.pop(address, (0, now))
        if len(self._failures) >= _MAX_ADDRESSES:
            del self._failures[next(iter(self._failures))]
        self._failures[address] = (n_failures + 1, now)

    def _forget(self, now: float) -> None:
        while self._failures:
            address = next(iter(self._failures))
            if now - self._failures[address][1] < _FORGET_S:
                return
            del self._failures[address]
