"""What a received message is: for a reader, an answer to us, or a unit to be joined. Pure."""

from __future__ import annotations

import msgspec

from bdgw.errors import DecodeError
from bdgw.shortmsg import receipt
from bdgw.shortmsg.content import BdgwRecord, recognise
from bdgw.shortmsg.inbox import Inbox, Incoming, Lost, split_joint
from bdgw.shortmsg.outgoing import Peer
from bdgw.shortmsg.peer_word import PeerWord
from bdgw.shortmsg.planner import Planner
from bdgw.shortmsg.segment import Abandoned, Segment, parse
from bdgw.shortmsg.vocabulary import Received

__all__ = ["SortingOffice"]


class SortingOffice:
    """Sorts what comes in; receipts and controls count only from the peer they are due from."""

    def __init__(self, *, planner: Planner, inbox: Inbox, word: PeerWord) -> None:
        self._planner = planner
        self._inbox = inbox
        self._word = word

    def received(self, terminal: str, message: Received, *, now: float) -> list[Incoming | Lost]:
        """A message has come in."""
        content = recognise(message)
        is_ours = message.to is None and message.is_intact is not False
        if not isinstance(content, BdgwRecord) or not is_ours:
            return [self._inbox.plain(terminal, message, now=now)]
        peer = self._planner.peer(message.sender)
        try:
            return self._record(terminal, message, peer, now)
        except DecodeError:
            return [self._inbox.plain(terminal, message, now=now)]

    def _record(
        self, terminal: str, message: Received, peer: Peer | None, now: float
    ) -> list[Incoming | Lost]:
        """Raises DecodeError where it only looks like a record."""
        data = message.content
        if receipt.is_receipt(data):
            self._acknowledge(peer, receipt.parse(data))
            return []
        joint = split_joint(data)
        if joint is not None:
            self._acknowledge(peer, joint[0])
            data = joint[1]
        unit = parse(data)
        if isinstance(unit, Segment | Abandoned):
            inner = msgspec.structs.replace(message, content=data, n_bits=8 * len(data))
            return self._inbox.unit(terminal, inner, now=now)
        if peer is not None:
            self._word.controlled(peer, data, unit, now=now)
        return []

    def _acknowledge(self, peer: Peer | None, digests: tuple[int, ...]) -> None:
        if peer is not None:
            for digest in digests:
                self._word.acknowledged(peer, digest)
