"""What may be submitted, and when two submissions are the same. Pure."""

from __future__ import annotations

import msgspec

from bdgw.errors import BdgwError
from bdgw.shortmsg.message import Submission

__all__ = ["PAYLOAD_BYTES_MAX", "KeyConflictError", "SubmissionError", "check", "check_same"]

PAYLOAD_BYTES_MAX = 256 * 1024
_TEXT_CHARS_MAX = {"origin": 64, "key": 200, "priority": 32, "supersede_key": 200}
_OPTIONS_CHARS_MAX = 16 * 1024
_UTC_NS_MAX = (1 << 63) - 1
_ADDRESS_MAX = (1 << 32) - 1
_ABOUT_THE_WAY = ("origin", "key", "deadline_utc_ns")
"""A submission that is tried again may come another way, and counts its deadline from then."""
_OPTIONS_ABOUT_THE_WAY = ("valid_s",)
"""Of what the deadline was made; the ledger reads nothing else of the options."""


class SubmissionError(BdgwError):
    """A field of a submission is out of its bounds; the message names it."""


class KeyConflictError(BdgwError):
    """The submission key belongs to a message of another content."""

    def __init__(self, key: str, message_id: str, field: str) -> None:
        super().__init__(f"key {key!r} belongs to message {message_id}, whose {field} is another")
        self.key = key
        self.message_id = message_id
        self.field = field


def check(submission: Submission) -> None:
    """Check the bounds.

    Raises:
        SubmissionError: one of them is passed.
    """
    if not 0 <= submission.to <= _ADDRESS_MAX:
        raise SubmissionError(f"to: {submission.to} is no address")
    if not 1 <= len(submission.payload) <= PAYLOAD_BYTES_MAX:
        raise SubmissionError(
            f"payload: {len(submission.payload)} bytes, not 1 to {PAYLOAD_BYTES_MAX}"
        )
    for name, chars_max in _TEXT_CHARS_MAX.items():
        text: str | None = getattr(submission, name)
        if text is not None and not 1 <= len(text) <= chars_max:
            raise SubmissionError(f"{name}: {len(text)} characters, not 1 to {chars_max}")
        if text is not None and not text.isprintable():
            raise SubmissionError(f"{name}: has characters that cannot be printed")
    deadline_utc_ns = submission.deadline_utc_ns
    if deadline_utc_ns is not None and not 0 <= deadline_utc_ns <= _UTC_NS_MAX:
        raise SubmissionError(f"deadline_utc_ns: {deadline_utc_ns} is no time")
    _check_options(submission.options)


def _check_options(options: str) -> None:
    if len(options) > _OPTIONS_CHARS_MAX:
        raise SubmissionError(f"options: over {_OPTIONS_CHARS_MAX} characters")
    try:
        is_object = isinstance(msgspec.json.decode(options), dict)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise SubmissionError(f"options: no JSON ({error})") from None
    if not is_object:
        raise SubmissionError("options: JSON, but no object")


def check_same(message_id: str, first: Submission, again: Submission) -> None:
    """Compare what two submissions of one key want.

    Raises:
        KeyConflictError: they want different things.
    """
    for name in Submission.__struct_fields__:
        one, other = getattr(first, name), getattr(again, name)
        if name == "options":
            one, other = _content_of(one), _content_of(other)
        if name not in _ABOUT_THE_WAY and one != other:
            raise KeyConflictError(again.key or "", message_id, name)


def _content_of(options: str) -> dict[str, object]:
    made: dict[str, object] = msgspec.json.decode(options)
    return {name: value for name, value in made.items() if name not in _OPTIONS_ABOUT_THE_WAY}
