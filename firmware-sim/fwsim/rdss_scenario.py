"""Descriptions of terminals and their network, from TOML or a line of key=value, checked once.

Builds nothing and opens nothing.
"""

import difflib
import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from fwsim.rdss_card import Card, Family
from fwsim.rdss_manner import MANNERS, Manner
from fwsim.rdss_spec import NetworkSpec, Outage, TerminalSpec
from fwsim.spec import SpecError, parse_start
from fwsim.values import read_above_zero, read_flag, read_number, read_span, read_whole

T = TypeVar("T")
Reader = Callable[[object], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that happens by itself: seconds since start, and a wish as ``--control`` has it."""

    at_s: float
    wish: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class RdssScenario:
    """A whole simulation; ``speed`` divides the intervals and delays, but not the timeline."""

    terminals: tuple[TerminalSpec, ...] = ()
    network: NetworkSpec = field(default_factory=NetworkSpec)
    timeline: tuple[Happening, ...] = ()
    start_utc_ns: int | None = None
    speed: float = 1.0

    def scaled(self) -> "RdssScenario":
        """Return it with everything that takes long divided by the speed; cards say so too."""
        if self.speed == 1.0:
            return self
        terminals = tuple(scaled_terminal(spec, self.speed) for spec in self.terminals)
        network = replace(
            self.network,
            delay_s=_divided(self.network.delay_s, self.speed),
            reorder_s=self.network.reorder_s / self.speed,
        )
        return replace(self, terminals=terminals, network=network, speed=1.0)


def scaled_card(card: Card, speed: float) -> Card:
    """Return a card with shorter intervals, in whole seconds."""
    return replace(
        card,
        interval_s=max(1, math.ceil(card.interval_s / speed)),
        global_interval_s=math.ceil(card.global_interval_s / speed),
    )


def scaled_terminal(spec: TerminalSpec, speed: float) -> TerminalSpec:
    """Return a terminal that takes less time for everything but its reports."""
    return replace(
        spec,
        card=None if spec.card is None else scaled_card(spec.card, speed),
        feedback_s=_divided(spec.feedback_s, speed),
        refusal_s=_divided(spec.refusal_s, speed),
        transmit_s=spec.transmit_s / speed,
    )


def _divided(span_s: tuple[float, float], speed: float) -> tuple[float, float]:
    return (span_s[0] / speed, span_s[1] / speed)


def load_rdss(path: Path) -> RdssScenario:
    """Read a scenario: ``[network]``, ``[[outage]]``, ``[[terminal]]``, ``[[timeline]]``.

    Raises:
        SpecError: the file is not TOML, or a key or value makes no sense.
        OSError: it cannot be read.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path}: {error}"
        raise SpecError(msg) from error
    known = ("start", "speed", "network", "outage", "terminal", "timeline")
    _refuse_unknown(table, known, str(path))
    outages = tuple(parse_outage(row) for row in table.get("outage", []))
    network = _build(NetworkSpec, "network", _values("network", table.get("network", {}), _NETWORK))
    start = table.get("start", "now")
    return RdssScenario(
        terminals=tuple(parse_terminal(row) for row in table.get("terminal", [])),
        network=replace(network, outages=outages),
        timeline=tuple(_happening(row) for row in table.get("timeline", [])),
        start_utc_ns=parse_start(start.isoformat() if isinstance(start, datetime) else str(start)),
        speed=_read("scenario", "speed", read_above_zero, table.get("speed", 1.0)),
    )


def parse_terminal(table: Mapping[str, object]) -> TerminalSpec:
    """Check one terminal: its own keys, those of its card and those of its manner, all flat.

    Raises:
        SpecError: a key or value makes no sense.
    """
    where = f"terminal {table.get('name', '?')}"
    values = _values(where, table, {**_TERMINAL, **_CARD, **_MANNER, "manner": _preset})
    for key in ("name", "family"):
        if key not in values:
            msg = f"{where}: {key} is missing"
            raise SpecError(msg)
    habits = {key: values.pop(key) for key in _MANNER if key in values}
    base = values.pop("manner", Manner())
    manner = _build(Manner, where, {**{f.name: getattr(base, f.name) for f in _MANNERS}, **habits})
    card_values = {key: values.pop(key) for key in _CARD if key in values}
    if card_values and "address" not in card_values:
        msg = f"{where}: a card needs an address"
        raise SpecError(msg)
    card = _build(Card, where, card_values) if card_values else None
    return _build(TerminalSpec, where, {**values, "card": card, "manner": manner})


