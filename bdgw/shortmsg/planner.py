"""From a submission to the way it goes: which cards may send it, and in how many slots. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bdgw.errors import EncodeError
from bdgw.shortmsg.budget import Job, Priority
from bdgw.shortmsg.capacity import Override
from bdgw.shortmsg.card_pool import CardPool, Seat
from bdgw.shortmsg.compose import (
    Fit,
    Security,
    air_bytes,
    fit_plain,
    looks_like_record,
    pack_body,
    pack_sealed,
    unit_count,
)
from bdgw.shortmsg.family import codec_of
from bdgw.shortmsg.ledger import Ledger
from bdgw.shortmsg.loss_memory import LossMemory
from bdgw.shortmsg.outgoing import Peer, Refusal, RefusalCause, Submission
from bdgw.shortmsg.receipt import content_digest
from bdgw.shortmsg.segment import UNIT_BYTES_MIN, payload_bytes_max
from bdgw.shortmsg.text import UnencodableTextError, check_encodable
from bdgw.shortmsg.transfer_state import TransferOptions
from bdgw.shortmsg.vocabulary import Family, Form, OutgoingFrame

__all__ = ["Plan", "Planner", "job_for"]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How a submission goes."""

    way: str
    """``plain``, ``long`` or ``sealed``."""
    n_slots: int
    """Transmissions until the peer has it, on average."""
    cards: frozenset[int] | None
    """The cards that can; None: no card is known yet, or each can."""
    explanation: str
    digest: int | None = None
    """By this a bdgw peer acknowledges a plain message."""
    payload: bytes | None = None
    """Of a long message."""
    n_units: int = 1
    """Transmissions where nothing is lost."""


def job_for(name: str, submission: Submission, plan: Plan, now: float) -> Job:
    """What the budget knows of a message."""
    key = submission.supersede_key
    valid_s = submission.valid_s
    return Job(
        id=name,
        priority=submission.priority,
        submitted_s=now,
        n_slots=plan.n_slots,
        is_transfer=plan.payload is not None,
        deadline_s=None if valid_s is None else now + valid_s,
        supersede_key=None if key is None else f"{submission.to}/{key}",
        service=submission.service,
        cards=plan.cards,
    )


