"""Families 2.1 and 3: one way to read sentences, two ways to ask.

Both codecs read the sentences of both, because BD3 boxes answer and deliver in either form.
Source: RDSS digest, 1, 5 and 6.
"""

from __future__ import annotations

from decimal import Decimal

from bdgw.errors import EncodeError
from bdgw.shortmsg.family import bd2_sentence as bd2
from bdgw.shortmsg.family import bd3_sentence as bd3
from bdgw.shortmsg.family.bd1 import MAX_ADDRESS as MAX_BD2_ADDRESS
from bdgw.shortmsg.family.bd2_table import BD2_ROWS
from bdgw.shortmsg.family.bd3_table import BD3_ROWS
from bdgw.shortmsg.family.codec import MessageQueryKind
from bdgw.shortmsg.family.frame import Frame
from bdgw.shortmsg.family.line_content import to_line
from bdgw.shortmsg.family.port import LEADS
from bdgw.shortmsg.family.row import RowTable, SentenceFrame
from bdgw.shortmsg.family.sentence import frame_sentence
from bdgw.shortmsg.family.sentence_event import (
    BD2_FORMS,
    BD3_ENCODINGS,
    GLOBAL_FREQUENCY_POINT,
    sentence_events,
)
from bdgw.shortmsg.vocabulary import Card, Family, OutgoingFrame, Service, TerminalEvent
from bdgw.wire.splitter import Framer

__all__ = ["MAX_BD2_ADDRESS", "MAX_BD3_ADDRESS", "Bd2Codec", "Bd3Codec"]

MAX_BD3_ADDRESS = 999_999_999_999
"""Tools take 4 to 12 digits; RDSS digest, 2.1."""

_TABLE = RowTable(BD3_ROWS + BD2_ROWS)
_MODE_ON, _MODE_ALL_OFF = 2, 3
_SIGNAL_INTERVAL_S = Decimal(1)  # as in the usual start
_STATE_INTERVAL_S = Decimal(10)
_ONCE_S = Decimal(0)
_LIST_OF_SUBORDINATES = {Family.BD2: 1, Family.BD3: 2}
_CATEGORY_MESSAGE = 1
_QUERY_MODES = {
    MessageQueryKind.NEWEST: 1,
    MessageQueryKind.BY_SENDER: 2,
    MessageQueryKind.RECEIPT: 3,
}
_REGIONAL_FREQUENCY_POINT = 2  # Lf1, the usual one


def _checked_address(address: int, limit: int) -> int:
    if not 0 <= address <= limit:
        raise EncodeError(f"address {address} is not from 0 to {limit}")
    return address


class _SentenceCodec:
    """What both share; see ``Codec``."""

    framer: tuple[bytes, Framer] = (LEADS, frame_sentence)

    def decode(self, frame: bytes) -> SentenceFrame:
        """See ``Codec``."""
        return _TABLE.decode(frame)

    def encode(self, frame: Frame) -> bytes:
        """See ``Codec``."""
        if not isinstance(frame, SentenceFrame):
            raise EncodeError(f"{type(frame).__name__} is no sentence")
        return _TABLE.encode(frame)

    def events(self, frame: Frame, *, card: Card | None = None) -> tuple[TerminalEvent, ...]:
        """See ``Codec``."""
        return sentence_events(frame, card) if isinstance(frame, SentenceFrame) else ()

    def subordinates(self, frame: Frame) -> tuple[int, ...] | None:
        """See ``Codec``."""
        if not isinstance(frame, bd2.SubordinateReport):
            return None
        return tuple(map(int, frame.addresses))

    def read_time(self) -> bytes:
        """See ``Codec``; answered by a ZDA."""
        return self._output("ZDA", _ONCE_S)

    def read_version(self) -> bytes | None:
        """See ``Codec``; no request is known, some terminals say it by themselves (SBX)."""
        return None

    def stop(self) -> bytes:
        """See ``Codec``."""
        return self.encode(bd2.OutputSetting(mode=_MODE_ALL_OFF))

    def _output(self, target: str, interval_s: Decimal) -> bytes:
        return self.encode(bd2.OutputSetting(target=target, mode=_MODE_ON, interval_s=interval_s))


class Bd2Codec(_SentenceCodec):
    """See ``Codec``: family 2.1."""

    family = Family.BD2
    send_command = "TXA"

    def read_card(self) -> bytes:
        """See ``Codec``."""
        return self.encode(bd2.CardQuery())

    def read_subordinates(self, page: int = 1) -> bytes:
        """See ``Codec``."""
        return self.encode(bd2.CardQuery(type=_LIST_OF_SUBORDINATES[self.family], page=page))

    def check_signal(self) -> bytes:
        """See ``Codec``; the beams come every second from then on."""
        return self._output("BSI", _SIGNAL_INTERVAL_S)

    def self_check(self) -> bytes:
        """See ``Codec``; the state comes every 10 s from then on, where the terminal has it."""
        return self._output("ZTI", _STATE_INTERVAL_S)

    def send(self, frame: OutgoingFrame) -> bytes:
        """See ``Codec``."""
        if frame.service is not Service.REGIONAL:
            raise EncodeError("family 2.1 has the regional service only")
        return self.encode(
            bd2.SendRequest(
                receiver=_checked_address(frame.to, MAX_BD2_ADDRESS),
                category=0 if frame.is_express else 1,
                form=BD2_FORMS[frame.form],
                content=to_line(frame),
            )
        )

    def query_messages(self, kind: MessageQueryKind, address: int | None = None) -> bytes:
        """See ``Codec``."""
        if address is None and kind is not MessageQueryKind.NEWEST:
            raise EncodeError(f"a query {kind.value} needs an address")
        if address is not None:
            _checked_address(address, MAX_BD2_ADDRESS)
        return self.encode(
            bd2.CentreQuery(category=_CATEGORY_MESSAGE, mode=_QUERY_MODES[kind], address=address)
        )


class Bd3Codec(_SentenceCodec):
    """See ``Codec``: BD3 modules."""

    family = Family.BD3
    send_command = "TCQ"

    def read_card(self) -> bytes:
        """See ``Codec``."""
        return self.encode(bd3.CardQuery())

    def read_subordinates(self, page: int = 1) -> bytes:
        """See ``Codec``."""
        return self.encode(bd3.CardQuery(type=_LIST_OF_SUBORDINATES[self.family], page=page))

    def check_signal(self) -> bytes:
        """See ``Codec``; the beams come every second from then on, as they do by themselves."""
        return self._output("PWI", _SIGNAL_INTERVAL_S)

    def self_check(self) -> bytes | None:
        """See ``Codec``; no sentence is known."""
        return None

    def send(self, frame: OutgoingFrame) -> bytes:
        """See ``Codec``; no confirmation of the inbound link is asked for."""
        if frame.is_express:
            raise EncodeError("BD3 has no express messages")
        is_global = frame.service is Service.GLOBAL
        return self.encode(
            bd3.SendRequest(
                receiver=_checked_address(frame.to, MAX_BD3_ADDRESS),
                frequency_point=GLOBAL_FREQUENCY_POINT if is_global else _REGIONAL_FREQUENCY_POINT,
                encoding=BD3_ENCODINGS[frame.form],
                content=to_line(frame),
            )
        )

    def query_messages(
        self,
        kind: MessageQueryKind,  # noqa: ARG002 - the contract of Codec
        address: int | None = None,  # noqa: ARG002
    ) -> bytes | None:
        """See ``Codec``; the types of CCQRQ are not known."""
        return None
