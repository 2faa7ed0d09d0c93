"""What a client asks: request line, headers, credentials and GGA, read strictly and bounded.

Pure. A password never shows in a text form of a request.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

MAX_HEAD_BYTES = 8192
MAX_HEADERS = 64
MAX_MOUNT_LENGTH = 100
METHODS = ("GET", "SOURCE", "POST")
# Every GGA sentence, whoever talks; the checksum is compared below.
GGA = re.compile(rb"\$([A-Z]{2})GGA,([0-9A-Za-z,.\-]{10,100})\*([0-9A-Fa-f]{2})")
DIGEST_CELL = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')
HASHES: Mapping[str, Callable[[bytes], str]] = {
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
}


class MalformedError(ValueError):
    """A request that no caster can read; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request: ``version`` is the NTRIP version it speaks, ``mount`` is empty for the table."""

    method: str
    mount: str
    target: str
    version: int
    http: str | None
    headers: Mapping[str, str] = field(repr=False)

    @property
    def agent(self) -> str:
        """The name of the program, empty if it does not say."""
        return self.headers.get("user-agent", self.headers.get("source-agent", ""))

    @property
    def is_browser(self) -> bool:
        """Tell whether this is no NTRIP program: those say so in their name."""
        return not self.agent.upper().startswith("NTRIP") and self.version == 1

    @property
    def scheme(self) -> str | None:
        """The kind of credentials in lower case, if there are any."""
        kind = self.headers.get("authorization", "").partition(" ")[0].lower()
        return kind or None

    def basic(self) -> tuple[str, str] | None:
        """Return user and password of a Basic header (RFC 7617), nothing if it cannot be read."""
        kind, _, text = self.headers.get("authorization", "").partition(" ")
        if kind.lower() != "basic":
            return None
        try:
            user, colon, password = (
                base64.b64decode(text.strip(), validate=True).decode().partition(":")
            )
        except (binascii.Error, UnicodeDecodeError):
            return None
        return (user, password) if colon else None

    def digest(self) -> dict[str, str] | None:
        """Return the cells of a Digest header."""
        kind, _, text = self.headers.get("authorization", "").partition(" ")
        if kind.lower() != "digest":
            return None
        return {name.lower(): quoted or bare for name, quoted, bare in DIGEST_CELL.findall(text)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What a GGA says: degrees, metres above the geoid, and its bytes."""

    talker: str
    quality: int
    lat_deg: float
    lon_deg: float
    alt_msl_m: float
    sentence: bytes

    @property
    def is_usable(self) -> bool:
        """Tell whether a network can compute a virtual base for it."""
        return self.quality > 0 and (self.lat_deg, self.lon_deg) != (0.0, 0.0)


def read_request(head: bytes) -> Request:
    """Read everything up to and including the blank line.

    Raises:
        MalformedError: not a request that a strict caster accepts.
    """
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError("not text") from error
    line, *rows = text.split("\r\n\r\n", 1)[0].split("\r\n")
    method, target, http = _request_line(line)
    headers = _headers(rows)
    is_v2 = headers.get("ntrip-version", "").lower() == "ntrip/2.0"
    if is_v2 and "host" not in headers:
        raise MalformedError("version 2 without Host")
    if is_v2 and http != "HTTP/1.1":
        raise MalformedError("version 2 without HTTP/1.1")
    mount = target.removeprefix("/").partition("?")[0]
    if len(mount) > MAX_MOUNT_LENGTH:
        raise MalformedError("mount name too long")
    return Request(
        method=method,
        mount=mount,
        target=target,
        version=2 if is_v2 else 1,
        http=http,
        headers=headers,
    )


def _request_line(line: str) -> tuple[str, str, str | None]:
    # Exactly one space between the parts: more of them break real casters.
    parts = line.split(" ")
    method = parts[0]
    if method not in METHODS:
        raise MalformedError("unknown method")
    if method == "SOURCE":
        if len(parts) != 3 or not all(parts):
            raise MalformedError("SOURCE needs a password and a mount")
        return method, parts[2], None
    if len(parts) != 3 or parts[2] not in {"HTTP/1.0", "HTTP/1.1"}:
        raise MalformedError("request line is not METHOD /mount HTTP/1.x")
    if not parts[1].startswith("/"):
        raise MalformedError("mount without slash")
    return method, parts[1], parts[2]


def _headers(rows: list[str]) -> dict[str, str]:
    if len(rows) > MAX_HEADERS:
        raise MalformedError("too many headers")
    headers = {}
    for row in rows:
        name, colon, value = row.partition(":")
        if not colon or not name or name != name.strip():
            raise MalformedError("header without name or colon")
        headers[name.lower()] = value.strip()
    return headers


def is_digest_right(
    request: Request, *, nonce: str, realm: str, accounts: Mapping[str, str]
) -> bool:
    """Check a Digest answer (RFC 7616 clause 3.4, RFC 2617 when it has no qop)."""
    cells = request.digest() or {}
    password = accounts.get(cells.get("username", ""))
    make_hash = HASHES.get(cells.get("algorithm", "MD5"))
    if password is None or make_hash is None or cells.get("nonce") != nonce:
        return False
    if cells.get("realm") != realm or cells.get("uri") != request.target:
        return False
    secret = make_hash(f"{cells['username']}:{realm}:{password}".encode())
    asked = make_hash(f"{request.method}:{request.target}".encode())
    middle = nonce
    if "qop" in cells:
        middle = f"{nonce}:{cells.get('nc', '')}:{cells.get('cnonce', '')}:{cells['qop']}"
    return cells.get("response") == make_hash(f"{secret}:{middle}:{asked}".encode())


def read_gga(line: bytes) -> Position | None:
    """Read a GGA with a right checksum (NMEA 0183 form); anything else is nothing."""
    match = GGA.search(line)
    if match is None:
        return None
    checksum = 0
    for byte in match.group(0)[1:-3]:
        checksum ^= byte
    cells = match.group(2).decode("ascii").split(",")
    if checksum != int(match.group(3), 16) or len(cells) != 14:
        return None
    try:
        return Position(
            talker=match.group(1).decode("ascii"),
            quality=int(cells[5] or "0"),
            lat_deg=_degrees(cells[1], cells[2] == "S"),
            lon_deg=_degrees(cells[3], cells[4] == "W"),
            alt_msl_m=float(cells[8] or "0"),
            sentence=match.group(0),
        )
    except ValueError:
        return None


def _degrees(text: str, is_negative: bool) -> float:
    if not text:
        return 0.0
    value = float(text)
    degrees = int(value // 100)
    result = degrees + (value - 100 * degrees) / 60
    return -result if is_negative else result
