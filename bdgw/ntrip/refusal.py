"""Why a caster does not give what was asked for: a word to count, and plain words to read.

What the caster wrote is quoted only in part, printable, and with every form of our secret taken
out of it: a peer may send back whatever it was sent.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable

from bdgw.ntrip.head import StatusLine, printable

__all__ = [
    "REFUSAL_TEXT",
    "RefusalKind",
    "classify_status",
    "classify_text",
    "hide_secrets",
    "quote_peer",
]

_HIDDEN = "***"
_ALL_CHARS = 1 << 20
_SECRET_MIN_CHARS = 8
"""In a table a shorter secret would take ordinary words out."""


class RefusalKind(enum.StrEnum):
    """The closed set of refusals."""

    NO_SUCH_MOUNT = "no_such_mount"
    NO_DATA = "mount_without_data"
    NEEDS_ACCOUNT = "needs_account"
    BAD_ACCOUNT = "bad_account"
    NEEDS_DIGEST = "needs_digest"
    FORBIDDEN = "forbidden"
    ALREADY_CONNECTED = "already_connected"
    NOT_A_CASTER = "not_a_caster"
    WANTS_TLS = "wants_tls"
    MOVED = "moved"
    BAD_REQUEST = "bad_request"
    BUSY = "busy"
    SERVER_FAULT = "server_fault"
    UNREADABLE = "unreadable"
    OTHER = "other"

    @property
    def is_lasting(self) -> bool:
        """Whether only people can change it, so that asking again soon is a nuisance."""
        return self in _LASTING


_LASTING = frozenset(
    {
        RefusalKind.NO_SUCH_MOUNT,
        RefusalKind.NO_DATA,
        RefusalKind.NEEDS_ACCOUNT,
        RefusalKind.BAD_ACCOUNT,
        RefusalKind.FORBIDDEN,
        RefusalKind.NOT_A_CASTER,
        RefusalKind.WANTS_TLS,
        RefusalKind.MOVED,
        RefusalKind.BAD_REQUEST,
    }
)

REFUSAL_TEXT = {
    RefusalKind.NO_SUCH_MOUNT: "no such mountpoint",
    RefusalKind.NO_DATA: "the caster lists this mountpoint but has no data for it now",
    RefusalKind.NEEDS_ACCOUNT: "mount needs an account",
    RefusalKind.BAD_ACCOUNT: "the caster does not accept this user name and password",
    RefusalKind.NEEDS_DIGEST: "the caster wants the password as Digest; asking again so",
    RefusalKind.FORBIDDEN: "the caster does not allow this (account without this mount, or banned)",
    RefusalKind.ALREADY_CONNECTED: "the account or mount is in use already",
    RefusalKind.NOT_A_CASTER: "a web page or text came where corrections should; is this a caster?",
    RefusalKind.WANTS_TLS: "this port speaks TLS: use ntrips://",
    RefusalKind.MOVED: "the caster points to another address; put that into the configuration",
    RefusalKind.BAD_REQUEST: "the caster does not understand the request",
    RefusalKind.BUSY: "the caster is busy or full",
    RefusalKind.SERVER_FAULT: "the caster has a fault of its own",
    RefusalKind.UNREADABLE: "the answer is not NTRIP",
    RefusalKind.OTHER: "the caster refused",
}

_BY_STATUS = {
    400: RefusalKind.BAD_REQUEST,
    401: RefusalKind.BAD_ACCOUNT,
    403: RefusalKind.FORBIDDEN,
    404: RefusalKind.NO_SUCH_MOUNT,
    407: RefusalKind.FORBIDDEN,
    409: RefusalKind.ALREADY_CONNECTED,
    410: RefusalKind.NO_SUCH_MOUNT,
    426: RefusalKind.WANTS_TLS,
    429: RefusalKind.BUSY,
    503: RefusalKind.BUSY,
}
_BY_HUNDRED = {
    3: RefusalKind.MOVED,
    4: RefusalKind.BAD_REQUEST,
    5: RefusalKind.SERVER_FAULT,
}
# First match wins. Texts of version 1 casters; only the first two forms stand in the standard.
_WORDS: tuple[tuple[RefusalKind, str], ...] = (
    (RefusalKind.WANTS_TLS, r"https port|plain http request"),
    (RefusalKind.NO_SUCH_MOUNT, r"mount.*(taken|invalid|unknown|not found|not exist)"),
    (RefusalKind.NO_SUCH_MOUNT, r"(no such|unknown|invalid) mount"),
    (RefusalKind.ALREADY_CONNECTED, r"already|in use|duplicate|logged ?in|multiple"),
    (RefusalKind.BAD_ACCOUNT, r"password|authenti|authori[sz]|user ?name|login|credential"),
    (RefusalKind.BUSY, r"too many|limit|\bmax|\bfull\b|busy|overload|try again"),
    (RefusalKind.FORBIDDEN, r"banned|blocked|forbidden|denied|not allowed|expired"),
)
_BY_WORDS = tuple((re.compile(words, re.IGNORECASE), kind) for kind, words in _WORDS)


def classify_status(status: StatusLine, *, has_account: bool) -> RefusalKind:
    """Say what a status other than 200 means, by its number and, where that is vague, its words."""
    kind = _BY_STATUS.get(status.status)
    if kind is None or kind is RefusalKind.BAD_REQUEST:
        kind = _by_words(status.reason) or kind or _BY_HUNDRED.get(status.status // 100)
    return _with_account(kind or RefusalKind.OTHER, has_account=has_account)


def classify_text(line: str, *, has_account: bool) -> RefusalKind:
    """Say what a line means that is no status line, such as ``ERROR - Bad Password``."""
    if line.lstrip()[:1] == "<":
        return RefusalKind.NOT_A_CASTER
    kind = _by_words(line)
    if kind is None:
        is_error = line.lstrip().upper().startswith("ERROR")
        kind = RefusalKind.OTHER if is_error else RefusalKind.UNREADABLE
    return _with_account(kind, has_account=has_account)


def _by_words(text: str) -> RefusalKind | None:
    text = text[:256]
    return next((kind for pattern, kind in _BY_WORDS if pattern.search(text)), None)


def _with_account(kind: RefusalKind, *, has_account: bool) -> RefusalKind:
    if kind is RefusalKind.BAD_ACCOUNT and not has_account:
        return RefusalKind.NEEDS_ACCOUNT
    return kind


def quote_peer(text: str, secrets: Iterable[str], max_chars: int = 100) -> str:
    """Make a peer's words fit to be shown; ``secrets`` never show, whatever their letters' case."""
    hidden = [*secrets, *(printable(secret, _ALL_CHARS) for secret in secrets)]
    for shown in (str, lambda words: printable(words, _ALL_CHARS)):
        text = shown(text)
        for secret in hidden:
            if secret.strip():
                text = re.sub(re.escape(secret), _HIDDEN, text, flags=re.IGNORECASE)
    return printable(text, max_chars)


def hide_secrets(data: bytes, secrets: Iterable[str]) -> bytes:
    """Take secrets out of lines of a peer, whatever their letters' case."""
    for secret in secrets:
        if len(secret) >= _SECRET_MIN_CHARS:
            data = re.sub(re.escape(secret.encode()), b"***", data, flags=re.IGNORECASE)
    return data
