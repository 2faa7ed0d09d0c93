"""What a client says first: the request for a stream or for the table, version 1 or 2.

Sources: RTCM 10410.0 (version 1), RTCM 10410.1, clause 4 (version 2). The User-Agent begins with
NTRIP because casters choose the form of their reply by it.
"""

from __future__ import annotations

import enum

import msgspec

from bdgw import __version__
from bdgw.ntrip.account import Account
from bdgw.ntrip.address import CasterAddress, mount_path
from bdgw.ntrip.authentication import Challenge, basic_header, digest_header

__all__ = ["USER_AGENT", "DigestUse", "NtripVersion", "Request", "encode_request", "secrets_of"]

USER_AGENT = f"NTRIP bdgw/{__version__}"


class NtripVersion(enum.StrEnum):
    """Which NTRIP a request is written in, or a reply."""

    V1 = "1"
    V2 = "2"


class DigestUse(msgspec.Struct, frozen=True, kw_only=True):
    """One use of a Digest challenge."""

    challenge: Challenge
    cnonce: str
    """Fresh chance."""
    count: int = 1


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one request depends on; its ``repr`` holds no secret."""

    address: CasterAddress
    mount: str | None
    """None asks for the table."""
    version: NtripVersion = NtripVersion.V2
    account: Account | None = None
    digest: DigestUse | None = None
    """Answer with Digest instead of Basic: only where the caster asked for it."""
    gga: bytes | None = None
    """A sentence without line end, for the header that version 2 has for it."""
    user_agent: str = USER_AGENT


def encode_request(request: Request) -> bytes:
    """Write the request with its blank line; it holds the account, so never show it."""
    is_v2 = request.version is NtripVersion.V2
    path = mount_path(request.mount)
    agent = f"User-Agent: {request.user_agent}"
    authorization = _authorization(request, path)
    lines = [f"GET {path} HTTP/{'1.1' if is_v2 else '1.0'}"]
    if is_v2:
        lines += [f"Host: {request.address.host_port}", "Ntrip-Version: Ntrip/2.0", agent]
        if request.gga is not None:
            lines.append(f"Ntrip-GGA: {request.gga.decode('ascii').strip()}")
        lines += [*authorization, "Connection: close"]
    else:
        lines += [agent, "Accept: */*", "Connection: close", *authorization]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1", errors="replace")


def secrets_of(request: Request) -> tuple[str, ...]:
    """Every form of the secret that a peer could repeat to us."""
    account = request.account
    if account is None or not account.password:
        return ()
    path = mount_path(request.mount)
    tokens = [line.rpartition(" ")[2] for line in _authorization(request, path)]
    basic = basic_header(account).partition(" ")[2]
    response = _authorization(request, path)[0].partition('response="')[2].partition('"')[0]
    found = {account.password, basic, response, *(tokens if request.digest is None else ())}
    return tuple(sorted(filter(None, found), key=len, reverse=True))


def _authorization(request: Request, path: str) -> list[str]:
    account, digest = request.account, request.digest
    if account is None:
        return []
    if digest is None:
        return [f"Authorization: {basic_header(account)}"]
    answer = digest_header(
        digest.challenge,
        account,
        method="GET",
        uri=path,
        cnonce=digest.cnonce,
        count=digest.count,
    )
    return [f"Authorization: {answer}"]
