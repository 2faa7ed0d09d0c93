"""Cards of short-message terminals, the forms of content, and what they take on air.

Pure. Capacities are data: the smaller value where sources differ (RDSS digest 8).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

MIXED_MARK = 0xA4
EXPRESS_BITS = 188
GLOBAL_BITS = 560
# By level, for cards without and with encryption.
PLAIN_BITS: Mapping[int, int] = {1: 110, 2: 408, 3: 628, 4: 848}
ENCRYPTED_BITS: Mapping[int, int] = {1: 140, 2: 360, 3: 580, 4: 1680}
# Only level 5 is known; the others are the lower ends of derived ranges.
REGIONAL_BITS: Mapping[int, int] = {1: 960, 2: 960, 3: 3600, 4: 7700, 5: 14000}


class Family(Enum):
    """A protocol family, by its name in a description."""

    BD1 = "bd1-4.0"
    BD2 = "bd2-2.1"
    BD3 = "bd3"


class Form(Enum):
    """How content is coded (RDSS digest 2.2)."""

    HANZI = "hanzi"
    CODE = "code"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card; addresses are numbers, ``subordinates`` make it that of a 指挥机."""

    address: int
    broadcast: int = 0
    interval_s: int = 60
    level: int = 3
    user_class: int = 6
    is_encrypted: bool = False
    serial: int = 0
    subordinates: tuple[int, ...] = ()
    global_interval_s: int = 0
    global_level: int = 0

    def __post_init__(self) -> None:
        """Refuse what no card can hold.

        Raises:
            ValueError: an address beyond 24 bits, an interval or level out of range.
        """
        for address in (self.address, *self.subordinates):
            if not 0 < address < 1 << 24:
                msg = f"address {address} must be 1 to {(1 << 24) - 1}"
                raise ValueError(msg)
        if not 1 <= self.interval_s <= 9999 or not 1 <= self.level <= 5:
            msg = "interval_s must be 1 to 9999 and level 1 to 5"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a message carries, the A4 of a mixed one included.

    ``n_bits`` counts 8 a byte and 4 a digit; an odd digit leaves the last low nibble unused.
    """

    form: Form
    data: bytes
    n_bits: int

    @property
    def air_bits(self) -> int:
        """What it takes on air: 14 bits a Chinese character, 7 an ASCII one; else as it is."""
        if self.form is not Form.HANZI:
            return self.n_bits
        bits = at = 0
        while at < len(self.data):
            is_double = self.data[at] >= 0x80
            bits += 14 if is_double else 7
            at += 2 if is_double else 1
        return bits


def capacity_bits(
    card: Card, family: Family, *, is_express: bool = False, is_global: bool = False
) -> int:
    """Return the longest message of a card, in bits on air."""
    if is_global:
        return GLOBAL_BITS
    if family is Family.BD3:
        return REGIONAL_BITS[card.level]
    table = ENCRYPTED_BITS if card.is_encrypted else PLAIN_BITS
    limit = table[min(card.level, 4)]
    return min(limit, EXPRESS_BITS) if is_express else limit
