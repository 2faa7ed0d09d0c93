"""Commands that no gateway may ever send, found in any bytes.

They destroy a terminal (``ZHS``, ``ZHSQ``, ``JJZH``), write its management data or zero value
(``GXM``, ``GXZR``, ``LZM``, ``LZSZ``), or silence its transmitter (``JMS``, ``JMSZ``). Reading the
management data (``GXM,2``) is the one harmless use of such a name.

Source: RDSS digest, 3.1 and 5.8.
"""

from __future__ import annotations

import re

__all__ = ["BINARY_NAMES", "SENTENCE_NAMES", "ForbiddenWatch", "is_forbidden"]

BINARY_NAMES = ("JJZH", "ZHSQ", "GXZR", "GXZX", "LZSZ", "JMSZ")
"""Family 4.0; GXZX is how one source spells GXZR."""
SENTENCE_NAMES = ("ZHS", "JMS", "LZM", "GXM")
"""Families 2.1 and 3, behind the two letters of the talker."""

_GXM_READ = ",2[,*]"
_GXM_READ_SO_FAR = _GXM_READ + r"|,?2?\Z"


def _pattern(harmless_gxm: str) -> re.Pattern[bytes]:
    sentences = "|".join(name for name in SENTENCE_NAMES if name != "GXM")
    text = rf"\$(?:{'|'.join(BINARY_NAMES)}|[A-Z]{{2}}(?:{sentences}|GXM(?!{harmless_gxm})))"
    return re.compile(text.encode(), re.IGNORECASE)


_IN_WHOLE = _pattern(_GXM_READ)
_IN_STREAM = _pattern(_GXM_READ_SO_FAR)
_TAIL_BYTES = len("$CCGXM,2")


def is_forbidden(data: bytes) -> bool:
    """Whether a command of the list begins anywhere in ``data``, be it inside a message."""
    return _IN_WHOLE.search(data) is not None


class ForbiddenWatch:
    """Guards one port: sees a command also where it is split over several writes."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b""

    def admits(self, data: bytes) -> bool:
        """Whether ``data`` may be written behind what was admitted before.

        What is not admitted must not be written; it does not count as written here.
        """
        stream = self._tail + data
        if _IN_STREAM.search(stream):
            return False
        self._tail = stream[-_TAIL_BYTES:]
        return True
