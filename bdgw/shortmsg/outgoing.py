"""What an integrator hands in to be sent, and what comes back at once. Pure values."""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from bdgw.shortmsg import message
from bdgw.shortmsg.budget import Priority
from bdgw.shortmsg.capacity import SYSTEM_LIMIT_BITS
from bdgw.shortmsg.ledger import Pending
from bdgw.shortmsg.vocabulary import Family, OutgoingFrame, Service

__all__ = [
    "ADDRESS_MAX",
    "Dispatch",
    "Peer",
    "Receipt",
    "Refusal",
    "RefusalCause",
    "Submission",
    "from_ledger",
    "to_ledger",
]

ADDRESS_MAX = 2**24 - 1
"""Addresses of all families fit 24 bits so far (RDSS digest 2.1)."""

_KEY_CHARS_MAX = 128
_TEXT_CHARS_MAX = 20_000
_DATA_BYTES_MAX = 64 * 1024
_REPEATS_MAX = 10
_VALID_S_MAX = 100 * 366 * 86_400.0
"""A hundred years: its end is a time that the ledger can hold."""
_NS_PER_S = 1_000_000_000


class RefusalCause(enum.StrEnum):
    """Why a submission was refused before it was queued. None of them is in the ledger."""

    BAD = "bad_submission"
    """A field is wrong; the explanation names it."""
    KEY_CONFLICT = "key_conflict"
    """The idempotency key belongs to a message with another content."""
    TEXT = "text_not_encodable"
    TOO_LONG = "too_long"
    """More than one message, and the other side is no bdgw peer; ``n_slots`` says what it takes."""
    DEADLINE = "deadline"
    """It cannot arrive in time; ``t_arrival_s`` says when it could."""
    DISPLACES = "displaces"
    """A message of the same priority would miss the deadline that it was promised."""
    QUEUE_FULL = "queue_full"
    NO_CARD = "no_card"
    """No terminal is there that could ever send it."""
    NO_KEY = "no_key"
    """It is to be sealed for a group of which there is no key."""
    STORE = "store"
    """The ledger does not take it, and what is not durable is not accepted."""


_RETRYABLE = frozenset(
    {
        RefusalCause.DEADLINE,
        RefusalCause.DISPLACES,
        RefusalCause.QUEUE_FULL,
        RefusalCause.NO_CARD,
        RefusalCause.STORE,
    }
)


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """A message out: a text or bytes, never both."""

    to: int
    text: str | None = None
    data: bytes | None = None
    priority: Priority = Priority.ROUTINE
    valid_s: float | None = None
    """It must have arrived so many seconds after it was handed in; None: it may wait."""
    supersede_key: str | None = None
    """A newer message to the same address with this key replaces one that waits."""
    idempotency_key: str | None = None
    """The same key again gives the first message's receipt and sends nothing."""
    group: str | None = None
    """Seal it for this peer group; None: the group of the peer, where it has one."""
    card: int | None = None
    """Only this card may send it; distress is sent by any."""
    service: Service = Service.REGIONAL
    is_express: bool = False
    """特快: 188 bits at most, whatever the level of the card."""
    transliterate: bool = False
    n_repeats: int = 0
    """Send a plain text again at most so often: when the terminal does not say whether it sent it,
    and to a bdgw peer also when its receipt stays away."""
    origin: str = "local"
    """Where it came from: rest, mqtt, cli, …"""

    def problem(self) -> str | None:
        """What is wrong with it, in words; None: nothing."""
        if not 0 < self.to <= ADDRESS_MAX:
            return f"to must be 1 to {ADDRESS_MAX}, not {self.to}"
        if (self.text is None) is (self.data is None):
            return "either text or data must be given"
        if self.valid_s is not None and not 0.0 < self.valid_s <= _VALID_S_MAX:
            return f"valid_s must be above 0 and at most {_VALID_S_MAX:.0f}"
        if not 0 <= self.n_repeats <= _REPEATS_MAX:
            return f"n_repeats must be 0 to {_REPEATS_MAX}"
        return self._length_problem()

    def _length_problem(self) -> str | None:
        if self.text is not None and not 0 < len(self.text) <= _TEXT_CHARS_MAX:
            return f"text must have 1 to {_TEXT_CHARS_MAX} characters, not {len(self.text)}"
        if self.data is not None and not 0 < len(self.data) <= _DATA_BYTES_MAX:
            return f"data must have 1 to {_DATA_BYTES_MAX} bytes, not {len(self.data)}"
        for name in ("supersede_key", "idempotency_key", "group"):
            value: str | None = getattr(self, name)
            if value is not None and not 0 < len(value) <= _KEY_CHARS_MAX:
                return f"{name} must have 1 to {_KEY_CHARS_MAX} characters"
        return None


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """Another bdgw gateway: it joins long messages and says what it has received."""

    name: str
    addresses: frozenset[int]
    """Its cards; it may answer by any of them."""
    group: str | None = None
    """What goes to it is sealed for this group; None: in the clear."""
    cards: frozenset[int] | None = None
    """The cards of ours that it listens to; None: any."""
    family: Family | None = None
    """The oldest one of its terminals: what is longer than its system knows does not reach them."""

    @property
    def limit_bits(self) -> int | None:
        """The longest regional message that its terminals receive, on air; None: any."""
        if self.family is None:
            return None
        return SYSTEM_LIMIT_BITS[self.family, Service.REGIONAL]


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """It is accepted, and has one fate to come. Times in the caller's monotonic clock.

    Accepted is not sent, and sent is not delivered. Acknowledge it to the submitter only once
    ``durable`` is.
    """

    id: str
    t_send_s: float | None
    """When its first transmission is due; None: no card is usable now, nothing can be promised."""
    t_arrival_s: float | None
    n_slots: int
    """Transmissions until it is with the peer, on average, with the loss that is expected."""
    way: str
    """``plain``, ``long`` or ``sealed``."""
    explanation: str
    durable: Pending[Any]
    is_repeat: bool = False
    """The idempotency key was known: this is the first message."""
    superseded: tuple[str, ...] = ()


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """It was not accepted, and nothing of it is kept."""

    cause: RefusalCause
    explanation: str
    n_slots: int | None = None
    t_arrival_s: float | None = None

    @property
    def is_retryable(self) -> bool:
        """Whether the same submission may be accepted later."""
        return self.cause in _RETRYABLE


