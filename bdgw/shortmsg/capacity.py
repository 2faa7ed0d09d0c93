"""How many bits one message may have on air: a table, with how sure each number is.

The public sources disagree in places, so a number of the table can be replaced from the
configuration. Capacity is counted with the bits on air (``text.bits_on_air``), which are not the
bits of the length field of the serial frame.
Source: RDSS digest 8.1 (levels of BD1 and BD2), 8.2 (BD3).
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

import msgspec

from bdgw.errors import ConfigError, EncodeError
from bdgw.shortmsg.vocabulary import Card, Family, Service

__all__ = [
    "SYSTEM_LIMIT_BITS",
    "TABLE",
    "Certainty",
    "Limit",
    "Override",
    "capacity_bits",
    "limit_of",
    "whole_bytes",
]

SYSTEM_LIMIT_BITS = {
    (Family.BD1, Service.REGIONAL): 1680,
    (Family.BD2, Service.REGIONAL): 1680,
    (Family.BD3, Service.REGIONAL): 14_000,
    (Family.BD3, Service.GLOBAL): 560,
}
"""The longest message that each system knows; no card and no override goes beyond."""


class Certainty(enum.StrEnum):
    """How well a number is known."""

    CERTAIN = "certain"
    """Two independent public sources, or real frames."""
    SINGLE = "single"
    """One public source."""
    UNCERTAIN = "uncertain"
    """Sources disagree, or it is derived."""
    CONFIGURED = "configured"
    """The operator says so."""


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """One row: what a message may have on air. None in a selecting field stands for any value."""

    bits: int
    families: tuple[Family, ...]
    certainty: Certainty
    service: Service = Service.REGIONAL
    level: int | None = None
    is_encrypted: bool | None = None
    is_express: bool = False
    note: str = ""


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """A number from the configuration in place of those of the table; None matches any value."""

    bits: int
    family: Family | None = None
    service: Service = Service.REGIONAL
    level: int | None = None
    is_encrypted: bool | None = None
    is_express: bool = False

    def __post_init__(self) -> None:
        limits = [
            bits
            for (family, service), bits in SYSTEM_LIMIT_BITS.items()
            if service is self.service and self.family in (None, family)
        ]
        if not limits:
            raise ConfigError(f"{self.family} has no {self.service} service")
        if not 8 <= self.bits <= max(limits):
            raise ConfigError(f"capacity of {self.bits} bits is outside 8 to {max(limits)}")


_BD1_BD2 = (Family.BD1, Family.BD2)


def _level(
    level: int, bits: int, certainty: Certainty, *, is_encrypted: bool, note: str = ""
) -> Limit:
    return Limit(
        families=_BD1_BD2,
        level=level,
        is_encrypted=is_encrypted,
        bits=bits,
        certainty=certainty,
        note=note,
    )


def _bd3(level: int, bits: int, note: str) -> Limit:
    return Limit(
        families=(Family.BD3,),
        level=level,
        bits=bits,
        certainty=Certainty.UNCERTAIN,
        note=note,
    )


_S = Certainty.SINGLE
TABLE: tuple[Limit, ...] = (
    Limit(families=_BD1_BD2, is_express=True, bits=188, certainty=Certainty.CERTAIN),
    _level(1, 110, _S, is_encrypted=False),
    _level(1, 140, _S, is_encrypted=True),
    _level(2, 408, _S, is_encrypted=False),
    _level(2, 360, _S, is_encrypted=True),
    _level(3, 628, Certainty.CERTAIN, is_encrypted=False, note="one source refuses above 580"),
    _level(3, 580, _S, is_encrypted=True),
    _level(4, 848, Certainty.UNCERTAIN, is_encrypted=False, note="another source: 117 bytes"),
    _level(4, 1680, _S, is_encrypted=True),
    _bd3(0, 960, "one source reads level 0 as 5; taken as the lowest"),
    _bd3(1, 960, "unknown; the default of level 2"),
    _bd3(2, 960, "at least 120 bytes seen"),
    _bd3(3, 3600, "derived: 3600 to 4050"),
    _bd3(4, 7700, "derived: 7700 to 8100"),
    _bd3(5, 14_000, "taken as the maximum of the system"),
    Limit(
        families=(Family.BD3,),
        service=Service.GLOBAL,
        bits=560,
        certainty=Certainty.UNCERTAIN,
        note="the maximum of the system; levels are unknown",
    ),
)
"""Every known limit. Sources of the rows: RDSS digest 8.1, 8.2 and 2.3 (express)."""


def _key(row: Limit | Override) -> tuple[Service, bool]:
    return row.service, row.is_express


def _configured(
    family: Family, key: tuple[Service, bool], level: int, card: Card, rows: Sequence[Override]
) -> Limit | None:
    """Give the first override that fits; an unknown encryption fits only a row for any."""
    for row in rows:
        if (
            _key(row) == key
            and row.family in (None, family)
            and row.level in (None, level)
            and row.is_encrypted in (None, card.is_encrypted)
        ):
            return Limit(
                families=(family,),
                service=row.service,
                level=row.level,
                is_encrypted=row.is_encrypted,
                is_express=row.is_express,
                bits=min(row.bits, SYSTEM_LIMIT_BITS[family, row.service]),
                certainty=Certainty.CONFIGURED,
            )
    return None


def limit_of(
    card: Card,
    service: Service = Service.REGIONAL,
    express: bool = False,
    overrides: Sequence[Override] = (),
    *,
    family: Family,
) -> Limit:
    """Find the row that holds for a card: the first fitting override, else that of the table.

    A card that does not say whether it is encrypted gets the smaller of the two limits.

    Raises:
        EncodeError: no row fits: the family has no such service, BD3 no express, the card has no
            global service, or its level is not known.
    """
    if (family, service) not in SYSTEM_LIMIT_BITS:
        raise EncodeError(f"{family} has no {service} service")
    level = card.level if service is Service.REGIONAL else card.global_level
    if level is None or (service is Service.GLOBAL and not card.global_interval_s):
        raise EncodeError(f"card {card.address} has no {service} service")
    key = (service, express)
    configured = _configured(family, key, level, card, overrides)
    if configured is not None:
        return configured
    rows = [
        row
        for row in TABLE
        if _key(row) == key
        and family in row.families
        and row.level in (None, level)
        and (card.is_encrypted is None or row.is_encrypted in (None, card.is_encrypted))
    ]
    if not rows:
        what = "express message" if express else f"{service} message at level {level}"
        raise EncodeError(f"how long an {what} of {family} may be is not known; configure it")
    return min(rows, key=lambda row: row.bits)


def capacity_bits(
    card: Card,
    service: Service = Service.REGIONAL,
    express: bool = False,
    overrides: Sequence[Override] = (),
    *,
    family: Family,
) -> int:
    """Give the most bits that one message of a card may have on air.

    Raises:
        EncodeError: as ``limit_of``.
    """
    return limit_of(card, service, express, overrides, family=family).bits


def whole_bytes(bits: int) -> int:
    """Give how many bytes of binary content fit; such content goes as 代码, two digits a byte."""
    return bits // 8
