"""What peers say of our messages: receipts of plain ones, controls of long ones. Pure."""

from __future__ import annotations

from bdgw.errors import BdgwError
from bdgw.shortmsg.budget import AirBudget
from bdgw.shortmsg.compose import pack_body
from bdgw.shortmsg.fleet import Fleet
from bdgw.shortmsg.flight import Flight
from bdgw.shortmsg.ledger import Ledger
from bdgw.shortmsg.loss_memory import LossMemory
from bdgw.shortmsg.message import Message
from bdgw.shortmsg.outgoing import Peer, from_ledger
from bdgw.shortmsg.segment import Complete, check_of
from bdgw.shortmsg.transfer import OutgoingTransfer

__all__ = ["PeerWord"]


class PeerWord:
    """Finds the message that a peer speaks of, and lets it know."""

    def __init__(
        self, *, ledger: Ledger, budget: AirBudget, fleet: Fleet, losses: LossMemory
    ) -> None:
        self._ledger = ledger
        self._budget = budget
        self._fleet = fleet
        self._losses = losses

    def acknowledged(self, peer: Peer, digest: int) -> None:
        """A receipt of a plain message."""
        for address in peer.addresses:
            message = self._ledger.by_air_number(address, digest)
            if message is not None and message.n_units_gone + len(message.in_flight):
                self._fleet.delivered(message.id)

    def controlled(self, peer: Peer, unit: bytes, control: object, *, now: float) -> None:
        """A control of a long message."""
        for flight in self._fleet.flights_to(peer):
            transfer = flight.transfer
            if transfer is None:
                continue
            if getattr(control, "message_id", None) != transfer.message_id:
                continue
            if transfer.receive_control(unit):
                self._remember(peer, flight, transfer)
                if not self._fleet.settle(flight):
                    self._budget.change(flight.id, n_slots=flight.n_slots_left(), not_before_s=now)
            return
        if isinstance(control, Complete):
            self._late(peer, control)

    def _remember(self, peer: Peer, flight: Flight, transfer: OutgoingTransfer) -> None:
        """The peer has said how many units arrived: the next messages to it count on that."""
        (n_sent, n_arrived), before = transfer.reported, flight.n_reported
        flight.n_reported = n_sent, n_arrived
        n_units = n_sent - before[0]
        self._losses.note(peer.name, n_units=n_units, n_lost=n_units - (n_arrived - before[1]))

    def _late(self, peer: Peer, control: Complete) -> None:
        """The peer has what was given up here, or what begins anew with another card."""
        for address in peer.addresses:
            message = self._ledger.by_air_number(address, control.message_id)
            if message is None or not message.n_units_gone + len(message.in_flight):
                continue
            if self._check(message) == control.check:
                self._fleet.delivered(message.id)

    def _check(self, message: Message) -> int | None:
        flight = self._fleet.get(message.id)
        if flight is not None and flight.wire_payload is not None:
            return check_of(flight.wire_payload)
        try:
            payload = pack_body(from_ledger(message.submission))
        except (BdgwError, ValueError):
            return None
        return check_of(payload)
