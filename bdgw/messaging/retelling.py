"""Received messages as they are told again after a restart, from what the ledger has. Pure.

The same as was told, or should have been, at first. Whether a peer had sent it before is found out
from what came before it in the ledger, as far back as the caller looks.
"""

from __future__ import annotations

from collections.abc import Iterable

from bdgw.shortmsg.authority import AllowList
from bdgw.shortmsg.content import Content, recognise, recognise_content
from bdgw.shortmsg.inbox import Incoming
from bdgw.shortmsg.ledger_store import Inbound
from bdgw.shortmsg.outgoing import Peer
from bdgw.shortmsg.pending import Pending
from bdgw.shortmsg.service import ServiceSpec
from bdgw.shortmsg.vocabulary import Form, Received

__all__ = ["Reteller"]

_SEALED = b"\x04"
"""First byte of a long message that was sealed (``compose.open_body``)."""
_KEY_ID_AT = 3
"""Behind that byte, the mark and the kind of the seal (docs/threat-model.md)."""
_NO_MESSAGE = "bad_seal"


class Reteller:
    """Knows who is a peer and who may command, by the configuration of now."""

    def __init__(self, spec: ServiceSpec) -> None:
        self._peers = {address: peer for peer in spec.peers for address in peer.addresses}
        self._allowed = AllowList(spec.permissions)

    def addresses_of_peer(self, kept: Inbound) -> frozenset[int]:
        """All cards of the peer that sent it; none where a handset did."""
        peer = self._peers.get(kept.sender)
        return frozenset() if peer is None else peer.addresses

    def retell(self, kept: Inbound, earlier: Iterable[Inbound]) -> Incoming | None:
        """Give it as it was told; None: it never was, because its seal was not good.

        ``earlier``: what came from the cards of its peer before.
        """
        if kept.kind == _NO_MESSAGE:
            return None
        peer = self._peers.get(kept.sender)
        is_long = kept.peer_message is not None
        is_ours = kept.to is None and kept.is_intact is not False
        key_id = kept.raw[_KEY_ID_AT] if is_long and kept.raw.startswith(_SEALED) else None
        content = _content(kept, is_long=is_long)
        return Incoming(
            id=kept.id,
            terminal=kept.terminal,
            sender=kept.sender,
            peer=None if peer is None else peer.name,
            text=kept.text,
            content=content,
            data=kept.content,
            to=None if is_long else kept.to,
            is_long=is_long,
            key_id=key_id,
            is_repeat=peer is not None
            and is_ours
            and any(_mark(one) == _mark(kept) for one in earlier),
            commands=self._commands(kept.sender, peer, key_id) if is_ours else frozenset(),
            is_intact=None if is_long else kept.is_intact,
            durable=Pending(kept),
        )

    def _commands(self, sender: int, peer: Peer | None, key_id: int | None) -> frozenset[str]:
        if peer is not None and peer.group is not None and key_id is None:
            return frozenset()
        return self._allowed.commands(sender=sender, key_id=key_id)


def _mark(kept: Inbound) -> tuple[object, ...]:
    """By what a peer's messages are told apart."""
    if kept.peer_message is not None:
        return kept.peer_message, kept.raw
    return kept.form, kept.content, kept.n_bits


def _content(kept: Inbound, *, is_long: bool) -> Content | None:
    if is_long and kept.text is not None:
        return None
    if is_long:
        return recognise_content(Form.CODE, kept.content, 8 * len(kept.content))
    received = Received(
        sender=kept.sender,
        form=kept.form,
        content=kept.content,
        n_bits=kept.n_bits,
        raw=kept.raw,
        is_intact=kept.is_intact,
    )
    return recognise(received)
