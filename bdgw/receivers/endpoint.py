"""Where a device's bytes come from, as a URL and as a frozen value. Pure text work.

Nothing is opened or resolved here. Every text has a length limit, and every error names the part
that is wrong and what is allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import msgspec

from bdgw.ntrip.address import CasterAddress, format_caster_url, parse_caster_url

__all__ = [
    "Endpoint",
    "FileEndpoint",
    "NtripEndpoint",
    "SerialEndpoint",
    "TcpEndpoint",
    "TcpListenEndpoint",
    "UdpListenEndpoint",
    "format_endpoint",
    "parse_endpoint",
]

_URL_MAX_CHARS = 1024
_PATH_MAX_CHARS = 512
_HOST_MAX_CHARS = 253
_QUERY_VALUE_MAX_CHARS = 32
_BAUD_MIN = 50
_BAUD_MAX = 12_000_000
_SPEED_MIN = 0.01
_SPEED_MAX = 1000.0
_PARITIES = ("N", "E", "O", "M", "S")
_STOP_BITS = (1.0, 1.5, 2.0)
_DATA_BITS = (5, 6, 7, 8)


class SerialEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A serial port, USB adapter or pseudo-terminal; ``path`` may be a symlink.

    ``baud`` is None where the URL names none, which only a pseudo-terminal accepts: a guessed
    rate would turn into garbage that nobody asked for.
    """

    path: str
    baud: int | None = None
    data_bits: int = 8
    parity: str = "N"
    stop_bits: float = 1.0
    has_rtscts: bool = False


class TcpEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A peer that the gateway dials; the name is resolved at every attempt."""

    host: str
    port: int


class TcpListenEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A TCP port that devices dial into; an empty host means every address."""

    host: str
    port: int


class UdpListenEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A UDP port that devices send to; an empty host means every address."""

    host: str
    port: int


class FileEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A capture on disk, read once.

    ``speed`` is relative to the recorded time; None is as fast as it goes.
    """

    path: str
    speed: float | None = None


class NtripEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A mountpoint of a caster, read as if the receiver were here."""

    address: CasterAddress
    mount: str


Endpoint = (
    SerialEndpoint
    | TcpEndpoint
    | TcpListenEndpoint
    | UdpListenEndpoint
    | NtripEndpoint
    | FileEndpoint
)


def parse_endpoint(url: str) -> Endpoint:
    """Read an endpoint URL.

    Raises:
        ValueError: names the part that is wrong and what is allowed.
    """
    if len(url) > _URL_MAX_CHARS:
        raise ValueError(f"endpoint URL has {len(url)} characters, at most {_URL_MAX_CHARS}")
    if not url.isprintable() or " " in url:
        raise ValueError("endpoint URL contains a blank or a control character")
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise ValueError(f"{url!r} is not an endpoint URL; allowed schemes: {', '.join(_PARSERS)}")
    if "@" in rest.partition("/")[0]:
        # Said without the URL: what stands before the @ is usually a secret.
        raise ValueError(f"{scheme}:// takes only a host and a port, no user or password")
    parse = _PARSERS.get(scheme.lower())
    if parse is None:
        raise ValueError(f"{url!r}: unknown scheme {scheme[:32]!r}; allowed: {', '.join(_PARSERS)}")
    return parse(url)


def format_endpoint(endpoint: Endpoint) -> str:
    """Write the URL of an endpoint; ``parse_endpoint`` gives the same value back."""
    match endpoint:
        case SerialEndpoint():
            query = _format_query(
                {
                    "baud": endpoint.baud,
                    "bytesize": endpoint.data_bits if endpoint.data_bits != 8 else None,
                    "parity": endpoint.parity if endpoint.parity != "N" else None,
                    "stopbits": f"{endpoint.stop_bits:g}" if endpoint.stop_bits != 1.0 else None,
                    "rtscts": 1 if endpoint.has_rtscts else None,
                }
            )
            return f"serial://{quote(endpoint.path, safe='/:,+=@')}{query}"
        case FileEndpoint():
            query = _format_query({"speed": endpoint.speed})
            return f"file://{quote(endpoint.path, safe='/:,+=@')}{query}"
        case NtripEndpoint():
            return format_caster_url(endpoint.address, endpoint.mount)
        case TcpEndpoint():
            scheme = "tcp"
        case TcpListenEndpoint():
            scheme = "tcp-listen"
        case UdpListenEndpoint():
            scheme = "udp-listen"
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"{scheme}://{host}:{endpoint.port}"


def _format_query(values: dict[str, object]) -> str:
    text = "&".join(f"{key}={value}" for key, value in values.items() if value is not None)
    return f"?{text}" if text else ""


def _parse_serial(url: str) -> SerialEndpoint:
    query = _query(url, ("baud", "bytesize", "parity", "stopbits", "rtscts"))
    parity = query.get("parity", "N").upper()
    if parity not in _PARITIES:
        raise ValueError(f"{url!r}: parity {parity!r}; allowed: {', '.join(_PARITIES)}")
    stop_bits = _number(url, "stopbits", query.get("stopbits", "1"))
    if stop_bits not in _STOP_BITS:
        raise ValueError(f"{url!r}: stopbits {stop_bits:g}; allowed: 1, 1.5, 2")
    data_bits = _integer(url, "bytesize", query.get("bytesize", "8"))
    if data_bits not in _DATA_BITS:
        raise ValueError(f"{url!r}: bytesize {data_bits}; allowed: 5, 6, 7, 8")
    rtscts = query.get("rtscts", "0").lower()
    if rtscts not in ("0", "1", "false", "true"):
        raise ValueError(f"{url!r}: rtscts {rtscts!r}; allowed: 0, 1, false, true")
    baud = None
    if "baud" in query:
        baud = _integer(url, "baud", query["baud"])
        if not _BAUD_MIN <= baud <= _BAUD_MAX:
            raise ValueError(f"{url!r}: baud {baud}; allowed: {_BAUD_MIN} to {_BAUD_MAX}")
    return SerialEndpoint(
        path=_path(url),
        baud=baud,
        data_bits=data_bits,
        parity=parity,
        stop_bits=stop_bits,
        has_rtscts=rtscts in ("1", "true"),
    )


def _parse_file(url: str) -> FileEndpoint:
    text = _query(url, ("speed",)).get("speed", "max").lower()
    if text == "max":
        return FileEndpoint(path=_path(url))
    speed = _number(url, "speed", text)
    if not _SPEED_MIN <= speed <= _SPEED_MAX:
        raise ValueError(f"{url!r}: speed {text}; allowed: max, or {_SPEED_MIN} to {_SPEED_MAX:g}")
    return FileEndpoint(path=_path(url), speed=speed)


def _parse_ntrip(url: str) -> NtripEndpoint:
    address, mount = parse_caster_url(url)
    if mount is None:
        raise ValueError(f"{url!r}: the mountpoint is missing, e.g. {address}/MOUNT")
    return NtripEndpoint(address=address, mount=mount)


def _parse_tcp(url: str) -> TcpEndpoint:
    host, port = _parse_host_port(url, may_omit_host=False)
    return TcpEndpoint(host=host, port=port)


def _parse_tcp_listen(url: str) -> TcpListenEndpoint:
    host, port = _parse_host_port(url, may_omit_host=True)
    return TcpListenEndpoint(host=host, port=port)


def _parse_udp_listen(url: str) -> UdpListenEndpoint:
    host, port = _parse_host_port(url, may_omit_host=True)
    return UdpListenEndpoint(host=host, port=port)


def _parse_host_port(url: str, *, may_omit_host: bool) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ValueError(f"{url!r}: {error}; a port is 0 to 65535, IPv6 stands in []") from None
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"{url!r}: only a host and a port are allowed after ://")
    if port is None:
        raise ValueError(f"{url!r}: the port is missing, e.g. {parts.scheme}://{host or ''}:9000")
    if not host and not may_omit_host:
        raise ValueError(f"{url!r}: the host is missing, e.g. {parts.scheme}://192.0.2.7:{port}")
    if port == 0 and not may_omit_host:
        raise ValueError(f"{url!r}: port 0 cannot be dialled; allowed: 1 to 65535")
    if len(host) > _HOST_MAX_CHARS:
        raise ValueError(f"{url!r}: host has {len(host)} characters, at most {_HOST_MAX_CHARS}")
    return host, port


def _path(url: str) -> str:
    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.netloc:
        raise ValueError(
            f"{url!r}: {parts.netloc!r} stands where a host would; an absolute path needs three "
            f"slashes: {parts.scheme}:///{parts.netloc}{parts.path}"
        )
    if parts.fragment:
        raise ValueError(f"{url!r}: '#' is not allowed here; write it as %23")
    if not path.startswith("/") or path == "/":
        raise ValueError(f"{url!r}: an absolute path is needed, e.g. {parts.scheme}:///dev/ttyUSB0")
    if len(path) > _PATH_MAX_CHARS:
        raise ValueError(f"{url!r}: path has {len(path)} characters, at most {_PATH_MAX_CHARS}")
    if not path.isprintable():
        raise ValueError(f"{url!r}: the path contains a control character")
    return path


def _query(url: str, allowed: tuple[str, ...]) -> dict[str, str]:
    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True, max_num_fields=16)
    query: dict[str, str] = {}
    for key, value in pairs:
        if key not in allowed:
            raise ValueError(f"{url!r}: unknown key {key[:32]!r}; allowed: {', '.join(allowed)}")
        if key in query:
            raise ValueError(f"{url!r}: {key} is given twice")
        if len(value) > _QUERY_VALUE_MAX_CHARS:
            raise ValueError(f"{url!r}: {key} has more than {_QUERY_VALUE_MAX_CHARS} characters")
        query[key] = value
    return query


def _integer(url: str, key: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{url!r}: {key} {text!r} is not a whole number")
    return int(text)


def _number(url: str, key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{url!r}: {key} {text!r} is not a number") from None


_PARSERS: dict[str, Callable[[str], Endpoint]] = {
    "serial": _parse_serial,
    "tcp": _parse_tcp,
    "tcp-listen": _parse_tcp_listen,
    "udp-listen": _parse_udp_listen,
    "ntrip": _parse_ntrip,
    "ntrips": _parse_ntrip,
    "file": _parse_file,
}
