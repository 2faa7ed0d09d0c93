"""Descriptions of devices, from a TOML file or from a line of key=value, checked once.

Both forms have the same keys, the fields of ``DeviceSpec``. In a line, lists are joined by ``+``
and the parts of one element by ``:`` (``quality=single:0+rtk_fixed:20``). Builds nothing.
"""

import difflib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

from fwsim.constellation import System
from fwsim.dialect import DEFAULT_KINDS, DIALECTS, ORDERS
from fwsim.faults import Fault
from fwsim.receiver import Span
from fwsim.reference_station import DEFAULT_EPHEMERIDES, EPHEMERIS_NUMBERS
from fwsim.scene import Place
from fwsim.truth import Fix
from fwsim.values import (
    one_of,
    read_above_zero,
    read_count,
    read_decimals,
    read_every,
    read_faults,
    read_flag,
    read_losses,
    read_moves,
    read_number,
    read_numbers,
    read_quality,
    read_rate,
    read_sentences,
    read_span,
    read_speed,
    read_waypoints,
    read_whole,
)

KINDS = ("rover", "base")
OUTPUTS = (
    "rtcm",
    "nmea+rtcm",
    "ubx",
    "nmea+ubx",
    "unicore",
    "nmea+unicore",
    "unicore-cmp",
    "nmea+unicore-cmp",
)
TRACKS = ("static", "circle", "line")


class SpecError(ValueError):
    """A description that cannot be followed; names the key and what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSpec:
    """One device as described.

    ``port`` is ``pty:PATH``, ``tcp-listen:HOST:PORT``, ``tcp:HOST:PORT`` (dials in),
    ``udp:HOST:PORT`` or ``file:PATH``. With ``replay`` the bytes come from a capture and the keys
    of the receiver mean nothing. A ``quality`` of ``None`` comes from the corrections that reach
    the port; ``kind`` is ``rover`` or ``base``.
    """

    name: str
    port: str
    kind: str = "rover"
    rate_hz: Fraction = Fraction(1)
    track: str = "static"
    lat_deg: float = 31.2994
    lon_deg: float = 121.5033
    alt_hae_m: float = 20.0
    speed_m_s: float | None = None
    radius_m: float = 120.0
    waypoints: tuple[Place, ...] = ()
    dialect: str = "4.11"
    order: str = "ublox"
    sentences: tuple[str, ...] = DEFAULT_KINDS
    systems: tuple[System, ...] = (System.GPS, System.GLONASS, System.GALILEO, System.BEIDOU)
    minute_decimals: int | None = None
    height_decimals: int | None = None
    time_decimals: int | None = None
    sky_every_s: float = 1.0
    geoid_m: float = 10.3
    station: int = 1042
    quality: tuple[tuple[float, Fix], ...] | None = ((0.0, Fix.SINGLE),)
    dgnss_after_s: float = 0.0
    float_after_s: float = 3.0
    fixed_after_s: float = 15.0
    fixed_max_age_s: float = 20.0
    float_max_age_s: float = 60.0
    dgnss_max_age_s: float = 120.0
    error_scale: float = 0.0
    reads: bool = True
    cold_start_s: float = 0.0
    acquire_s: float = 0.0
    loss: tuple[Span, ...] = ()
    latency_s: float = 0.0
    baud: int | None = None
    fault: tuple[Fault, ...] = ()
    registration: bytes = b""
    heartbeat: bytes = b""
    heartbeat_s: float = 30.0
    reconnect_s: float = 1.0
    replay: Path | None = None
    speed: float = 1.0
    loop: bool = False
    chunk: int | None = None
    byte_rate: float | None = None
    output: str = "rtcm"
    msm: int = 4
    legacy: bool = False
    position_number: int = 1005
    position_every_s: int = 10
    descriptor_every_s: int = 30
    bias_every_s: int = 30
    ephemeris_every_s: int = 30
    ephemerides: tuple[int, ...] = DEFAULT_EPHEMERIDES
    mask_deg: float = 10.0
    move: tuple[tuple[float, float, float, float], ...] = ()
    move_is_told_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Devices, and what holds for all of them."""

    devices: tuple[DeviceSpec, ...]
    seed: str = "0"
    start_utc_ns: int | None = None