class Dispatch(msgspec.Struct, frozen=True, kw_only=True):
    """A transmission that is due: give it to the terminal once ``durable`` is."""

    terminal: str
    frame: OutgoingFrame
    message_id: str | None
    """None for what tells a peer about its own messages."""
    durable: Pending[Any]


class _Options(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What of a submission the ledger keeps without reading it."""

    is_text: bool
    group: str | None = None
    card: int | None = None
    is_express: bool = False
    transliterate: bool = False
    n_repeats: int = 0
    valid_s: float | None = None


def to_ledger(submission: Submission, *, at_utc_ns: int, wants_receipt: bool) -> message.Submission:
    """The ledger's form of a submission."""
    is_text = submission.text is not None
    options = _Options(
        is_text=is_text,
        **{name: getattr(submission, name) for name in _Options.__struct_fields__[1:]},
    )
    valid_s = submission.valid_s
    return message.Submission(
        to=submission.to,
        payload=(submission.text or "").encode() if is_text else submission.data or b"",
        origin=submission.origin,
        key=submission.idempotency_key,
        priority=submission.priority.value,
        service=submission.service,
        deadline_utc_ns=None if valid_s is None else at_utc_ns + round(valid_s * _NS_PER_S),
        supersede_key=submission.supersede_key,
        wants_receipt=wants_receipt,
        options=msgspec.json.encode(options).decode(),
    )


def from_ledger(kept: message.Submission) -> Submission:
    """The submission that the ledger has kept.

    Raises:
        msgspec.DecodeError, ValueError: it was not written by ``to_ledger``.
    """
    options = msgspec.json.decode(kept.options, type=_Options)
    return Submission(
        to=kept.to,
        text=kept.payload.decode() if options.is_text else None,
        data=None if options.is_text else kept.payload,
        priority=Priority(kept.priority),
        valid_s=options.valid_s,
        supersede_key=kept.supersede_key,
        idempotency_key=kept.key,
        group=options.group,
        card=options.card,
        service=kept.service,
        is_express=options.is_express,
        transliterate=options.transliterate,
        n_repeats=options.n_repeats,
        origin=kept.origin,
    )
