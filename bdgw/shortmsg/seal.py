"""Sealed messages between bdgw peers: SM4-GCM, 15 bytes longer than their content.

A record is, high bytes first: BD; kind (two bits 10, version 1 of the layout, the form of what is
inside); key id; counter (4 bytes); ciphertext; tag (8 bytes). The nonce is the address of the
sender and the counter. Authenticated with it, and not sent again: the addresses of sender and
receiver. Why eight bytes of tag, and what all this does not protect: docs/threat-model.md.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from bdgw.errors import EncodeError
from bdgw.shortmsg.content import RECORD_MARK
from bdgw.shortmsg.key import KeyRing, SealKey
from bdgw.shortmsg.nonce import BLOCK, CounterLane, clock_of
from bdgw.shortmsg.replay import LANES_MAX, ReplayGuard, ReplayVerdict
from bdgw.shortmsg.sm4gcm import decrypt, encrypt
from bdgw.shortmsg.text import bits_on_air
from bdgw.shortmsg.vocabulary import Form

__all__ = [
    "CONTENT_BYTES_MAX",
    "OVERHEAD_BYTES",
    "TAG_BYTES",
    "Opened",
    "Opener",
    "SealRefusal",
    "SealRefused",
    "Sealer",
    "is_sealed",
    "overhead_bits",
]

TAG_BYTES = 8
_HEAD_BYTES = 7
OVERHEAD_BYTES = _HEAD_BYTES + TAG_BYTES
CONTENT_BYTES_MAX = 1 << 17
"""With a tag of 64 bits, SP 800-38D, appendix C, wants packets and their number bounded."""
_ADDRESS_BYTES = 6
_ADDRESS_END = 1 << 8 * _ADDRESS_BYTES
_SEALED = 0x80
_KIND_MASK = 0xC0
_ODD_DIGITS = 0x04
_FORMS = (Form.HANZI, Form.CODE, Form.MIXED)
_FUTURE_S = BLOCK + 600
"""A counter may lead the clock by a block after a crash; the rest is for clocks."""


class SealRefusal(enum.StrEnum):
    """Why a record was not opened."""

    NOT_SEALED = "not_sealed"
    TOO_SHORT = "too_short"
    UNKNOWN_KEY = "unknown_key"
    FORGED = "forged"
    """The tag does not fit: altered, of another key, for somebody else, or by nobody we know."""
    STALE = "stale"
    """Sealed longer ago than is allowed, by the clocks of both."""
    FROM_THE_FUTURE = "from_the_future"
    REPLAYED = "replayed"
    NONCE_REUSED = "nonce_reused"
    """A clone of a sender is at work: its key must be changed."""
    TOO_OLD = "too_old"
    TABLE_FULL = "table_full"


class SealRefused(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing of the content is shown."""

    reason: SealRefusal
    key_id: int | None = None


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A genuine message, opened for the first time."""

    form: Form
    content: bytes
    n_bits: int
    """As on a serial line: 8 a byte, 4 a digit."""
    key_id: int
    counter: int
    receiver: int
    """The address that it was sealed for: ours, or a broadcast address."""
    age_s: int | None
    """By both clocks; None while ours is not set. Negative: the sender's is ahead."""
    replay_entry: tuple[str, bytes]
    """Name and value that must be durable before the message is acted on."""


def overhead_bits(form: Form, content: bytes, n_bits: int | None = None) -> int:
    """Give how many bits on air sealing adds to a content.

    120 for binary content; more for 汉字, as a sealed byte takes 8 bits and a plain one 7.
    """
    return 8 * (OVERHEAD_BYTES + len(content)) - bits_on_air(form, content, n_bits)


def is_sealed(record: bytes) -> bool:
    """Tell whether a content is a sealed record, by its first two bytes."""
    return len(record) >= 2 and record[0] == RECORD_MARK and record[1] & _KIND_MASK == _SEALED


def _address(address: int) -> bytes:
    if not 0 <= address < _ADDRESS_END:
        raise EncodeError(f"address {address}")
    return address.to_bytes(_ADDRESS_BYTES)


def _nonce(sender: int, head: bytes) -> bytes:
    return _address(sender) + b"\0\0" + head[3:]


def _bound(head: bytes, sender: int, receiver: int) -> bytes:
    return head + _address(sender) + _address(receiver)