class Planner:
    """Knows peers, cards and keys; changes nothing."""

    def __init__(
        self,
        *,
        pool: CardPool,
        peers: Sequence[Peer],
        ledger: Ledger,
        security: Security | None,
        overrides: Sequence[Override],
        losses: LossMemory,
    ) -> None:
        self._pool = pool
        self._ledger = ledger
        self._security = security
        self._overrides = overrides
        self.losses = losses
        self._peers = {address: peer for peer in peers for address in peer.addresses}

    def peer(self, address: int) -> Peer | None:
        """The bdgw peer that has this address; None: a handset, as far as is known."""
        return self._peers.get(address)

    def plan(self, submission: Submission) -> Plan | Refusal:
        """Choose the way of a submission."""
        peer = self.peer(submission.to)
        seats = self._seats(submission, peer)
        if not self._pool.seats():
            return Refusal(cause=RefusalCause.NO_CARD, explanation="there is no terminal")
        group = self.group(submission, peer)
        if group is not None:
            return self._sealed(submission, peer, group, seats)
        if peer is not None and self._must_be_long(submission):
            why = "it begins like a record"
            return self.long(submission, peer, pack_body(submission), seats, why)
        return self._plain(submission, peer, seats)

    def group(self, submission: Submission, peer: Peer | None) -> str | None:
        """The group for which it is sealed."""
        return submission.group or (None if peer is None else peer.group)

    def plain(self, submission: Submission, seat: Seat) -> Fit:
        """Try it as one message of the card in a terminal.

        Raises:
            EncodeError: the text cannot be coded, the card's capacity is not known, or the
                terminal cannot name the receiver.
        """
        if seat.card is None or seat.family is None:
            raise EncodeError(f"terminal {seat.name} has not shown its card")
        _check_address(submission, seat.family)
        fit = fit_plain(submission, card=seat.card, family=seat.family, overrides=self._overrides)
        limit_bits = self._limit_bits(submission.to)
        if limit_bits is None or fit.n_bits_on_air <= limit_bits:
            return fit
        why = (
            f"{fit.n_bits_on_air} bits are over the {limit_bits} that the peer's terminals receive"
        )
        return msgspec.structs.replace(fit, frame=None, limit_bits=limit_bits, explanation=why)

    def unit_bytes(self, submission: Submission, seat: Seat) -> int:
        """What one transmission of the card in a terminal carries to the receiver.

        Raises:
            EncodeError: the card's capacity is not known, or the terminal cannot name the
                receiver.
        """
        if seat.card is None or seat.family is None:
            raise EncodeError(f"terminal {seat.name} has not shown its card")
        _check_address(submission, seat.family)
        n_bytes = air_bytes(
            seat.card,
            seat.family,
            submission.service,
            is_express=submission.is_express,
            overrides=self._overrides,
        )
        limit_bits = self._limit_bits(submission.to)
        return n_bytes if limit_bits is None else min(n_bytes, limit_bits // 8)

    def answer_bytes(self, seat: Seat) -> int:
        """What one transmission of the card in a terminal carries to any of the peers.

        Raises:
            EncodeError: the card's capacity is not known.
        """
        limits = [
            peer.limit_bits // 8 for peer in self._peers.values() if peer.limit_bits is not None
        ]
        return min([self.unit_bytes(Submission(to=1, data=b"\0"), seat), *limits])

    def transfer_options(self, peer: Peer | None) -> TransferOptions:
        """How a long message to a peer goes, with what is known of the loss to it."""
        return self.losses.options if peer is None else self.losses.options_for(peer.name)

    def digest(self, frame: OutgoingFrame) -> int:
        """The name under which a peer acknowledges a plain message."""
        return content_digest(frame.form, frame.content, frame.n_bits)

    def cards_for(self, submission: Submission, *, is_long: bool) -> frozenset[int]:
        """The cards in the terminals that can send it."""
        can = set()
        for seat in self._seats(submission, self.peer(submission.to)):
            try:
                if is_long:
                    is_able = self.unit_bytes(submission, seat) >= UNIT_BYTES_MIN
                else:
                    is_able = self.plain(submission, seat).frame is not None
            except EncodeError:
                continue
            if is_able and seat.address is not None:
                can.add(seat.address)
        return frozenset(can)

    # Inside

    def _limit_bits(self, address: int) -> int | None:
        peer = self.peer(address)
        return None if peer is None else peer.limit_bits

    def _wanted(self, submission: Submission) -> frozenset[int] | None:
        """The card that was asked for; distress takes the first that is free."""
        if submission.card is None or submission.priority is Priority.DISTRESS:
            return None
        return frozenset([submission.card])

    def _seats(self, submission: Submission, peer: Peer | None) -> list[Seat]:
        wanted = self._wanted(submission)
        heard = None if peer is None else peer.cards
        return [
            seat
            for seat in self._pool.seats()
            if seat.card is not None
            and seat.family is not None
            and (wanted is None or seat.card.address in wanted)
            and (heard is None or seat.card.address in heard)
        ]

    def _plain(
        self, submission: Submission, peer: Peer | None, seats: list[Seat]
    ) -> Plan | Refusal:
        if not seats:
            try:
                if peer is None and submission.text is not None:
                    check_encodable(submission.text, transliterate=submission.transliterate)
            except UnencodableTextError as error:
                return Refusal(cause=RefusalCause.TEXT, explanation=str(error))
            return Plan(
                way="plain",
                n_slots=1,
                cards=self._wanted(submission),
                explanation="no card is known yet that may",
            )
        fits: dict[int, Fit] = {}
        errors: list[EncodeError] = []
        for seat in seats:
            try:
                fit = self.plain(submission, seat)
            except EncodeError as error:
                errors.append(error)
                continue
            fits[seat.address or 0] = fit
        can = {card: fit for card, fit in fits.items() if fit.frame is not None}
        if can:
            best = next(iter(can.values()))
            assert best.frame is not None  # noqa: S101
            digest = None if peer is None else self.digest(best.frame)
            if digest is not None and peer is not None and self._has_twin(peer, digest):
                why = "the same text is not acknowledged yet, or was sent before"
                return self.long(submission, peer, pack_body(submission), seats, why)
            return Plan(
                way="plain",
                n_slots=1,
                cards=frozenset(can),
                explanation=best.explanation,
                digest=digest,
            )
        why = next((fit.explanation for fit in fits.values()), "") or str(errors[0])
        if peer is not None:
            return self.long(submission, peer, pack_body(submission), seats, why)
        return self._unfit(submission, fits, errors, why)

    def _unfit(
        self,
        submission: Submission,
        fits: dict[int, Fit],
        errors: list[EncodeError],
        why: str,
    ) -> Refusal:
        if not fits:
            is_text = any(isinstance(error, UnencodableTextError) for error in errors)
            cause = RefusalCause.TEXT if is_text else RefusalCause.NO_CARD
            return Refusal(cause=cause, explanation=why)
        n_slots = min(-(-fit.n_bits_on_air // fit.limit_bits) for fit in fits.values())
        return Refusal(
            cause=RefusalCause.TOO_LONG,
            explanation=f"{why}; {submission.to} is no bdgw peer, which could join {n_slots}",
            n_slots=n_slots,
        )

    def long(
        self,
        submission: Submission,
        peer: Peer,
        payload: bytes,
        seats: list[Seat],
        why: str,
        *,
        more_bytes: int = 0,
    ) -> Plan | Refusal:
        """As units of a long message; the seal adds ``more_bytes``."""
        n_bytes = len(payload) + more_bytes
        counts: dict[int, int] = {}
        problem = "no card is known yet that may"
        for seat in seats:
            try:
                unit_bytes = self.unit_bytes(submission, seat)
                n_units = unit_count(n_bytes, unit_bytes)
            except EncodeError as error:
                problem = str(error)
                continue
            if n_bytes > payload_bytes_max(unit_bytes):
                problem = f"{n_bytes} bytes are over {payload_bytes_max(unit_bytes)}"
                continue
            counts[seat.address or 0] = n_units
        if seats and not counts:
            return Refusal(cause=RefusalCause.TOO_LONG, explanation=problem)
        n_units = max(counts.values(), default=1)
        n_slots, expectation = self.losses.outlook(peer.name, n_units)
        return Plan(
            way="sealed" if more_bytes else "long",
            n_slots=n_slots,
            cards=frozenset(counts) if counts else None,
            explanation=f"{n_bytes} bytes in {n_units} units, {expectation}: {why}",
            payload=payload,
            n_units=n_units,
        )

    def _sealed(
        self, submission: Submission, peer: Peer | None, group: str, seats: list[Seat]
    ) -> Plan | Refusal:
        if peer is None:
            return Refusal(
                cause=RefusalCause.BAD, explanation=f"{submission.to} is no bdgw peer: not sealed"
            )
        if self._security is None or not self._security.has_key(group):
            return Refusal(cause=RefusalCause.NO_KEY, explanation=f"no key for group {group}")
        more_bytes = self._security.overhead_bytes + 1
        why = f"sealed for {group}, {8 * more_bytes} bits more"
        payload = pack_body(submission)
        return self.long(submission, peer, payload, seats, why, more_bytes=more_bytes)

    def wire_payload(self, submission: Submission, body: bytes, *, card: int) -> bytes:
        """The payload as it goes through the air from a card: sealed where it must be.

        Raises:
            EncodeError: it cannot be sealed.
        """
        group = self.group(submission, self.peer(submission.to))
        if group is None:
            return body
        if self._security is None:
            raise EncodeError(f"no key for group {group}")
        sealed = self._security.seal(group, body, sender=card, receiver=submission.to)
        return pack_sealed(sealed)

    def _must_be_long(self, submission: Submission) -> bool:
        return submission.data is not None and looks_like_record(submission.data)

    def _has_twin(self, peer: Peer, digest: int) -> bool:
        for address in peer.addresses:
            known = self._ledger.by_air_number(address, digest)
            if known is not None and (not known.is_final or known.n_units_gone or known.in_flight):
                return True
        return False


def _check_address(submission: Submission, family: Family) -> None:
    """Raise EncodeError where no frame of a family can name the receiver."""
    codec_of(family).send(
        OutgoingFrame(
            to=submission.to,
            form=Form.CODE,
            content=b"\0",
            n_bits=8,
            service=submission.service,
        )
    )
