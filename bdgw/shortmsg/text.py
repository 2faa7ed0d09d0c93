"""Texts as contents of short messages: three forms, what each costs, and which one to take.

汉字 takes 14 bits for a character of two bytes and 7 for an ASCII byte, 代码 4 for a digit, 混合 8
for a byte, the leading A4 included. The cheapest form that carries the text and does no harm on
the serial line of the family is taken, and every other one is explained. Nothing is ever cut or
replaced without saying so.
Source: RDSS digest 2.2, 8.1, 9.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import msgspec

from bdgw.errors import DecodeError, EncodeError
from bdgw.shortmsg.capacity import Limit, Override, limit_of
from bdgw.shortmsg.substitution import FULL_WIDTH, substitute
from bdgw.shortmsg.vocabulary import Card, Family, Form, OutgoingFrame, Service

__all__ = [
    "MIXED_MARK",
    "Alternative",
    "EncodedText",
    "Replacement",
    "UnencodableTextError",
    "bits_on_air",
    "check_encodable",
    "choose_form",
    "decode_text",
    "is_readable",
    "pack_digits",
    "to_gbk",
    "unpack_digits",
]

MIXED_MARK = 0xA4
"""The first byte of a mixed content."""
_FIRST_GB2312_BYTE = 0xA1
_UNSAFE_IN_SENTENCE = frozenset(b",*$") | frozenset(range(0x20)) | {0x7F}
_DIGITS = frozenset("0123456789")
_LAYOUT_CHARACTERS = frozenset("\r\n\t")


def _is_control(character: str) -> bool:
    return unicodedata.category(character) == "Cc" and character not in _LAYOUT_CHARACTERS


def is_readable(text: str) -> bool:
    """Tell whether a text has characters, and no control characters but line ends and tabs."""
    return bool(text) and not any(_is_control(character) for character in text)


class UnencodableTextError(EncodeError):
    """A character cannot go in a message; ``position`` counts characters from 0."""

    def __init__(self, character: str, position: int) -> None:
        why = "is a control character" if _is_control(character) else "is not in GBK"
        super().__init__(f"character {position + 1}, {character!r} (U+{ord(character):04X}), {why}")
        self.character = character
        self.position = position


class Replacement(msgspec.Struct, frozen=True, kw_only=True):
    """One character that was replaced; ``position`` is its own in the text as given, from 0."""

    position: int
    character: str
    by: str


class Alternative(msgspec.Struct, frozen=True, kw_only=True):
    """One form of a text. ``why_not`` is None where the text could go like this."""

    form: Form
    n_bits_on_air: int | None
    """None where the form cannot hold the text at all."""
    why_not: str | None = None
    replacements: tuple[Replacement, ...] = ()


class EncodedText(msgspec.Struct, frozen=True, kw_only=True):
    """A text in the form in which it should go."""

    form: Form
    content: bytes
    """What the receiver gets: GBK, the packed digits, or A4 and GBK."""
    n_bits: int
    """On the serial line: 8 a byte, 4 a digit."""
    n_bits_on_air: int
    limit: Limit
    """What the card may send, and how sure that is."""
    text: str
    """As it will be read: with the replacements."""
    replacements: tuple[Replacement, ...]
    alternatives: tuple[Alternative, ...]
    """Every form that was weighed, the chosen one first."""
    explanation: str

    @property
    def is_fitting(self) -> bool:
        """Whether it goes in one message; what does not fit is never cut."""
        return self.n_bits_on_air <= self.limit.bits

    def frame(
        self, to: int, *, service: Service = Service.REGIONAL, is_express: bool = False
    ) -> OutgoingFrame:
        """Make the transmission of it.

        Raises:
            EncodeError: it does not fit one message.
        """
        if not self.is_fitting:
            raise EncodeError(
                f"{self.n_bits_on_air} bits on air, the card may send {self.limit.bits}"
            )
        return OutgoingFrame(
            to=to,
            form=self.form,
            content=self.content,
            n_bits=self.n_bits,
            service=service,
            is_express=is_express,
        )


def to_gbk(text: str) -> bytes:
    """Encode as GBK.

    Raises:
        UnencodableTextError: a character is not in GBK; it is the first such one.
    """
    try:
        return text.encode("gbk")
    except UnicodeEncodeError as error:
        raise UnencodableTextError(text[error.start], error.start) from None


def bits_on_air(form: Form, content: bytes, n_bits: int | None = None) -> int:
    """Give what a content takes of a message's capacity.

    ``n_bits`` is that of the serial line and matters for 代码 with an odd number of digits only.
    Source: RDSS digest 2.2.
    """
    if form is Form.CODE:
        return len(content) * 8 if n_bits is None else n_bits
    if form is Form.MIXED:
        return len(content) * 8
    return 7 * len(content)


def pack_digits(digits: str) -> tuple[bytes, int]:
    """Give the packed nibbles of hexadecimal digits, 0 behind an odd number, and their bits.

    Raises:
        EncodeError: something is no digit.
    """
    try:
        return bytes.fromhex(digits + "0" * (len(digits) % 2)), 4 * len(digits)
    except ValueError:
        raise EncodeError(f"{digits!r} is not of digits 0-9 and A-F alone") from None


def unpack_digits(content: bytes, n_bits: int) -> str:
    """Give the digits of a 代码 content, in upper case; ``n_bits`` tells where they end."""
    return content.hex().upper()[: max(0, n_bits) // 4]


def decode_text(form: Form, content: bytes, n_bits: int) -> str:
    """Read a content as the text that its form says, digits for 代码.

    Raises:
        DecodeError: no A4 before a mixed content, or bytes that are not GBK.
    """
    if form is Form.CODE:
        return unpack_digits(content, n_bits)
    skip = 0
    if form is Form.MIXED:
        if content[:1] != bytes([MIXED_MARK]):
            raise DecodeError("mixed content without A4", bit=0)
        skip = 1
    try:
        return content[skip:].decode("gbk")
    except UnicodeDecodeError as error:
        raise DecodeError("not GBK", bit=8 * (skip + error.start)) from None


def _rewritten(text: str, *, widen: bool) -> tuple[str, tuple[Replacement, ...]]:
    """Replace what GBK does not hold, and if asked the ASCII that breaks a sentence.

    Raises:
        UnencodableTextError: nothing is known that may stand for a character.
    """
    out: list[str] = []
    done: list[Replacement] = []
    for position, character in enumerate(text):
        by = FULL_WIDTH.get(character) if widen else None
        if not _is_in_gbk(character):
            by = substitute(character)
            if by is None:
                raise UnencodableTextError(character, position)
        if by is not None:
            done.append(Replacement(position=position, character=character, by=by))
        out.append(character if by is None else by)
    return "".join(out), tuple(done)


def _is_in_gbk(character: str) -> bool:
    try:
        character.encode("gbk")
    except UnicodeEncodeError:
        return False
    return True


def _why_not_hanzi(text: str, family: Family) -> str | None:
    """Say why a GBK text cannot go as 汉字 in a family, or None."""
    for position, character in enumerate(text):
        code = character.encode("gbk")
        if len(code) == 2 and min(code) < _FIRST_GB2312_BYTE:
            return (
                f"character {position + 1}, {character!r}, is in GBK only: 14 bits cannot tell it"
            )
        if family is not Family.BD1 and len(code) == 1 and code[0] in _UNSAFE_IN_SENTENCE:
            return f"character {position + 1}, {character!r}, would break a sentence of {family}"
    return None


def _refuse_controls(text: str) -> None:
    for position, character in enumerate(text):
        if _is_control(character):
            raise UnencodableTextError(character, position)


class _Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One way to send a text, while it is weighed."""

    form: Form
    text: str
    content: bytes = b""
    n_bits: int = 0
    replacements: tuple[Replacement, ...] = ()
    why_not: str | None = None

    @property
    def n_bits_on_air(self) -> int:
        return bits_on_air(self.form, self.content, self.n_bits)

    def public(self) -> Alternative:
        return Alternative(
            form=self.form,
            n_bits_on_air=self.n_bits_on_air if self.content else None,
            why_not=self.why_not,
            replacements=self.replacements,
        )

    def told(self) -> str:
        size = f"{self.form} {self.n_bits_on_air} bits" if self.content else f"{self.form}"
        altered = f" with {len(self.replacements)} replaced" if self.replacements else ""
        return f"{size}{altered}" + (f": no, {self.why_not}" if self.why_not else "")


