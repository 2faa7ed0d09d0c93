"""Three protocol families of RDSS terminals as pure codecs: ``bd1-4.0``, ``bd2-2.1``, ``bd3``.

``codec_of`` gives the codec of a family, ``PORT_FRAMER`` tells their frames apart on one port, and
``ProbeMachine`` finds out which one answers.
"""

from bdgw.shortmsg.family.codec import Codec, MessageQueryKind
from bdgw.shortmsg.family.forbidden import ForbiddenWatch, is_forbidden
from bdgw.shortmsg.family.frame import Frame
from bdgw.shortmsg.family.port import IDLE_S, PORT_FRAMER
from bdgw.shortmsg.family.probe import ProbeMachine
from bdgw.shortmsg.family.registry import codec_of

__all__ = [
    "IDLE_S",
    "PORT_FRAMER",
    "Codec",
    "ForbiddenWatch",
    "Frame",
    "MessageQueryKind",
    "ProbeMachine",
    "codec_of",
    "is_forbidden",
]