def load_scenario(path: Path) -> Scenario:
    """Read a scenario file: ``seed``, ``start`` and any number of ``[[device]]`` tables.

    Raises:
        SpecError: the file is not TOML, or a key or value makes no sense.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path}: {error}"
        raise SpecError(msg) from error
    unknown = set(table) - {"seed", "start", "device"}
    if unknown:
        msg = f"{path}: unknown key {sorted(unknown)[0]!r}; known are seed, start, device"
        raise SpecError(msg)
    start = table.get("start", "now")
    return Scenario(
        devices=tuple(parse_table(row) for row in table.get("device", [])),
        seed=str(table.get("seed", 0)),
        start_utc_ns=parse_start(start.isoformat() if isinstance(start, datetime) else start),
    )


def parse_line(line: str) -> DeviceSpec:
    """Read ``name=rover-1,port=pty:/tmp/rover-1,rate_hz=10``.

    Raises:
        SpecError: a key or value makes no sense.
    """
    table: dict[str, object] = {}
    for cell in line.split(","):
        key, equals, value = cell.partition("=")
        if not equals:
            msg = f"{cell!r} is not key=value"
            raise SpecError(msg)
        table[key.strip()] = value.strip()
    return parse_table(table)


def parse_table(table: Mapping[str, object]) -> DeviceSpec:
    """Check one device table.

    Raises:
        SpecError: a key or value makes no sense.
    """
    values: dict[str, object] = {}
    for raw_key, value in table.items():
        key = ALIASES.get(raw_key, raw_key)
        parse = PARSERS.get(key)
        if parse is None:
            near = difflib.get_close_matches(key, PARSERS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(PARSERS)}"
            msg = f"unknown device key {key!r}{hint}"
            raise SpecError(msg)
        try:
            field, parsed = parse(key, value)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            msg = f"device key {key} = {value!r}: {error}"
            raise SpecError(msg) from error
        values[field] = parsed
    missing = [field for field in ("name", "port") if field not in values]
    if missing:
        msg = f"device without {missing[0]!r}"
        raise SpecError(msg)
    return DeviceSpec(**values)  # type: ignore[arg-type]  # every value went through its parser


def parse_start(text: str) -> int | None:
    """Read ``now`` or an ISO 8601 instant (UTC unless it says otherwise), as nanoseconds.

    Raises:
        SpecError: neither of both.
    """
    if text == "now":
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        msg = f"start {text!r} is neither 'now' nor ISO 8601"
        raise SpecError(msg) from error
    instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
    since = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return ((since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds) * 1000


Parser = Callable[[str, object], tuple[str, object]]


def _plain(parse: Callable[[object], object], field: str | None = None) -> Parser:
    return lambda key, value: (field or key, parse(value))


ALIASES = {"rate": "rate_hz", "faults": "fault", "losses": "loss"}
PARSERS: Mapping[str, Parser] = {
    "name": _plain(str),
    "port": _plain(str),
    "kind": _plain(one_of(KINDS)),
    "rate_hz": _plain(read_rate),
    "track": _plain(one_of(TRACKS)),
    "lat_deg": _plain(read_number),
    "lon_deg": _plain(read_number),
    "alt_hae_m": _plain(read_number),
    "speed_m_s": _plain(read_above_zero),
    "radius_m": _plain(read_above_zero),
    "waypoints": _plain(read_waypoints),
    "dialect": _plain(one_of(tuple(DIALECTS))),
    "order": _plain(one_of(tuple(ORDERS))),
    "sentences": _plain(read_sentences),
    "systems": _plain(lambda value: tuple(System(letter) for letter in str(value))),
    "minute_decimals": _plain(read_decimals),
    "height_decimals": _plain(read_decimals),
    "time_decimals": _plain(read_decimals),
    "sky_every_s": _plain(read_number),
    "geoid_m": _plain(read_number),
    "station": _plain(read_whole),
    "quality": _plain(read_quality),
    "dgnss_after_s": _plain(read_span),
    "float_after_s": _plain(read_span),
    "fixed_after_s": _plain(read_span),
    "fixed_max_age_s": _plain(read_span),
    "float_max_age_s": _plain(read_span),
    "dgnss_max_age_s": _plain(read_span),
    "error_scale": _plain(read_span),
    "reads": _plain(read_flag),
    "cold_start_s": _plain(read_number),
    "acquire_s": _plain(read_number),
    "loss": _plain(read_losses),
    "latency_s": _plain(read_number),
    "baud": _plain(read_count),
    "fault": _plain(read_faults),
    # A registration is a line; who needs other bytes gives them in hex.
    "registration": _plain(lambda value: f"{value}\r\n".encode()),
    "registration_hex": _plain(lambda value: bytes.fromhex(str(value)), "registration"),
    "heartbeat": _plain(lambda value: str(value).encode()),
    "heartbeat_hex": _plain(lambda value: bytes.fromhex(str(value)), "heartbeat"),
    "heartbeat_s": _plain(read_above_zero),
    "reconnect_s": _plain(read_above_zero),
    "replay": _plain(lambda value: Path(str(value))),
    "speed": _plain(lambda value: read_speed(str(value))),
    "loop": _plain(read_flag),
    "chunk": _plain(read_count),
    "byte_rate": _plain(read_above_zero),
    "output": _plain(one_of(OUTPUTS)),
    "msm": _plain(read_whole),
    "legacy": _plain(read_flag),
    "position_number": _plain(read_whole),
    "position_every_s": _plain(read_every),
    "descriptor_every_s": _plain(read_every),
    "bias_every_s": _plain(read_every),
    "ephemeris_every_s": _plain(read_every),
    "ephemerides": _plain(read_numbers(EPHEMERIS_NUMBERS)),
    "mask_deg": _plain(read_number),
    "move": _plain(read_moves),
    "move_is_told_only": _plain(read_flag),
}
