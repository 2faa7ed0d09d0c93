"""Who may read and who may push: names, secrets, mounts. Pure; a secret is never shown.

A secret is plain text or a scrypt hash of it. All comparisons take the same time whatever is
wrong, and an unknown name costs as much as a wrong password.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping

import msgspec

__all__ = ["Password", "Pusher", "User", "UserTable", "hash_password"]

_LOG2_N, _R, _P, _HASH_BYTES = 14, 8, 1, 32
_MAX_LOG2_N, _MAX_R, _MAX_P = 17, 16, 4
_MAX_SECRET_BYTES = 1024
_HASHED = re.compile(
    r"scrypt\$(\d{1,2})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9+/=]{1,88})\$([A-Za-z0-9+/=]{1,172})"
).fullmatch


def hash_password(password: str, salt: bytes) -> str:
    """Make the text ``scrypt$log2(N)$r$p$salt$hash`` (base64) for a configuration file.

    Source: RFC 7914 (scrypt).
    """
    digest = _scrypt(password.encode(), salt, _LOG2_N, _R, _P, _HASH_BYTES)
    salt_text, digest_text = (base64.b64encode(part).decode() for part in (salt, digest))
    return f"scrypt${_LOG2_N}${_R}${_P}${salt_text}${digest_text}"


def _scrypt(password: bytes, salt: bytes, log2_n: int, r: int, p: int, n_bytes: int) -> bytes:
    memory = 132 * (1 << log2_n) * r + (1 << 20)
    return hashlib.scrypt(
        password, salt=salt, n=1 << log2_n, r=r, p=p, dklen=n_bytes, maxmem=memory
    )


class Password:
    """One secret, plain or hashed, that can only be compared."""

    __slots__ = ("_digest", "_scrypt")

    def __init__(self, text: str) -> None:
        """Take a plain secret, or ``scrypt$…`` as ``hash_password`` makes it.

        Raises:
            ValueError: a hash that cannot be read; the message does not repeat it.
        """
        self._scrypt: tuple[int, int, int, bytes] | None = None
        if not text.startswith("scrypt$"):
            self._digest = _digest_of(text.encode())
            return
        match = _HASHED(text)
        if match is None:
            raise ValueError("a scrypt hash reads scrypt$log2N$r$p$salt$hash")
        log2_n, r, p = (int(match[group]) for group in (1, 2, 3))
        if not (1 <= log2_n <= _MAX_LOG2_N and 1 <= r <= _MAX_R and 1 <= p <= _MAX_P):
            raise ValueError("a scrypt hash with such costs would stop the gateway")
        try:
            salt, self._digest = (base64.b64decode(match[i], validate=True) for i in (4, 5))
        except binascii.Error:
            raise ValueError("a scrypt hash needs salt and hash in base64") from None
        self._scrypt = (log2_n, r, p, salt)

    def __repr__(self) -> str:
        return "Password(…)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Password):
            return NotImplemented
        is_same = hmac.compare_digest(self._digest, other._digest)
        return is_same and self._scrypt == other._scrypt

    def __hash__(self) -> int:
        return hash((self._digest, self._scrypt))

    @property
    def is_slow(self) -> bool:
        """Comparing costs tens of milliseconds: not in an event loop."""
        return self._scrypt is not None

    def matches(self, password: str) -> bool:
        """Compare, in a time that does not depend on what is wrong."""
        given = password.encode()[:_MAX_SECRET_BYTES]
        if self._scrypt is None:
            return hmac.compare_digest(self._digest, _digest_of(given))
        log2_n, r, p, salt = self._scrypt
        digest = _scrypt(given, salt, log2_n, r, p, len(self._digest))
        return hmac.compare_digest(self._digest, digest)


def _digest_of(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


_NOBODY_PLAIN = Password("")
_NOBODY_HASHED = Password(
    "scrypt$14$8$1$AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
)


class User(msgspec.Struct, frozen=True, kw_only=True):
    """One account for reading. ``mounts`` None means every mount."""

    name: str
    password: Password
    mounts: tuple[str, ...] | None = None
    max_sessions: int = 1

    def __post_init__(self) -> None:
        if not self.name or ":" in self.name or not self.name.isprintable():
            # Source: RFC 7617, clause 2: a colon ends the user name.
            raise ValueError("a user name is not empty and has no colon and no control character")
        if self.max_sessions < 1:
            raise ValueError(f"user {self.name}: max_sessions is at least 1")

    def may_read(self, mount: str) -> bool:
        """Say whether this account opens ``mount``."""
        return self.mounts is None or mount in self.mounts


class Pusher(msgspec.Struct, frozen=True, kw_only=True):
    """The credential for feeding one mount. ``SOURCE`` knows no user name and needs none."""

    password: Password
    username: str | None = None
    """What ``POST`` must say; None takes any."""


class UserTable(msgspec.Struct, frozen=True, kw_only=True):
    """All accounts: readers by name, pushers by mount. Empty lets nobody in."""

    users: tuple[User, ...] = ()
    pushers: Mapping[str, Pusher] = {}

    def __post_init__(self) -> None:
        names = [user.name for user in self.users]
        if len(set(names)) != len(names):
            raise ValueError("a user name is there twice")

    @property
    def is_slow(self) -> bool:
        """Some comparison costs tens of milliseconds; so an unknown name must cost them too."""
        secrets = [user.password for user in self.users]
        secrets += [pusher.password for pusher in self.pushers.values()]
        return any(secret.is_slow for secret in secrets)

    def user(self, name: str) -> User | None:
        """Find an account; no secret is looked at."""
        return next((user for user in self.users if user.name == name), None)

    def login(self, name: str, password: str) -> User | None:
        """The account that name and password open, or None."""
        user = self.user(name)
        nobody = _NOBODY_HASHED if self.is_slow else _NOBODY_PLAIN
        is_right = (user.password if user else nobody).matches(password)
        return user if user is not None and is_right else None

    def may_push(self, mount: str, username: str, password: str, *, is_source: bool) -> bool:
        """Say whether these credentials feed ``mount``."""
        pusher = self.pushers.get(mount)
        nobody = _NOBODY_HASHED if self.is_slow else _NOBODY_PLAIN
        is_right = (pusher.password if pusher else nobody).matches(password)
        if pusher is None:
            return False
        is_named = is_source or pusher.username is None or pusher.username == username
        return is_right and is_named
