"""Which codec a family has."""

from __future__ import annotations

from bdgw.shortmsg.family.bd1 import Bd1Codec
from bdgw.shortmsg.family.codec import Codec
from bdgw.shortmsg.family.sentence_codec import Bd2Codec, Bd3Codec
from bdgw.shortmsg.vocabulary import Family

__all__ = ["CODECS", "codec_of"]

CODECS: dict[Family, Codec] = {
    Family.BD1: Bd1Codec(),
    Family.BD2: Bd2Codec(),
    Family.BD3: Bd3Codec(),
}


def codec_of(family: Family) -> Codec:
    """Give the codec of a family."""
    return CODECS[family]