def _candidates(
    text: str, replacements: tuple[Replacement, ...], family: Family
) -> list[_Candidate]:
    """List the forms of one wording, the cheapest kind first."""
    gbk = to_gbk(text)
    if _DIGITS.issuperset(text):
        content, n_bits = pack_digits(text)
        code = _Candidate(
            form=Form.CODE, text=text, content=content, n_bits=n_bits, replacements=replacements
        )
    else:
        code = _Candidate(form=Form.CODE, text=text, why_not="not of the digits 0-9 alone")
    return [
        code,
        _Candidate(
            form=Form.HANZI,
            text=text,
            content=gbk,
            n_bits=8 * len(gbk),
            replacements=replacements,
            why_not=_why_not_hanzi(text, family),
        ),
        _Candidate(
            form=Form.MIXED,
            text=text,
            content=bytes([MIXED_MARK]) + gbk,
            n_bits=8 * (len(gbk) + 1),
            replacements=replacements,
        ),
    ]


def choose_form(
    text: str,
    *,
    card: Card,
    family: Family,
    service: Service = Service.REGIONAL,
    transliterate: bool = False,
    is_express: bool = False,
    overrides: Sequence[Override] = (),
) -> EncodedText:
    """Find the cheapest form that carries a text unharmed, and say why.

    With ``transliterate``, what GBK does not hold is replaced where a substitute is known, and
    ``,`` ``*`` ``$`` are widened where only that makes the text fit one message. A text that fits
    in no form is returned all the same, with ``is_fitting`` False.

    Raises:
        UnencodableTextError: a character is not in GBK (with ``transliterate``: nor is there a
            substitute), or is a control character; it names the first one and its position.
        EncodeError: the text is empty, or nothing is known of what the card may send.
    """
    if not text:
        raise EncodeError("an empty text is no message")
    limit = limit_of(card, service, is_express, overrides, family=family)
    wording, replacements = _rewritten(text, widen=False) if transliterate else (text, ())
    if not wording:
        raise EncodeError("nothing is left of the text")
    _refuse_controls(text)
    weighed = _candidates(wording, replacements, family)
    best = min((one for one in weighed if one.why_not is None), key=lambda c: c.n_bits_on_air)
    if transliterate and best.n_bits_on_air > limit.bits:
        widened, replacements = _rewritten(text, widen=True)
        hanzi = _candidates(widened, replacements, family)[1]
        if hanzi.why_not is None and hanzi.n_bits_on_air <= limit.bits:
            weighed.append(hanzi)
            best = hanzi
    weighed.sort(key=lambda one: one is not best)
    return EncodedText(
        form=best.form,
        content=best.content,
        n_bits=best.n_bits,
        n_bits_on_air=best.n_bits_on_air,
        limit=limit,
        text=best.text,
        replacements=best.replacements,
        alternatives=tuple(one.public() for one in weighed),
        explanation=_explanation(weighed, limit),
    )


def check_encodable(text: str, *, transliterate: bool = False) -> None:
    """Find what no card could send, before any card is known.

    Raises:
        UnencodableTextError: see ``choose_form``.
    """
    wording = _rewritten(text, widen=False)[0] if transliterate else text
    _refuse_controls(text)
    to_gbk(wording)


def _explanation(weighed: Sequence[_Candidate], limit: Limit) -> str:
    best, *others = weighed
    fits = "of" if best.n_bits_on_air <= limit.bits else "do not fit"
    return "; ".join(
        [f"{best.told()} {fits} {limit.bits} ({limit.certainty})", *(o.told() for o in others)]
    )
