"""How a message goes: one plain message that any handset reads, or units for a bdgw peer. Pure.

The payload of a long message begins with a byte that says what it is; a sealed one carries another
such payload inside.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Protocol

import msgspec

from bdgw.errors import DecodeError, EncodeError
from bdgw.shortmsg.capacity import Override, capacity_bits, whole_bytes
from bdgw.shortmsg.content import RECORD_MARK
from bdgw.shortmsg.outgoing import Submission
from bdgw.shortmsg.segment import HEADER_BYTES, UNIT_BYTES_MIN
from bdgw.shortmsg.text import choose_form
from bdgw.shortmsg.vocabulary import Card, Family, Form, OutgoingFrame, Service

__all__ = [
    "Body",
    "Fit",
    "SealLaterError",
    "Security",
    "Unsealed",
    "air_bytes",
    "fit_plain",
    "open_body",
    "pack_body",
    "record_frame",
    "unit_count",
]

_CHECK_BYTES = 5
"""What the units of a long message carry besides its payload (``segment.split_payload``)."""


class SealLaterError(EncodeError):
    """It cannot be sealed now; the same may be possible later."""


class Unsealed(msgspec.Struct, frozen=True, kw_only=True):
    """What a good seal held."""

    content: bytes
    key_id: int
    """The key vouches for the sender; see ``authority``."""


class Security(Protocol):
    """Seals and opens for peer groups; keys and nonces are its business."""

    overhead_bytes: int

    def has_key(self, group: str) -> bool:
        """Whether something can be sealed for a group."""
        ...

    def seal(self, group: str, payload: bytes, *, sender: int, receiver: int) -> bytes:
        """Seal what one of our cards sends to an address.

        Raises:
            SealLaterError: not now.
            EncodeError: never.
        """
        ...

    def open(
        self, group: str | None, sealed: bytes, *, sender: int, receivers: Sequence[int]
    ) -> Unsealed:
        """Open what a sender has sealed for one of these addresses.

        ``group`` is that of the peer, None where the sender is not known.

        Raises:
            DecodeError: a wrong key, a changed byte, or opened before.
        """
        ...


class _Kind(enum.IntEnum):
    GBK = 1
    UTF8 = 2
    DATA = 3
    SEALED = 4


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """The payload of a long message, read."""

    text: str | None = None
    data: bytes | None = None
    sealed: bytes | None = None


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """A submission as one plain message of one card."""

    frame: OutgoingFrame | None
    """None: it does not fit."""
    n_bits_on_air: int
    limit_bits: int
    explanation: str


def air_bytes(
    card: Card,
    family: Family,
    service: Service,
    *,
    is_express: bool = False,
    overrides: Sequence[Override] = (),
) -> int:
    """Whole bytes that one message of this card carries.

    Raises:
        EncodeError: nothing is known of what the card may send.
    """
    return whole_bytes(capacity_bits(card, service, is_express, overrides, family=family))


def fit_plain(
    submission: Submission, *, card: Card, family: Family, overrides: Sequence[Override] = ()
) -> Fit:
    """Try a submission as one message.

    Raises:
        EncodeError: the text cannot be coded, or nothing is known of what the card may send.
    """
    if submission.text is not None:
        encoded = choose_form(
            submission.text,
            card=card,
            family=family,
            service=submission.service,
            transliterate=submission.transliterate,
            is_express=submission.is_express,
            overrides=overrides,
        )
        frame = None
        if encoded.is_fitting:
            frame = encoded.frame(
                submission.to, service=submission.service, is_express=submission.is_express
            )
        return Fit(
            frame=frame,
            n_bits_on_air=encoded.n_bits_on_air,
            limit_bits=encoded.limit.bits,
            explanation=encoded.explanation,
        )
    data = submission.data or b""
    bits = capacity_bits(card, submission.service, submission.is_express, overrides, family=family)
    fits = 8 * len(data) <= bits
    return Fit(
        frame=record_frame(submission.to, data, submission.service, submission.is_express)
        if fits
        else None,
        n_bits_on_air=8 * len(data),
        limit_bits=bits,
        explanation=f"code {8 * len(data)} bits {'of' if fits else 'do not fit'} {bits}",
    )


def record_frame(
    to: int, content: bytes, service: Service, is_express: bool = False
) -> OutgoingFrame:
    """Bytes as 代码 without A4, two digits a byte: nothing is added to them."""
    return OutgoingFrame(
        to=to,
        form=Form.CODE,
        content=content,
        n_bits=8 * len(content),
        service=service,
        is_express=is_express,
    )


def looks_like_record(data: bytes) -> bool:
    """Whether a bdgw peer would take these bytes for one of its records."""
    return data[:1] == bytes([RECORD_MARK])


def pack_body(submission: Submission) -> bytes:
    """The payload of a long message: a text in the shorter of GBK and UTF-8, or bytes."""
    if submission.text is None:
        return bytes([_Kind.DATA]) + (submission.data or b"")
    utf8 = bytes([_Kind.UTF8]) + submission.text.encode()
    try:
        gbk = bytes([_Kind.GBK]) + submission.text.encode("gbk")
    except UnicodeEncodeError:
        return utf8
    return gbk if len(gbk) < len(utf8) else utf8


def pack_sealed(sealed: bytes) -> bytes:
    """The payload of a long message that is sealed."""
    return bytes([_Kind.SEALED]) + sealed


def open_body(payload: bytes) -> Body:
    """Read the payload of a long message.

    Raises:
        DecodeError: it is of no known kind, or no text where it says so.
    """
    kind, rest = payload[:1], payload[1:]
    try:
        match kind:
            case b"\x01":
                return Body(text=rest.decode("gbk"))
            case b"\x02":
                return Body(text=rest.decode())
            case b"\x03":
                return Body(data=rest)
            case b"\x04":
                return Body(sealed=rest)
            case _:
                raise DecodeError(f"payload of kind {kind.hex() or 'nothing'}", bit=0)
    except UnicodeDecodeError as error:
        raise DecodeError("a text that is none", bit=8 * (1 + error.start)) from None


def unit_count(n_bytes: int, unit_bytes: int) -> int:
    """Units that carry a payload of so many bytes where nothing is lost.

    Raises:
        EncodeError: the units are too short.
    """
    if unit_bytes < UNIT_BYTES_MIN:
        raise EncodeError(f"long messages need units of {UNIT_BYTES_MIN} bytes, not {unit_bytes}")
    return -(-(n_bytes + _CHECK_BYTES) // (unit_bytes - HEADER_BYTES))
