"""Who is asking: Basic and Digest, for the client that answers and the caster that checks.

Sources: RFC 7617 (Basic), RFC 7616 (Digest with MD5 and SHA-256), RFC 2617 (Digest without a
quality of protection). No chance is used here: nonces come from the caller.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable

import msgspec

from bdgw.ntrip.account import Account

__all__ = [
    "Challenge",
    "DigestReply",
    "basic_header",
    "check_basic",
    "check_digest",
    "choose_digest",
    "digest_header",
    "format_digest_challenge",
    "parse_challenges",
    "read_basic",
    "read_digest",
]

_HEADER_MAX_CHARS = 4096
_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
# `name=value`, `name="quoted \" value"`, or a word by itself (a scheme, or token68 after it).
_PIECE = re.compile(
    r"[\s,]*(?:([!#$%&'*+\-.^_`|~\w]+)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s,\"]*))|([^\s,=]+=*))"
)


class Challenge(msgspec.Struct, frozen=True, kw_only=True):
    """One way in that a peer offers, from WWW-Authenticate."""

    scheme: str
    """In small letters: ``basic``, ``digest``."""
    realm: str = ""
    nonce: str = ""
    opaque: str | None = None
    algorithm: str = "MD5"
    qop: tuple[str, ...] = ()
    is_stale: bool = False
    """The answer was right but its nonce is too old: answer again, with the new one."""


class DigestReply(msgspec.Struct, frozen=True, kw_only=True):
    """What an Authorization header of scheme Digest says, for the side that checks it."""

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: str = "MD5"
    qop: str | None = None
    cnonce: str = ""
    nc: str = ""


def basic_header(account: Account) -> str:
    """Write the value of an Authorization header; holds the password, so never show it."""
    raw = f"{account.username}:{account.password}".encode()
    return "Basic " + base64.b64encode(raw).decode("ascii")


def read_basic(value: str) -> Account | None:
    """Read the value of an Authorization header; None when it is not a sound Basic one."""
    scheme, _, token = value[:_HEADER_MAX_CHARS].strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        raw = base64.b64decode(token.strip().encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    username, colon, password = text.partition(":")
    if not colon:
        return None
    try:
        return Account(username, password)
    except ValueError:
        return None


def check_basic(value: str, account: Account) -> bool:
    """Whether an Authorization header names exactly this account, in constant time."""
    given = read_basic(value)
    if given is None:
        return False
    has_name = hmac.compare_digest(given.username.encode(), account.username.encode())
    has_password = hmac.compare_digest(given.password.encode(), account.password.encode())
    return has_name and has_password


def parse_challenges(values: Iterable[str]) -> tuple[Challenge, ...]:
    """Read WWW-Authenticate headers, several in one value included; what is odd is left out."""
    challenges: list[Challenge] = []
    for value in values:
        for scheme, pairs in _split_schemes(value[:_HEADER_MAX_CHARS]):
            qop = tuple(part.strip().lower() for part in pairs.get("qop", "").split(","))
            challenges.append(
                Challenge(
                    scheme=scheme,
                    realm=pairs.get("realm", ""),
                    nonce=pairs.get("nonce", ""),
                    opaque=pairs.get("opaque"),
                    algorithm=pairs.get("algorithm", "MD5").upper(),
                    qop=tuple(part for part in qop if part),
                    is_stale=pairs.get("stale", "").lower() == "true",
                )
            )
    return tuple(challenges)


def choose_digest(challenges: Iterable[Challenge]) -> Challenge | None:
    """Pick the strongest Digest challenge that can be answered, or None."""
    usable = [each for each in challenges if each.scheme == "digest" and _is_usable(each)]
    return max(usable, key=lambda each: each.algorithm.startswith("SHA-256"), default=None)


def digest_header(
    challenge: Challenge, account: Account, *, method: str, uri: str, cnonce: str, count: int = 1
) -> str:
    """Write the value of an Authorization header that answers ``challenge``.

    ``cnonce`` must be fresh chance; ``count`` is how often the challenge's nonce was used.

    Raises:
        ValueError: an algorithm or a quality of protection that is not spoken here.
    """
    if not _is_usable(challenge):
        raise ValueError("the caster asks for a kind of Digest that is not supported")
    nc = f"{count:08x}"
    qop = "auth" if challenge.qop else None
    reply = DigestReply(
        username=account.username,
        realm=challenge.realm,
        nonce=challenge.nonce,
        uri=uri,
        response="",
        algorithm=challenge.algorithm,
        qop=qop,
        cnonce=cnonce,
        nc=nc,
    )
    parts = [
        f"username={_quoted(account.username)}",
        f"realm={_quoted(challenge.realm)}",
        f"nonce={_quoted(challenge.nonce)}",
        f"uri={_quoted(uri)}",
        f"algorithm={challenge.algorithm}",
        f'response="{_digest_response(reply, account.password, method)}"',
    ]
    if challenge.opaque is not None:
        parts.append(f"opaque={_quoted(challenge.opaque)}")
    if qop is not None:
        parts += [f"qop={qop}", f"nc={nc}"]
    if qop is not None or challenge.algorithm.endswith("-SESS"):
        parts.append(f"cnonce={_quoted(cnonce)}")
    return "Digest " + ", ".join(parts)


def format_digest_challenge(challenge: Challenge) -> str:
    """Write the value of a WWW-Authenticate header for a Digest challenge."""
    text = (
        f"Digest realm={_quoted(challenge.realm)}, nonce={_quoted(challenge.nonce)}, "
        f"algorithm={challenge.algorithm}"
    )
    if challenge.qop:
        text += f', qop="{", ".join(challenge.qop)}"'
    if challenge.opaque is not None:
        text += f", opaque={_quoted(challenge.opaque)}"
    return text + (", stale=true" if challenge.is_stale else "")


def read_digest(value: str) -> DigestReply | None:
    """Read the value of an Authorization header; None when it is not a whole Digest one."""
    for scheme, pairs in _split_schemes(value[:_HEADER_MAX_CHARS]):
        if scheme != "digest":
            continue
        needed = ("username", "realm", "nonce", "uri", "response")
        if any(key not in pairs for key in needed):
            return None
        return DigestReply(
            username=pairs["username"],
            realm=pairs["realm"],
            nonce=pairs["nonce"],
            uri=pairs["uri"],
            response=pairs["response"].lower(),
            algorithm=pairs.get("algorithm", "MD5").upper(),
            qop=pairs.get("qop"),
            cnonce=pairs.get("cnonce", ""),
            nc=pairs.get("nc", ""),
        )
    return None


def check_digest(reply: DigestReply, account: Account, *, method: str) -> bool:
    """Whether a Digest answer was made with this account's password, in constant time.

    That the nonce is one of ours and fresh, and the URI the one asked for, is for the caller.
    """
    base = reply.algorithm.removesuffix("-SESS")
    if base not in _HASHES or reply.qop not in (None, "auth") or reply.username != account.username:
        return False
    expected = _digest_response(reply, account.password, method)
    return hmac.compare_digest(expected.encode(), reply.response.encode())


def _is_usable(challenge: Challenge) -> bool:
    is_known = challenge.algorithm.removesuffix("-SESS") in _HASHES
    return is_known and bool(challenge.nonce) and (not challenge.qop or "auth" in challenge.qop)


def _digest_response(reply: DigestReply, password: str, method: str) -> str:
    """RFC 7616, sections 3.4.1 to 3.4.3."""
    base = reply.algorithm.removesuffix("-SESS")

    def hashed(text: str) -> str:
        return _HASHES[base](text.encode()).hexdigest()

    secret = hashed(f"{reply.username}:{reply.realm}:{password}")
    if reply.algorithm.endswith("-SESS"):
        secret = hashed(f"{secret}:{reply.nonce}:{reply.cnonce}")
    asked = hashed(f"{method}:{reply.uri}")
    if reply.qop is None:
        return hashed(f"{secret}:{reply.nonce}:{asked}")
    return hashed(f"{secret}:{reply.nonce}:{reply.nc}:{reply.cnonce}:{reply.qop}:{asked}")


def _split_schemes(value: str) -> list[tuple[str, dict[str, str]]]:
    """Cut a header into schemes with their parameters; a word that stands alone begins one."""
    found: list[tuple[str, dict[str, str]]] = []
    position = 0
    while (match := _PIECE.match(value, position)) is not None:
        position = match.end()
        name, quoted, plain, word = match.groups()
        if word is not None:
            found.append((word.lower(), {}))
        elif found:
            text = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            found[-1][1].setdefault(name.lower(), text)
    return found


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
