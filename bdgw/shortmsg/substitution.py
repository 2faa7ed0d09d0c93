"""Characters that GBK does not hold, and what may stand for them when the sender asks for it.

Small on purpose: only forms of punctuation, width, marks and signs where a reader loses nothing
that matters. Ideographs are never replaced: another character is another word or name.
"""

from __future__ import annotations

import unicodedata

__all__ = ["FULL_WIDTH", "SUBSTITUTES", "substitute"]

_GROUPS: tuple[tuple[str, str], ...] = (
    # spaces of other widths, and marks without any
    ("\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f", " "),
    ("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\ufe0e\ufe0f", ""),
    ("\u2028\u2029", "\n"),
    # dashes and lines
    ("\u2011\u2012\u2212\u207b", "-"),
    ("\u2e3a\u2e3b", "—"),
    ("\u301c\u3030", "～"),
    # quotation marks
    ("\u201a\u201b", "‘"),
    ("\u201e\u201f", "“"),
    ("\u2039", "〈"),
    ("\u203a", "〉"),
    ("\u00ab", "《"),
    ("\u00bb", "》"),
    # dots
    ("\u2022\u2219\u22c5\u2027\u30fb\uff65", "·"),
    ("\u22ef", "…"),
    # half-width forms of Chinese and Japanese punctuation
    ("\uff61", "。"),
    ("\uff62", "「"),
    ("\uff63", "」"),
    ("\uff64", "、"),
    # upright forms of traditional typesetting
    ("\ufe10", "，"),
    ("\ufe11", "、"),
    ("\ufe12", "。"),
    ("\ufe13", "："),
    ("\ufe14", "；"),
    ("\ufe15", "！"),
    ("\ufe16", "？"),
    ("\ufe17", "〖"),
    ("\ufe18", "〗"),
    ("\ufe19", "…"),
    ("\ufe47", "["),
    ("\ufe48", "]"),
    # currency and the like, whose full-width form GBK has
    ("\u00a5", "￥"),
    ("\u00a3", "￡"),
    ("\u00a2", "￠"),
    ("\u00ac", "￢"),
    ("\u00a6", "￤"),
    ("\u20ac", "EUR"),
    ("\u00a9", "(C)"),
    ("\u00ae", "(R)"),
    ("\u2122", "TM"),
    # figures
    ("\u00bc", "1/4"),
    ("\u00bd", "1/2"),
    ("\u00be", "3/4"),
    ("\u00b9", "1"),
    ("\u00b2", "2"),
    ("\u00b3", "3"),
    ("\u2713\u2714", "√"),
    ("\u2717\u2718", "×"),
)

SUBSTITUTES: dict[str, str] = {one: other for group, other in _GROUPS for one in group}
"""By character that GBK does not hold; Latin letters with marks follow by rule, see below."""

FULL_WIDTH: dict[str, str] = {",": "，", "*": "＊", "$": "＄"}
"""ASCII that breaks a sentence of 2.1 and BD3, and its full-width form.

Source: RDSS digest, section 4 (escaping).
"""


def substitute(character: str) -> str | None:
    """Give what may stand for a character that GBK does not hold, or None.

    A Latin letter with marks gives the bare letter (``ñ`` gives ``n``).
    """
    known = SUBSTITUTES.get(character)
    if known is not None:
        return known
    decomposed = unicodedata.normalize("NFD", character)
    base, marks = decomposed[:1], decomposed[1:]
    if base.isascii() and base.isalpha() and all(unicodedata.combining(mark) for mark in marks):
        return base
    return None