class Sealer:
    """Seals what one card sends with one key."""

    def __init__(
        self, key: SealKey, *, address: int, stored: Mapping[str, bytes], host: str
    ) -> None:
        """Begin behind the stored counter of this key and card.

        ``address`` is what the card says, never what a configuration says: it keeps clones apart.
        ``host`` names this machine by something that a copy of its disk does not carry along.

        Raises:
            ValueError: the stored counter is damaged.
            EncodeError: no such address.
        """
        _address(address)
        name = f"seal/{address}/{key.key_id}"
        self.key_id = key.key_id
        self._key = key
        self._sender = address
        self.lane = CounterLane(name, stored=stored.get(name), host=host)
        """Its reservations must be made durable: ``due``, then ``granted`` or ``refused``."""

    def seal(
        self, content: bytes, *, form: Form, n_bits: int, receiver: int, utc_s: float | None
    ) -> bytes:
        """Make a record, to be sent as 代码; every call takes another counter.

        ``receiver`` is where it goes: an address or a broadcast address.

        Raises:
            CounterError: no counter is reserved, or none can be given any more.
            EncodeError: the content is too long, or its bits do not fit its bytes.
        """
        is_odd = form is Form.CODE and n_bits % 8 == 4
        if n_bits != 8 * len(content) - (4 if is_odd else 0) or n_bits <= 0:
            raise EncodeError(f"{n_bits} bits in {len(content)} bytes of {form}")
        if len(content) > CONTENT_BYTES_MAX:
            raise EncodeError(f"{len(content)} bytes; {CONTENT_BYTES_MAX} can be sealed")
        _address(receiver)
        kind = _SEALED | _FORMS.index(form) | (_ODD_DIGITS if is_odd else 0)
        counter = self.lane.take(utc_s=utc_s)
        head = bytes((RECORD_MARK, kind, self._key.key_id)) + counter.to_bytes(4)
        return head + encrypt(
            self._key.reveal(),
            _nonce(self._sender, head),
            _bound(head, self._sender, receiver),
            content,
            tag_bytes=TAG_BYTES,
        )


class Opener:
    """Opens what peers of a group have sealed."""

    def __init__(
        self,
        ring: KeyRing,
        *,
        stored: Mapping[str, bytes] | None = None,
        max_age_s: int | None = None,
        senders_max: int = LANES_MAX,
    ) -> None:
        """Begin with the stored replay entries.

        ``max_age_s`` refuses what was sealed longer ago, while our clock is set; None accepts
        what the network kept for days.

        Raises:
            ValueError: a stored entry is damaged, or the age is not above 0.
        """
        if max_age_s is not None and max_age_s <= 0:
            raise ValueError(f"max_age_s {max_age_s}")
        self._ring = ring
        self._max_age_s = max_age_s
        self._guard = ReplayGuard(stored, lanes_max=senders_max)
        self.n_refused: Counter[SealRefusal] = Counter()

    def open(
        self, record: bytes, *, sender: int, receivers: Sequence[int], utc_s: float | None
    ) -> Opened | SealRefused:
        """Open a record; any bytes give an answer, and a message is given once.

        ``receivers`` are the addresses that it may have been sent to: our own, the broadcast
        address of our card.
        """
        result = self._open(record, sender, receivers, clock_of(utc_s))
        if isinstance(result, SealRefused):
            self.n_refused[result.reason] += 1
        return result

    def _open(
        self, record: bytes, sender: int, receivers: Sequence[int], clock: int | None
    ) -> Opened | SealRefused:
        if not is_sealed(record):
            return SealRefused(reason=SealRefusal.NOT_SEALED)
        if len(record) <= OVERHEAD_BYTES or not _is_known_layout(record[1]):
            return SealRefused(reason=SealRefusal.TOO_SHORT)
        key = self._ring.get(record[2])
        if key is None:
            return SealRefused(reason=SealRefusal.UNKNOWN_KEY, key_id=record[2])
        found = self._decrypted(record, key, sender, receivers)
        if found is None:
            return SealRefused(reason=SealRefusal.FORGED, key_id=key.key_id)
        receiver, content = found
        counter = int.from_bytes(record[3:_HEAD_BYTES])
        age_s = None if clock is None else clock - counter
        refusal = self._age_refusal(age_s) or self._replay_refusal(record, sender, counter)
        if refusal is not None:
            return SealRefused(reason=refusal, key_id=key.key_id)
        return Opened(
            form=_FORMS[record[1] & 3],
            content=content,
            n_bits=8 * len(content) - (4 if record[1] & _ODD_DIGITS else 0),
            key_id=key.key_id,
            counter=counter,
            receiver=receiver,
            age_s=age_s,
            replay_entry=self._guard.entry(sender, key.key_id),
        )

    def _decrypted(
        self, record: bytes, key: SealKey, sender: int, receivers: Sequence[int]
    ) -> tuple[int, bytes] | None:
        head, sealed = record[:_HEAD_BYTES], record[_HEAD_BYTES:]
        if not 0 <= sender < _ADDRESS_END:
            return None
        for receiver in receivers:
            content = decrypt(
                key.reveal(),
                _nonce(sender, head),
                _bound(head, sender, receiver),
                sealed,
                tag_bytes=TAG_BYTES,
            )
            if content is not None:
                return receiver, content
        return None

    def _age_refusal(self, age_s: int | None) -> SealRefusal | None:
        if self._max_age_s is None or age_s is None:
            return None
        if age_s > self._max_age_s:
            return SealRefusal.STALE
        return SealRefusal.FROM_THE_FUTURE if age_s < -_FUTURE_S else None

    def _replay_refusal(self, record: bytes, sender: int, counter: int) -> SealRefusal | None:
        verdict = self._guard.note(sender, record[2], counter, record[-TAG_BYTES:])
        return None if verdict is ReplayVerdict.FRESH else SealRefusal(verdict.value)


def _is_known_layout(kind: int) -> bool:
    """Tell whether the lower bits of the kind are ones that version 1 writes."""
    form, rest = kind & 3, kind & 0x3F
    return form < len(_FORMS) and rest <= (_ODD_DIGITS | 1) and (rest < 4 or form == 1)
