"""The room where short messages run: terminals, the service over them, its ledger, and requests.

The rules are those of ``bdgw.shortmsg``, which has no clock; here are the event loop, the ledger's
file and the host's time. REST and MQTT come in by the ``MessageDesk``.
"""

from bdgw.messaging.board import TerminalSnapshot
from bdgw.messaging.desk import Answer, MessageDesk, Verdict
from bdgw.messaging.exchange import MessageExchange
from bdgw.messaging.office import OfficeSpec
from bdgw.messaging.port import PortEvent, SkippedBytes

__all__ = [
    "Answer",
    "MessageDesk",
    "MessageExchange",
    "OfficeSpec",
    "PortEvent",
    "SkippedBytes",
    "TerminalSnapshot",
    "Verdict",
]
