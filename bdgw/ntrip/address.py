"""Where a caster is, as a URL and as a frozen value. Pure text work; nothing is resolved here."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit

import msgspec

__all__ = [
    "MOUNT_MAX_CHARS",
    "NTRIPS_PORT",
    "NTRIP_PORT",
    "CasterAddress",
    "format_caster_url",
    "mount_path",
    "parse_caster_url",
    "read_mount_path",
]

NTRIP_PORT = 2101
"""Registered with IANA for NTRIP."""
NTRIPS_PORT = 443
MOUNT_MAX_CHARS = 100
"""RTCM 10410.1, clause 3: the longest mountpoint name."""

_URL_MAX_CHARS = 1024
_HOST_MAX_CHARS = 253
_PATH_SAFE = "-_.~!$&'()*+,;=:@"
"""RFC 3986, section 3.3: what a path segment may hold as it is."""


class CasterAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Host and port of a caster, and whether TLS is spoken there.

    TLS is said and never guessed from the port: 443 may be plain and 2102 may not.
    """

    host: str
    port: int = NTRIP_PORT
    is_tls: bool = False

    @property
    def host_port(self) -> str:
        """``host:port`` as the Host header wants it; IPv6 in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{'ntrips' if self.is_tls else 'ntrip'}://{self.host_port}"


def parse_caster_url(url: str) -> tuple[CasterAddress, str | None]:
    """Read ``ntrip://host[:2101][/MOUNT]`` or ``ntrips://host[:443][/MOUNT]``.

    The mountpoint is None where the URL names none (the caster's table is meant).

    Raises:
        ValueError: names the part that is wrong and what is allowed, never a user or password.
    """
    if len(url) > _URL_MAX_CHARS:
        raise ValueError(f"caster URL has {len(url)} characters, at most {_URL_MAX_CHARS}")
    if "@" in url:
        # Said without the URL: what stands before the @ is usually a secret.
        raise ValueError("a caster URL takes no user or password; an account is named apart")
    if not url.isprintable() or " " in url:
        raise ValueError("caster URL contains a blank or a control character")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ValueError(f"{url!r}: {error}; a port is 1 to 65535, IPv6 stands in []") from None
    if parts.scheme not in ("ntrip", "ntrips") or "://" not in url:
        raise ValueError(f"{url!r} is not a caster URL; allowed schemes: ntrip, ntrips")
    if not host:
        raise ValueError(
            f"{url!r}: the host is missing, e.g. ntrip://caster.example.com:2101/MOUNT"
        )
    if len(host) > _HOST_MAX_CHARS:
        raise ValueError(f"{url!r}: host has {len(host)} characters, at most {_HOST_MAX_CHARS}")
    if port == 0:
        raise ValueError(f"{url!r}: port 0 cannot be dialled; allowed: 1 to 65535")
    if parts.query or parts.fragment:
        raise ValueError(f"{url!r}: only a host, a port and a mountpoint are allowed")
    is_tls = parts.scheme == "ntrips"
    address = CasterAddress(
        host=host, port=port or (NTRIPS_PORT if is_tls else NTRIP_PORT), is_tls=is_tls
    )
    mount = unquote(parts.path.removeprefix("/"), errors="replace")
    return address, check_mount(mount) if mount else None


def format_caster_url(address: CasterAddress, mount: str | None = None) -> str:
    """Write the URL; ``parse_caster_url`` gives the same values back."""
    return str(address) if mount is None else f"{address}/{quote(mount, safe='')}"


def check_mount(mount: str) -> str:
    """Give a mountpoint's name back when it is one.

    The standard allows letters, digits, ``-``, ``_`` and ``.``; makers use more, so anything
    printable passes and is quoted in a request.

    Raises:
        ValueError: too long, empty, with a slash, or not printable.
    """
    if not 1 <= len(mount) <= MOUNT_MAX_CHARS:
        raise ValueError(f"mountpoint has {len(mount)} characters; allowed: 1 to {MOUNT_MAX_CHARS}")
    if not mount.isprintable() or " " in mount or "/" in mount or "\ufffd" in mount:
        raise ValueError(
            f"mountpoint {mount!r} contains a blank, a slash or a character that cannot be shown"
        )
    return mount


def mount_path(mount: str | None) -> str:
    """Write the path of a request: ``/`` for the table, else the quoted mountpoint."""
    return "/" if mount is None else "/" + quote(mount, safe=_PATH_SAFE)


def read_mount_path(target: str) -> str | None:
    """Give the mountpoint that a request's target names; None for the table.

    A target in absolute form, a query and a missing first slash are accepted, because clients
    send them.

    Raises:
        ValueError: not a mountpoint's name.
    """
    path = target.partition("?")[0]
    if "://" in path:
        path = path.partition("://")[2].partition("/")[2]
    mount = unquote(path.removeprefix("/"), errors="replace")
    return check_mount(mount) if mount else None
