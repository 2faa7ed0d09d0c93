"""What comes in: joins long messages, opens seals, recognises contents, keeps all of it. Pure.

A message is kept durably before its sender can be told that it arrived: the two writes go to the
same disk in this order, and the answer leaves only after the second.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Any

import msgspec

from bdgw.errors import DecodeError
from bdgw.shortmsg import receipt
from bdgw.shortmsg.authority import AllowList
from bdgw.shortmsg.compose import Body, Security, open_body
from bdgw.shortmsg.content import BdgwRecord, Content, TextContent, recognise, recognise_content
from bdgw.shortmsg.ledger import Ledger, Pending
from bdgw.shortmsg.outgoing import Peer
from bdgw.shortmsg.reassembly import Reassembler
from bdgw.shortmsg.reassembly_state import (
    Completed,
    Missing,
    ReassemblerState,
    ReassemblyEvent,
    ReassemblyLimits,
)
from bdgw.shortmsg.segment import CONTROL_BYTES_MIN
from bdgw.shortmsg.vocabulary import Form, Received

__all__ = ["Inbox", "Incoming", "Lost"]

_STATE = "shortmsg/inbox"
_HEARD_MAX = 2048
_LIMITS = ReassemblyLimits(
    sender_bytes=64 * 1024, total_bytes=128 * 1024, total_messages=64, total_done=512
)
"""The whole state is one entry of the table of values, which holds 256 KiB."""
_JOINT = bytes([0xBD, 0xC2])
"""Receipts and a control in one transmission: then their count, the receipts, the control."""


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """A whole message has come in, and is kept in the ledger."""

    id: str
    terminal: str
    sender: int
    peer: str | None
    """The name of the bdgw peer; None: a handset, as far as is known."""
    text: str | None
    content: Content | None
    """What a plain message was recognised as."""
    data: bytes
    """The content of a plain message; the bytes of a long one, the seal opened."""
    to: int | None = None
    """It was for this subordinate and was copied to its 指挥机."""
    is_long: bool = False
    key_id: int | None = None
    """Of the good seal that it came under, made by a member of the group; None: not sealed."""
    is_repeat: bool = False
    """The peer sent the same before; it may be the same message once more."""
    commands: frozenset[str] = frozenset()
    """What it may command, by the list of permissions; nothing where it is not sealed and the
    sender's group seals."""
    is_intact: bool | None = None
    durable: Pending[Any]

    @property
    def is_sealed(self) -> bool:
        """Whether it came under a good seal."""
        return self.key_id is not None


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """Something came that is no whole message: the bytes are in the ledger where there are any."""

    sender: int
    reason: str


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    reassembler: ReassemblerState
    owed: dict[int, list[int]]
    heard: list[int]


