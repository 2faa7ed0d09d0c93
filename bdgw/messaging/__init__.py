"""The room where short messages run: terminals, the service over them, its ledger, and requests.

The rules are those of ``bdgw.shortmsg``, which has no clock; here are the event loop, the ledger's
file and the host's time. REST and MQTT come in by the ``MessageDesk``.
"""

from bdgw.messaging.board import TerminalSnapshot
from bdgw.messaging.desk import Answer, MessageDesk
from bdgw.messaging.office import MessageOffice, OfficeSpec

__all__ = ["Answer", "MessageDesk", "MessageOffice", "OfficeSpec", "TerminalSnapshot"]
