"""Family 4.0 (北斗一号用户机数据接口 4.0): binary frames.

Source: RDSS digest, 3.
"""

from __future__ import annotations

from bdgw.errors import EncodeError
from bdgw.shortmsg.family import bd1_frame as f
from bdgw.shortmsg.family.bd1_event import bd1_events
from bdgw.shortmsg.family.bd1_layout import build_information, parse_information
from bdgw.shortmsg.family.binary import frame_binary, seal_binary, unseal_binary
from bdgw.shortmsg.family.codec import MessageQueryKind
from bdgw.shortmsg.family.frame import Frame
from bdgw.shortmsg.family.line_content import check_outgoing
from bdgw.shortmsg.family.port import LEADS
from bdgw.shortmsg.vocabulary import (
    Card,
    Family,
    Form,
    OutgoingFrame,
    Service,
    TerminalEvent,
)
from bdgw.wire.splitter import Framer

__all__ = ["MAX_ADDRESS", "Bd1Codec"]

MAX_ADDRESS = 0x1FFFFF
"""21 bits; RDSS digest, 2.1."""

_INFO_BY_FORM = {Form.HANZI: 0x40, Form.CODE: 0x42, Form.MIXED: 0x42}
_NORMAL = 0x04
_INFO_BY_QUERY = {
    MessageQueryKind.NEWEST: 0x70,
    MessageQueryKind.BY_SENDER: 0x74,
    MessageQueryKind.RECEIPT: 0x78,
}


def _checked_address(address: int) -> int:
    if not 0 <= address <= MAX_ADDRESS:
        raise EncodeError(f"address {address} does not fit 21 bits")
    return address


class Bd1Codec:
    """See ``Codec``. The host writes the user address 0, which every terminal takes."""

    family = Family.BD1
    framer: tuple[bytes, Framer] = (LEADS, frame_binary)
    send_command = "TXSQ"

    def decode(self, frame: bytes) -> f.Bd1Frame:
        """See ``Codec``."""
        return parse_information(*unseal_binary(frame), raw=frame)

    def encode(self, frame: Frame) -> bytes:
        """See ``Codec``."""
        if not isinstance(frame, f.Bd1Frame):
            raise EncodeError(f"{type(frame).__name__} is no frame of family 4.0")
        name, information = build_information(frame)
        return seal_binary(name, frame.user_address, information)

    def events(self, frame: Frame, *, card: Card | None = None) -> tuple[TerminalEvent, ...]:
        """See ``Codec``."""
        if not isinstance(frame, f.Bd1Frame):
            return ()
        name = frame.raw[1:5].decode("ascii", "replace")
        return bd1_events(frame, name, card)

    def subordinates(self, frame: Frame) -> tuple[int, ...] | None:
        """See ``Codec``."""
        return frame.addresses if isinstance(frame, f.SubordinateReport) else None

    def read_card(self) -> bytes:
        """See ``Codec``."""
        return self.encode(f.CardQuery())

    def read_subordinates(self, page: int = 1) -> bytes:
        """See ``Codec``."""
        return self.encode(f.CardQuery(frame_no=page))

    def check_signal(self) -> bytes:
        """See ``Codec``; once, because the sources dispute the unit of the interval."""
        return self.encode(f.PowerQuery())

    def self_check(self) -> bytes:
        """See ``Codec``."""
        return self.encode(f.SelfCheckQuery())

    def read_version(self) -> bytes:
        """See ``Codec``."""
        return self.encode(f.VersionQuery())

    def read_time(self) -> bytes:
        """See ``Codec``."""
        return self.encode(f.TimeQuery())

    def stop(self) -> bytes:
        """See ``Codec``."""
        return self.encode(f.StopRequest())

    def send(self, frame: OutgoingFrame) -> bytes:
        """See ``Codec``; the length field counts 8 bits a byte for 汉字 too."""
        check_outgoing(frame)
        if frame.service is not Service.REGIONAL:
            raise EncodeError("family 4.0 has the regional service only")
        return self.encode(
            f.SendRequest(
                info=_INFO_BY_FORM[frame.form] | (0 if frame.is_express else _NORMAL),
                peer_address=_checked_address(frame.to),
                length_bits=frame.n_bits,
                content=frame.content,
            )
        )

    def query_messages(self, kind: MessageQueryKind, address: int | None = None) -> bytes:
        """See ``Codec``."""
        if address is None and kind is not MessageQueryKind.NEWEST:
            raise EncodeError(f"a query {kind.value} needs an address")
        return self.encode(
            f.MessageQuery(info=_INFO_BY_QUERY[kind], peer_address=_checked_address(address or 0))
        )