class Inbox:
    """Everything that was received and everything that senders must still be told."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        peer_of: Callable[[int], Peer | None],
        security: Security | None,
        allowed: AllowList,
        control_bytes: int,
        receipt_wait_s: float,
        own_addresses: Callable[[], Collection[int]],
        utc_ns: Callable[[], int],
        now: float,
    ) -> None:
        """Take up what an earlier run has kept."""
        self._ledger = ledger
        self._peer_of = peer_of
        self._security = security
        self._own_addresses = own_addresses
        self._allowed = allowed
        self._utc_ns = utc_ns
        self.receipts = receipt.ReceiptBook(wait_s=receipt_wait_s)
        self._heard: OrderedDict[int, None] = OrderedDict()
        self.n_bad_seals = 0
        control_bytes = max(control_bytes, CONTROL_BYTES_MIN)
        kept = ledger.values.get(_STATE)
        if kept is None:
            self._reassembler = Reassembler(control_bytes=control_bytes, limits=_LIMITS)
            return
        state = msgspec.msgpack.decode(kept, type=_Kept)
        self._reassembler = Reassembler.restore(
            state.reassembler, now, control_bytes=control_bytes, limits=_LIMITS
        )
        self.receipts.restore(state.owed, now=now)
        self._heard.update(dict.fromkeys(state.heard))

    # In

    def plain(self, terminal: str, message: Received, *, now: float) -> Incoming:
        """A message that is whole in itself."""
        content = recognise(message)
        text = content.text if isinstance(content, TextContent) else None
        peer = self._peer_of(message.sender)
        digest = receipt.content_digest(message.form, message.content, message.n_bits)
        is_ours = message.to is None and message.is_intact is not False
        kept = self._ledger.receive(
            message,
            terminal=terminal,
            at_utc_ns=self._utc_ns(),
            kind=_kind(content),
            text=text,
        )
        is_repeat = False
        if peer is not None and is_ours:
            is_repeat = self._is_repeat(peer, digest.to_bytes(4, "big"))
            self.receipts.owe(message.sender, digest, now=now)
            self._keep(now)
        return Incoming(
            id=kept.value.id,
            terminal=terminal,
            sender=message.sender,
            peer=None if peer is None else peer.name,
            text=text,
            content=content,
            data=message.content,
            to=message.to,
            is_repeat=is_repeat,
            commands=self._commands(message.sender, peer, None) if is_ours else frozenset(),
            is_intact=message.is_intact,
            durable=kept,
        )

    def unit(self, terminal: str, message: Received, *, now: float) -> list[Incoming | Lost]:
        """A unit of a long message."""
        events = self._reassembler.receive(message.sender, message.content, now)
        out = self._told(terminal, message, events)
        self._keep(now)
        return out

    def tick(self, now: float) -> list[Incoming | Lost]:
        """Give up what has waited too long."""
        events = self._reassembler.tick(now)
        if not events:
            return []
        self._keep(now)
        return self._told("", None, events)

    def deadline(self) -> float | None:
        """When ``tick`` is due."""
        return self._reassembler.deadline()

    # Out

    def has_answer(self, now: float, *, room: int = 16) -> bool:
        """Whether some sender should be told something now."""
        return self._reassembler.has_controls_due or bool(self.receipts.due(now, room=room))

    def answer(self, now: float, *, max_bytes: int) -> tuple[int, bytes] | None:
        """The next record to send, and to whom; it counts as sent."""
        n_most = max(1, (max_bytes - 2) // receipt.DIGEST_BYTES)
        controls = self._reassembler.controls_due(now, limit=1)
        if controls:
            to, unit = controls[0].to, controls[0].unit
            record = self._joint(to, unit, max_bytes)
            self._keep(now)
            return to, record
        for sender in self.receipts.due(now, room=n_most):
            record, taken = receipt.pack(self.receipts.owed(sender), max_bytes=max_bytes)
            if taken:
                self.receipts.settled(sender, taken)
                self._keep(now)
                return sender, record
        return None

    def _joint(self, to: int, unit: bytes, max_bytes: int) -> bytes:
        room = (max_bytes - len(unit) - len(_JOINT) - 1) // receipt.DIGEST_BYTES
        taken = self.receipts.owed(to)[: max(0, room)]
        if not taken:
            return unit
        self.receipts.settled(to, taken)
        digests = b"".join(one.to_bytes(receipt.DIGEST_BYTES, "big") for one in taken)
        return _JOINT + bytes([len(taken)]) + digests + unit

    # Inside

    def _told(
        self, terminal: str, message: Received | None, events: tuple[ReassemblyEvent, ...]
    ) -> list[Incoming | Lost]:
        out: list[Incoming | Lost] = []
        for event in events:
            if isinstance(event, Completed) and message is not None:
                out.append(self._completed(terminal, message, event))
            elif isinstance(event, Missing):
                why = f"{event.n_held} of {event.n_data} units, then {event.cause}"
                out.append(Lost(sender=event.sender, reason=why))
        return out

    def _completed(self, terminal: str, message: Received, done: Completed) -> Incoming | Lost:
        peer = self._peer_of(done.sender)
        data, text, key_id, problem = self._opened(peer, done)
        if problem is None and text is None and data is not None:
            content: Content | None = recognise_content(Form.CODE, data, 8 * len(data))
        else:
            content = None
        kind = "text" if text is not None else "bad_seal" if problem else _kind(content)
        opened = done.payload if data is None else data
        joined = msgspec.structs.replace(
            message, content=opened, n_bits=8 * len(opened), form=Form.CODE, raw=done.payload
        )
        kept = self._ledger.receive(
            joined,
            terminal=terminal,
            at_utc_ns=self._utc_ns(),
            kind=kind,
            text=text,
            peer_message=str(done.message_id),
        )
        if problem is not None or data is None:
            return Lost(sender=done.sender, reason=problem or "an empty message")
        mark = done.message_id.to_bytes(2, "big") + done.payload
        return Incoming(
            id=kept.value.id,
            terminal=terminal,
            sender=done.sender,
            peer=None if peer is None else peer.name,
            text=text,
            content=content,
            data=data,
            is_long=True,
            key_id=key_id,
            is_repeat=peer is not None and self._is_repeat(peer, mark),
            commands=self._commands(done.sender, peer, key_id),
            durable=kept,
        )

    def _opened(
        self, peer: Peer | None, done: Completed
    ) -> tuple[bytes | None, str | None, int | None, str | None]:
        """Data, text, the key that it was sealed with, and what is wrong."""
        key_id: int | None = None
        try:
            body = open_body(done.payload)
            if body.sealed is not None:
                body, key_id = self._unsealed(peer, done.sender, body.sealed)
        except DecodeError as error:
            self.n_bad_seals += 1
            return None, None, None, str(error)
        data = (body.text or "").encode() if body.data is None else body.data
        return data, body.text, key_id, None

    def _unsealed(self, peer: Peer | None, sender: int, sealed: bytes) -> tuple[Body, int]:
        """Raises DecodeError where it is not genuine."""
        if self._security is None:
            raise DecodeError("sealed, and there are no keys")
        group = None if peer is None else peer.group
        receivers = sorted(self._own_addresses())
        opened = self._security.open(group, sealed, sender=sender, receivers=receivers)
        body = open_body(opened.content)
        if body.sealed is not None:
            raise DecodeError("sealed twice")
        return body, opened.key_id

    def _commands(self, sender: int, peer: Peer | None, key_id: int | None) -> frozenset[str]:
        must_seal = peer is not None and peer.group is not None
        if must_seal and key_id is None:
            return frozenset()
        return self._allowed.commands(sender=sender, key_id=key_id)

    def _is_repeat(self, peer: Peer, mark: bytes) -> bool:
        named = hashlib.blake2s(peer.name.encode() + b"\0" + mark, digest_size=8)
        key = int.from_bytes(named.digest(), "big")
        if key in self._heard:
            self._heard.move_to_end(key)
            return True
        self._heard[key] = None
        if len(self._heard) > _HEARD_MAX:
            self._heard.popitem(last=False)
        return False

    def _keep(self, now: float) -> None:
        state = _Kept(
            reassembler=self._reassembler.state(now),
            owed=self.receipts.state(),
            heard=list(self._heard),
        )
        values = self._ledger.values
        packed = msgspec.msgpack.encode(state)
        values.compare_and_set(_STATE, values.get(_STATE), packed)


def split_joint(content: bytes) -> tuple[tuple[int, ...], bytes] | None:
    """The receipts and the control of a joint record; None: it is none.

    Raises:
        DecodeError: it was cut.
    """
    if not content.startswith(_JOINT):
        return None
    n = content[2] if len(content) > 2 else 0
    end = 3 + n * receipt.DIGEST_BYTES
    if not n or len(content) <= end:
        raise DecodeError("not receipts with a control", bit=0)
    digests = tuple(
        int.from_bytes(content[at : at + receipt.DIGEST_BYTES], "big")
        for at in range(3, end, receipt.DIGEST_BYTES)
    )
    return digests, content[end:]


def is_record(content: Content) -> bool:
    """Whether bdgw peers speak to each other here."""
    return isinstance(content, BdgwRecord)


def _kind(content: Content | None) -> str:
    if content is None:
        return "binary"
    tag = type(content).__struct_config__.tag
    return str(tag) if tag is not None else "binary"
