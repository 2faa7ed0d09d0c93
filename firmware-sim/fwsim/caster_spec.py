"""Descriptions of a caster: mounts, accounts, rules, timeline; from TOML or made in a test.

Builds nothing and opens nothing.
"""

import difflib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from fwsim.ban import LENIENT, RULES, Rules
from fwsim.caster_fault import KINDS as FAULTS
from fwsim.caster_fault import PARAMETERS, StreamFault
from fwsim.caster_request import HASHES
from fwsim.reply import DIALECTS
from fwsim.spec import SpecError, parse_start
from fwsim.values import (
    one_of,
    read_above_zero,
    read_flag,
    read_number,
    read_rate,
    read_whole,
)

AUTHENTICATIONS = ("none", "basic", "digest")
# What happens to a whole caster or to the connections of a mount, beside faults and dialects.
ACTIONS = ("none", "close", "reset", "refuse", "accept", "restart", "away", "back")
TABLE_DEFECTS = ("none", "no_end", "wrong_length", "huge", "cp1250", "semicolon")
ANY_MOUNT = "*"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class MountSpec:
    """One mount: how it answers, what it sends, what the source table says of it.

    The stream is a capture (``loop`` for ever; ``is_live`` writes the present into the epochs), or
    a computed reference station at ``lat_deg``, ``lon_deg``, ``alt_hae_m``. ``is_virtual``: the
    base stands where the client's GGA says, within ``fence_m`` of the mount's own place, and moves
    (new station id) when the client is more than ``virtual_move_m`` away from it.
    ``stop_s``: seconds without GGA after which a dialect stops. ``reply_delay_s``, ``drip_s``:
    pause before the answer and between its bytes.
    """

    name: str
    dialect: str = "auto"
    authentication: str = "none"
    algorithm: str = "MD5"
    accounts: tuple[str, ...] = ()
    capture: Path | None = None
    loop: bool = True
    is_live: bool = False
    lat_deg: float = 31.2994
    lon_deg: float = 121.5033
    alt_hae_m: float = 20.0
    systems: str = "GREC"
    msm: int = 4
    rate_hz: float = 1.0
    station: int = 1042
    is_legacy: bool = False
    position_number: int = 1005
    position_every_s: int = 10
    ephemeris_every_s: int = 30
    latency_s: float = 0.0
    needs_gga: bool = False
    is_virtual: bool = False
    fence_m: float | None = None
    virtual_move_m: float = 5000.0
    talkers: tuple[str, ...] = ()
    stop_s: float = 300.0
    reply_delay_s: float = 0.0
    drip_s: float = 0.0
    identifier: str = "Simulated"
    format: str = "RTCM 3.3"
    details: str | None = None
    network: str = "fwsim"
    country: str = "CHN"
    frame: str = "WGS84"
    fault: StreamFault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happens by itself: seconds since start, a fault, dialect or action."""

    at_s: float
    mount: str = ANY_MOUNT
    action: str = "none"
    parameters: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CasterSpec:
    """A whole caster; ``accounts`` maps users to passwords and never shows."""

    mounts: tuple[MountSpec, ...]
    host: str = "127.0.0.1"
    port: int = 0
    tls_port: int | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str | None = None
    accounts: Mapping[str, str] = field(default_factory=dict, repr=False)
    rules: Rules = LENIENT
    table_defect: str = "none"
    timeline: tuple[Event, ...] = ()
    seed: str = "0"
    start_utc_ns: int | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            SpecError: a mount twice, TLS without its files, an event for no mount.
        """
        names = [mount.name for mount in self.mounts]
        if len(set(names)) < len(names):
            raise SpecError("every mount once only")
        if self.tls_port is not None and (self.certificate is None or self.key is None):
            raise SpecError("tls_port needs certificate and key")
        for event in self.timeline:
            if event.mount not in {*names, ANY_MOUNT}:
                msg = f"timeline: no mount {event.mount!r}"
                raise SpecError(msg)
            check_change(event.action, event.parameters)


