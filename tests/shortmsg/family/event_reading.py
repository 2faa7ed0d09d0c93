"""Reads the events of one frame; the cards of the recorded frames."""

from typing import Any

from bdgw.shortmsg.family import Codec, codec_of
from bdgw.shortmsg.vocabulary import Card, Family
from tests.shortmsg.family.writer import line

BD1, BD2, BD3 = (codec_of(family) for family in Family)


def events(codec: Codec, frame: bytes, card: Card | None = None) -> tuple[Any, ...]:
    return codec.events(codec.decode(frame), card=card)


def text_events(text: str, codec: Codec = BD3, card: Card | None = None) -> tuple[Any, ...]:
    return events(codec, line(text), card)


CARD_4 = Card(
    address=175607,
    broadcast=11,
    interval_s=60,
    level=3,
    is_encrypted=False,
    user_class=6,
    n_subordinates=0,
)
CARD_2 = Card(
    address=166166,
    broadcast=11,
    interval_s=40,
    level=3,
    is_encrypted=False,
    user_class=6,
    n_subordinates=0,
)
CARD_3 = Card(
    address=4238473,
    interval_s=60,
    level=2,
    is_encrypted=False,
    user_class=3,
    n_subordinates=21,
)
