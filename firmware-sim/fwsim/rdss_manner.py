"""Habits of terminals as data: what their makers do differently inside one protocol. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

# The four readings of the waiting time in FKXX flag 4 (RDSS digest 3.8), and the two of 2.1.
WAIT_READINGS = ("little_endian", "first_byte", "last_byte", "minutes_seconds")
FKI_WAITS = ("mmss", "seconds")
NO_CARD_ANSWERS = ("failed", "none")
DELIVERIES = ("TCI", "TXR")
OVERSIZE = ("refuse", "cut")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a terminal speaks and behaves; each key is one known difference.

    ``wait_reading``: FKXX flag 4. ``fki_wait``: 2.1 as mmss or plain seconds. ``fki_short``: the
    last field is left out. ``tells_next``: an accepted 2.1 request says when the next may come.
    ``address_digits``, ``serial_digits``, ``count_digits``: leading zeros up to so many, 0 for
    none. ``decimal_interval``: ``60.0``. ``confidential``: letters for encrypted and not.
    ``stamps_messages``: the time stands in every message, not only in answers to queries.
    ``odd_nibble``: what fills the last byte of an odd number of digits. ``info_low_bits``: bits
    1 and 0 of TXXX. ``no_card_answer``: of a 4.0 terminal to ICJC. ``adds_crlf``: after 4.0 frames.
    ``lower_checksum``: hex digits. ``answers_both``: a BD3 box that also speaks 2.1.
    ``delivers_as``: how it hands over messages. ``pwi_fourth``: the value after each beam, None
    where it is missing. ``yes_with_reason``: Y beside a reason in the FKI of BD3.
    ``free_text``: lines after an accepted request; ``banner``: after power-up.
    ``keeps_interval``: a restart does not forget the last request. ``caches_early``: an early
    request waits instead of being refused. ``oversize``: what happens to a long message.
    ``announces_card``: unasked after power-up.
    """

    wait_reading: str = "little_endian"
    fki_wait: str = "mmss"
    fki_short: bool = False
    tells_next: bool = True
    address_digits: int = 7
    serial_digits: int = 8
    count_digits: int = 3
    decimal_interval: bool = False
    confidential: str = "EN"
    stamps_messages: bool = False
    odd_nibble: int = 0
    info_low_bits: int = 0
    no_card_answer: str = "failed"
    adds_crlf: bool = False
    lower_checksum: bool = False
    answers_both: bool = False
    delivers_as: str = "TCI"
    pwi_fourth: str | None = "0"
    yes_with_reason: bool = False
    free_text: tuple[str, ...] = ()
    banner: tuple[str, ...] = ("RDSS TERMINAL",)
    keeps_interval: bool = True
    caches_early: bool = False
    oversize: str = "refuse"
    announces_card: bool = False

    def __post_init__(self) -> None:
        """Refuse what no terminal does.

        Raises:
            ValueError: an unknown word.
        """
        for key, allowed in _WORDS.items():
            if getattr(self, key) not in allowed:
                msg = f"{key} must be one of {', '.join(allowed)}"
                raise ValueError(msg)
        if len(self.confidential) != 2 or self.odd_nibble not in (0, 15):
            msg = "confidential has two letters, odd_nibble is 0 or 15"
            raise ValueError(msg)


_WORDS: Mapping[str, tuple[str, ...]] = {
    "wait_reading": WAIT_READINGS,
    "fki_wait": FKI_WAITS,
    "no_card_answer": NO_CARD_ANSWERS,
    "delivers_as": DELIVERIES,
    "oversize": OVERSIZE,
}

PLAIN = Manner()
CHATTY = replace(
    PLAIN,
    free_text=("TCQ OK!", "READY FOR TRANSMISSION"),
    banner=("", "BOOT V1.02 2019", "*** self test ok, 4*5 ***", "$ ready", "READY"),
    announces_card=True,
    adds_crlf=True,
)
BARE = replace(
    PLAIN,
    address_digits=0,
    serial_digits=0,
    count_digits=0,
    fki_short=True,
    fki_wait="seconds",
    tells_next=False,
    lower_checksum=True,
    pwi_fourth=None,
    banner=(),
    wait_reading="first_byte",
    info_low_bits=3,
    no_card_answer="none",
)
BOX = replace(
    PLAIN,
    address_digits=0,
    serial_digits=0,
    count_digits=0,
    answers_both=True,
    delivers_as="TXR",
    stamps_messages=True,
    pwi_fourth="",
    yes_with_reason=True,
    wait_reading="minutes_seconds",
    odd_nibble=15,
)
FORGETFUL = replace(PLAIN, keeps_interval=False, wait_reading="last_byte")
MANNERS: Mapping[str, Manner] = {
    "plain": PLAIN,
    "chatty": CHATTY,
    "bare": BARE,
    "box": BOX,
    "forgetful": FORGETFUL,
}