def parse_line(line: str) -> TerminalSpec:
    """Read ``name=…,family=…,key=value,…``; lists are joined by ``+``.

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
    return parse_terminal(table)


def parse_outage(table: Mapping[str, object], *, now_s: float = 0.0) -> Outage:
    """Check an outage: ``from_s`` (now), ``to_s`` or ``for_s``, ``beams``, ``terminals``.

    Raises:
        SpecError: a key or value makes no sense.
    """
    values = _values("outage", table, _OUTAGE)
    from_s = values.pop("from_s", now_s)
    for_s = values.pop("for_s", math.inf)
    return Outage(from_s=from_s, to_s=values.pop("to_s", from_s + for_s), **values)


def _happening(table: Mapping[str, object]) -> Happening:
    rest = dict(table)
    at_s = _read("timeline", "at_s", read_span, rest.pop("at_s", 0.0))
    return Happening(at_s=at_s, wish=rest)


def _parts(value: object) -> Sequence[object]:
    if isinstance(value, str):
        return value.split("+")
    return value if isinstance(value, Sequence) else (value,)


def read_pair(value: object) -> tuple[float, float]:
    """Read least and most: ``2+15``, ``[2, 15]``, or one number for both."""
    parts = [read_span(part) for part in _parts(value)]
    if len(parts) > 2 or parts != sorted(parts):
        msg = "must be least and most"
        raise ValueError(msg)
    return parts[0], parts[-1]


def read_beams(value: object) -> dict[int, int]:
    """Read ``2:51+4:50`` or a table of beams."""
    if isinstance(value, Mapping):
        return {int(beam): int(power) for beam, power in value.items()}
    pairs = (str(part).split(":") for part in _parts(value))
    return {int(beam): int(power) for beam, power in pairs}


def _preset(value: object) -> Manner:
    return MANNERS[str(value)]


def _optional_text(value: object) -> str | None:
    return None if str(value) == "missing" else str(value)


def _manner_reader(name: str, default: object) -> Reader:
    if name == "pwi_fourth":
        return _optional_text
    if isinstance(default, bool):
        return read_flag
    if isinstance(default, int):
        return read_whole
    if isinstance(default, tuple):
        return lambda value: tuple(str(part) for part in _parts(value))
    return str


_MANNERS = fields(Manner)
_MANNER: Mapping[str, Reader] = {f.name: _manner_reader(f.name, f.default) for f in _MANNERS}
_CARD: Mapping[str, Reader] = {
    **dict.fromkeys(
        ("address", "broadcast", "interval_s", "level", "user_class", "serial"), read_whole
    ),
    **dict.fromkeys(("global_interval_s", "global_level"), read_whole),
    "is_encrypted": read_flag,
    "subordinates": lambda value: tuple(read_whole(part) for part in _parts(value)),
}
_TERMINAL: Mapping[str, Reader] = {
    "name": str,
    "port": str,
    "family": lambda value: Family(str(value)),
    "beams": read_beams,
    "feedback_s": read_pair,
    "refusal_s": read_pair,
    "transmit_s": read_span,
    "power_every_s": read_span,
    "level_bits": read_whole,
    "battery_percent": read_whole,
    "version": str,
    "lat_deg": read_number,
    "lon_deg": read_number,
    "height_m": read_whole,
}
_NETWORK: Mapping[str, Reader] = {
    "seed": str,
    **dict.fromkeys(("loss", "reorder", "duplicate", "damage"), read_number),
    "delay_s": read_pair,
    "reorder_s": read_span,
    "copies": str,
}
_OUTAGE: Mapping[str, Reader] = {
    "from_s": read_span,
    "to_s": read_span,
    "for_s": read_span,
    "beams": lambda value: frozenset(read_whole(part) for part in _parts(value)),
    "terminals": lambda value: frozenset(str(part) for part in _parts(value)),
}


def network_changes(table: Mapping[str, object]) -> dict[str, Any]:
    """Check changes of the network.

    Raises:
        SpecError: a key or value makes no sense.
    """
    readers = {key: read for key, read in _NETWORK.items() if key != "seed"}
    return _values("network", table, readers)


def _build(make: Callable[..., T], where: str, values: Mapping[str, Any]) -> T:
    try:
        return make(**values)
    except (TypeError, ValueError) as error:
        msg = f"{where}: {error}"
        raise SpecError(msg) from error


def _values(where: str, table: object, readers: Mapping[str, Reader]) -> dict[str, Any]:
    if not isinstance(table, Mapping):
        msg = f"{where}: expected a table"
        raise SpecError(msg)
    _refuse_unknown(table, tuple(readers), where)
    return {key: _read(where, key, readers[key], value) for key, value in table.items()}


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
