"""Receipts between bdgw gateways: what the other side has received, in a few bytes. Pure.

A plain text has no room for an id, so it is named by a digest of its content, which both sides
have. A record is BD C1 and four bytes for each message: one slot of a 78-byte card acknowledges
nineteen. The two highest bits of the second byte keep it apart from the units of long messages.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable

from bdgw.errors import DecodeError
from bdgw.shortmsg.vocabulary import Form

__all__ = ["DIGEST_BYTES", "ReceiptBook", "content_digest", "is_receipt", "pack", "parse"]

DIGEST_BYTES = 4
_HEAD = bytes([0xBD, 0xC1])
_DIGEST_MARK = 1 << 31
"""Always set, so that no digest is the number of a long message."""
_DUE_MAX = 256
_SENDERS_MAX = 64


def content_digest(form: Form, content: bytes, n_bits: int) -> int:
    """The name of a plain message at both ends: 31 bits of BLAKE2s over its content.

    Terminals fill the last half byte of an odd number of digits as they like
    (RDSS digest 2.2), so it does not count.
    """
    if form is Form.CODE and n_bits % 8 == 4 and len(content) * 8 == n_bits + 4:
        content = content[:-1] + bytes([content[-1] & 0xF0])
    digest = hashlib.blake2s(content, digest_size=DIGEST_BYTES, person=b"bdgwrcpt").digest()
    return int.from_bytes(digest, "big") | _DIGEST_MARK


def is_receipt(content: bytes) -> bool:
    """Whether a record is one of receipts."""
    return content.startswith(_HEAD)


def pack(digests: Iterable[int], *, max_bytes: int) -> tuple[bytes, tuple[int, ...]]:
    """A record with as many as fit, and which those are; none fit: empty bytes."""
    n_max = max(0, max_bytes - len(_HEAD)) // DIGEST_BYTES
    taken = tuple(digests)[:n_max]
    if not taken:
        return b"", ()
    return _HEAD + b"".join(one.to_bytes(DIGEST_BYTES, "big") for one in taken), taken


def parse(content: bytes) -> tuple[int, ...]:
    """The digests of a record.

    Raises:
        DecodeError: it is none, is empty, or was cut.
    """
    body = content[len(_HEAD) :]
    if not is_receipt(content) or not body or len(body) % DIGEST_BYTES:
        raise DecodeError("not a record of receipts", bit=0)
    return tuple(
        int.from_bytes(body[at : at + DIGEST_BYTES], "big")
        for at in range(0, len(body), DIGEST_BYTES)
    )


class ReceiptBook:
    """What this side owes receipts for, by sender. Bounded; the oldest are given up first.

    A receipt that is given up costs the sender its knowledge, never the message.
    """

    def __init__(self, *, wait_s: float) -> None:
        """Wait so long after the first for others that share its slot."""
        self._wait_s = wait_s
        self._owed: OrderedDict[int, OrderedDict[int, float]] = OrderedDict()
        self.n_given_up = 0

    def owe(self, sender: int, digest: int, *, now: float) -> None:
        """A message was kept: its sender shall hear of it."""
        owed = self._owed.setdefault(sender, OrderedDict())
        owed.setdefault(digest, now + self._wait_s)
        if len(owed) > _DUE_MAX:
            owed.popitem(last=False)
            self.n_given_up += 1
        if len(self._owed) > _SENDERS_MAX:
            _, dropped = self._owed.popitem(last=False)
            self.n_given_up += len(dropped)

    def owed(self, sender: int) -> tuple[int, ...]:
        """All that a sender shall hear, oldest first."""
        return tuple(self._owed.get(sender, ()))

    def settled(self, sender: int, digests: Iterable[int]) -> None:
        """These went out."""
        owed = self._owed.get(sender)
        if owed is None:
            return
        for digest in digests:
            owed.pop(digest, None)
        if not owed:
            del self._owed[sender]

    def due(self, now: float, *, room: int) -> list[int]:
        """The senders who shall hear now: the oldest has waited, or a whole slot is full."""
        return [
            sender
            for sender, owed in self._owed.items()
            if len(owed) >= room or next(iter(owed.values())) <= now
        ]

    def next_s(self) -> float | None:
        """When the next is due."""
        return min((next(iter(owed.values())) for owed in self._owed.values()), default=None)

    def state(self) -> dict[int, list[int]]:
        """What to keep across a restart."""
        return {sender: list(owed) for sender, owed in self._owed.items()}

    def restore(self, state: dict[int, list[int]], *, now: float) -> None:
        """Go on after a restart."""
        for sender, digests in state.items():
            for digest in digests:
                self.owe(sender, digest, now=now)