def check_change(action: str, parameters: Mapping[str, object]) -> StreamFault | None:
    """Check the name of a fault, dialect or action; return the fault that it is.

    Raises:
        SpecError: no such name, or a parameter that it does not have.
    """
    known = (*FAULTS, *DIALECTS, *ACTIONS)
    if action not in known:
        near = difflib.get_close_matches(action, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        msg = f"{action!r} is no fault, dialect or action{hint}"
        raise SpecError(msg)
    if action not in FAULTS:
        extra = set(parameters) - ({"for_s"} if action == "restart" else set())
        if extra:
            msg = f"{action} has no parameter {sorted(extra)[0]!r}"
            raise SpecError(msg)
        return None
    unknown = set(parameters) - PARAMETERS
    if unknown:
        msg = f"{action} has no parameter {sorted(unknown)[0]!r}"
        raise SpecError(msg)
    if "numbers" in parameters:
        parameters = {**parameters, "numbers": tuple(_numbers(parameters["numbers"]))}
    try:
        return StreamFault(kind=action, **parameters)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise SpecError(str(error)) from error


def load_caster(path: Path) -> CasterSpec:
    """Read a scenario: ``[caster]``, ``[accounts]``, ``[[mount]]``, ``[[timeline]]``.

    Raises:
        SpecError: the file is not TOML, or a key or value makes no sense.
        OSError: it cannot be read.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path}: {error}"
        raise SpecError(msg) from error
    _refuse_unknown(table, ("caster", "accounts", "mount", "timeline"), str(path))
    caster = dict(table.get("caster", {}))
    rules = RULES[_read("caster", "rules", one_of(tuple(RULES)), caster.pop("rules", "lenient"))]
    return CasterSpec(
        mounts=tuple(parse_mount(row, folder=path.parent) for row in table.get("mount", [])),
        accounts={user: str(password) for user, password in table.get("accounts", {}).items()},
        rules=rules,
        timeline=tuple(parse_event(row) for row in table.get("timeline", [])),
        **_fields("caster", caster, _CASTER),
    )


def parse_mount(table: Mapping[str, object], *, folder: Path = Path()) -> MountSpec:
    """Check one mount; a capture is looked for beside the scenario.

    Raises:
        SpecError: a key or value makes no sense.
    """
    where = f"mount {table.get('name', '?')}"
    values = _fields(where, table, _MOUNT)
    if "name" not in values:
        msg = f"{where}: name is missing"
        raise SpecError(msg)
    if "capture" in values:
        values["capture"] = folder / values["capture"]
    return MountSpec(**values)


def parse_event(table: Mapping[str, object]) -> Event:
    """Check one line of a timeline: ``at_s``, ``action``, ``mount`` and the fault's parameters.

    Raises:
        SpecError: a key or value makes no sense.
    """
    rest = dict(table)
    at_s = _read("timeline", "at_s", read_number, rest.pop("at_s", 0.0))
    mount = str(rest.pop("mount", ANY_MOUNT))
    action = str(rest.pop("action", "none"))
    check_change(action, rest)
    return Event(at_s=at_s, mount=mount, action=action, parameters=rest)


def _fault(value: object) -> StreamFault | None:
    table = {"kind": value} if isinstance(value, str) else dict(_table(value))
    return check_change(str(table.pop("kind", "none")), table)


def _table(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise TypeError("expected a table")
    return value


def _words(value: object) -> tuple[str, ...]:
    parts = value.split("+") if isinstance(value, str) else value
    if not isinstance(parts, Sequence):
        raise TypeError("expected a list")
    return tuple(str(part) for part in parts)


def _numbers(value: object) -> list[int]:
    if not isinstance(value, Sequence):
        raise SpecError("numbers must be a list")
    return [read_whole(number) for number in value]


def _start(value: object) -> int | None:
    return parse_start(value.isoformat() if isinstance(value, datetime) else str(value))


Reader = Callable[[object], object]
_MOUNT: Mapping[str, Reader] = {
    "name": str,
    "dialect": one_of(tuple(DIALECTS)),
    "authentication": one_of(AUTHENTICATIONS),
    "algorithm": one_of(tuple(HASHES)),
    "accounts": _words,
    "capture": lambda value: Path(str(value)),
    "loop": read_flag,
    "is_live": read_flag,
    "lat_deg": read_number,
    "lon_deg": read_number,
    "alt_hae_m": read_number,
    "systems": str,
    "msm": read_whole,
    "rate_hz": lambda value: float(read_rate(value)),
    "station": read_whole,
    "is_legacy": read_flag,
    "position_number": read_whole,
    "position_every_s": read_whole,
    "ephemeris_every_s": read_whole,
    "latency_s": read_number,
    "needs_gga": read_flag,
    "is_virtual": read_flag,
    "fence_m": read_above_zero,
    "virtual_move_m": read_above_zero,
    "talkers": _words,
    "stop_s": read_above_zero,
    "reply_delay_s": read_number,
    "drip_s": read_number,
    "identifier": str,
    "format": str,
    "details": str,
    "network": str,
    "country": str,
    "frame": str,
    "fault": _fault,
}
_CASTER: Mapping[str, Reader] = {
    "host": str,
    "port": read_whole,
    "tls_port": read_whole,
    "certificate": lambda value: Path(str(value)),
    "key": lambda value: Path(str(value)),
    "server_name": str,
    "table_defect": one_of(TABLE_DEFECTS),
    "seed": str,
    "start": _start,
}


def _fields(
    where: str, table: Mapping[str, object], readers: Mapping[str, Reader]
) -> dict[str, Any]:
    _refuse_unknown(table, tuple(readers), where)
    names = {"start": "start_utc_ns"}
    return {
        names.get(key, key): _read(where, key, readers[key], value) for key, value in table.items()
    }


def _refuse_unknown(table: Mapping[str, object], known: Sequence[str], where: str) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            msg = f"{where}: unknown key {key!r}{hint}"
            raise SpecError(msg)


def _read(where: str, key: str, read: Callable[[object], T], value: object) -> T:
    try:
        return read(value)
    except (TypeError, ValueError, KeyError) as error:
        msg = f"{where}: {key}: {error}"
        raise SpecError(msg) from error
