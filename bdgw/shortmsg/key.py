"""Keys of peer groups: how they are read, checked, named and changed.

Reads text; where the text comes from, and who may read that file, is checked by the caller. No
error, ``repr`` or ``str`` shows any of a key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bdgw.errors import ConfigError
from bdgw.shortmsg.sm4gcm import KEY_BYTES

__all__ = ["KEYS_MAX", "KeyRing", "SealKey", "parse_key_ring"]

KEYS_MAX = 64
_ID_MAX = 255
_HEX = frozenset("0123456789abcdefABCDEF")
_PUBLISHED = frozenset(
    bytes.fromhex(text)
    for text in (
        "0123456789abcdeffedcba9876543210",
        "000102030405060708090a0b0c0d0e0f",
        "00112233445566778899aabbccddeeff",
        "0f0e0d0c0b0a09080706050403020100",
        "ffeeddccbbaa99887766554433221100",
    )
)
"""Sample keys of standards and manuals, which end up in configurations."""


class SealKey:
    """One key with its id, 0 to 255. Everybody who has it can send in the name of the group."""

    __slots__ = ("_secret", "key_id")

    def __init__(self, key_id: int, secret: bytes) -> None:
        """Take the 16 bytes of a key.

        Raises:
            ConfigError: the id or the length is wrong, or it is a key that anybody would try.
        """
        if not 0 <= key_id <= _ID_MAX:
            raise ConfigError(f"key id {key_id} is outside 0 to {_ID_MAX}")
        if len(secret) != KEY_BYTES:
            raise ConfigError(f"key {key_id} has {len(secret)} bytes, not {KEY_BYTES}")
        if len(set(secret)) < KEY_BYTES // 2 or secret in _PUBLISHED:
            raise ConfigError(f"key {key_id} can be guessed; draw one at random")
        self.key_id = key_id
        self._secret = bytes(secret)

    @classmethod
    def from_hex(cls, key_id: int, text: str) -> SealKey:
        """Read 32 hexadecimal digits; blanks around them do not matter.

        Raises:
            ConfigError: as the constructor, or other characters.
        """
        digits = text.strip()
        if len(digits) != 2 * KEY_BYTES or not _HEX.issuperset(digits):
            raise ConfigError(f"key {key_id} is not of {2 * KEY_BYTES} hexadecimal digits")
        return cls(key_id, bytes.fromhex(digits))

    def reveal(self) -> bytes:
        """Give the bytes, to the cipher."""
        return self._secret

    def __repr__(self) -> str:
        return f"SealKey({self.key_id}, ...)"

    def __reduce__(self) -> str:
        raise TypeError("keys are not pickled")


class KeyRing:
    """The keys of one peer group: one to send with, all to open with until they are removed.

    To change a key: give the new one to all peers, then send with it everywhere, then remove the
    old one.
    """

    def __init__(self, keys: Iterable[SealKey], *, sending: int) -> None:
        """Take the keys and the id of that to send with.

        Raises:
            ConfigError: no keys or too many, one id or one key twice, or no key to send with.
        """
        given = list(keys)
        self._keys = {key.key_id: key for key in given}
        if not 1 <= len(given) <= KEYS_MAX:
            raise ConfigError(f"{len(given)} keys; a group has 1 to {KEYS_MAX}")
        if len(self._keys) != len(given):
            raise ConfigError("one key id stands twice")
        if len({key.reveal() for key in given}) != len(given):
            # Two ids have two counters: one key under both would repeat nonces.
            raise ConfigError("one key stands under two ids")
        if sending not in self._keys:
            raise ConfigError(f"no key has the id {sending} of the key to send with")
        self.sending = self._keys[sending]

    def get(self, key_id: int) -> SealKey | None:
        """Give a key of the group."""
        return self._keys.get(key_id)

    def all_keys(self) -> tuple[SealKey, ...]:
        """Give all keys, by id."""
        return tuple(self._keys[key_id] for key_id in self)

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._keys))

    def __repr__(self) -> str:
        return f"KeyRing(ids {sorted(self._keys)}, sends with {self.sending.key_id})"


def parse_key_ring(text: str, *, sending: int | None = None) -> KeyRing:
    """Read a key file: lines of an id and 32 hexadecimal digits; ``#`` begins a comment.

    ``sending`` may be left out where there is one key only.

    Raises:
        ConfigError: a line is none, or the ring is wrong; lines are named by number only.
    """
    keys: list[SealKey] = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 2 or not (words[0].isascii() and words[0].isdecimal()):
            raise ConfigError(f"key file, line {number}: not an id and a key")
        try:
            keys.append(SealKey.from_hex(int(words[0][:4]), words[1]))
        except ConfigError as error:
            raise ConfigError(f"key file, line {number}: {error}") from None
    if sending is None:
        if len(keys) != 1:
            raise ConfigError(f"the key file has {len(keys)} keys: say which one to send with")
        sending = keys[0].key_id
    return KeyRing(keys, sending=sending)
