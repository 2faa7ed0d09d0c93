"""The sender of one long message: which unit to send next, and what the receiver's controls mean.

Units never sent before go first, data and then parity, so every one that arrives helps. The sender
goes on until the receiver says that it has enough; it asks for a reply only where silence would be
dear: early in a long message, to know that anybody is there at all, and once the receiver should
have had enough by the measured loss. Repeats begin when a block's parity is used up, and then only
of units that the receiver has not.
"""

from __future__ import annotations

import math

from bdgw.errors import DecodeError, EncodeError
from bdgw.shortmsg.erasure import BLOCK_UNITS, Encoder, block_data
from bdgw.shortmsg.segment import (
    ID_MAX,
    Abandoned,
    Complete,
    Progress,
    Refusal,
    RefusalCause,
    Segment,
    Unit,
    check_of,
    pack,
    parse,
    split_payload,
)
from bdgw.shortmsg.transfer_state import Outcome, TransferOptions, TransferState

__all__ = ["OutgoingTransfer"]


_MAP_BYTES = 4 * BLOCK_UNITS // 8 + 1
_LOSS_MAX = 0.9
"""Beyond this a plan for the number of units means nothing."""


class OutgoingTransfer:
    """One message on its way. ``now`` is monotonic seconds; the card's interval is not known here.

    Units that were handed out count as sent: a caller that could not send one sends the same bytes
    again.
    """

    def __init__(
        self,
        message_id: int,
        payload: bytes,
        *,
        unit_bytes: int,
        options: TransferOptions | None = None,
    ) -> None:
        """Plan a message; ``unit_bytes`` is what one transmission of any of the cards carries.

        Raises:
            EncodeError: the units are too short, the payload too long, or the id over 16 bits.
        """
        if not 0 <= message_id <= ID_MAX:
            raise EncodeError(f"a message id has 16 bits: {message_id}")
        data = split_payload(payload, unit_bytes)
        self.message_id = message_id
        self.n_data = len(data)
        self.check = check_of(payload)
        self.options = options or TransferOptions()
        self.outcome: Outcome | None = None
        self.n_sent = 0
        """Units handed out, repeats and requests included."""
        self.n_bad_controls = 0
        self._unit_bytes = unit_bytes
        self._encoder = Encoder(data)
        self._blocks = block_data(self.n_data)
        self._needs = self._blocks
        self._sent = self._held = self._lacking = self._resent = 0
        self._round_sent = [0] * len(self._blocks)
        self._n_seen_sent = self._n_arrived = self._n_unanswered = 0
        self._round_units = self._planned_units()
        self._has_heard = False
        self._may_send_s: float | None = None
        self._asked_at_s: float | None = None
        self._owes_farewell = False

    # --- what is known ------------------------------------------------------------------------

    @property
    def is_complete(self) -> bool:
        """Whether the receiver has acknowledged the whole message."""
        return self.outcome is Outcome.DELIVERED

    @property
    def measured_loss(self) -> float:
        """Share of units lost, the experience that was given included."""
        weight = self.options.loss_weight_units
        lost = self.options.loss * weight + max(0, self._n_seen_sent - self._n_arrived)
        return min(_LOSS_MAX, lost / (weight + self._n_seen_sent))

    @property
    def reported(self) -> tuple[int, int]:
        """Units that had been sent when the receiver last said how many arrived, and how many."""
        return self._n_seen_sent, self._n_arrived

    @property
    def expected_units(self) -> int:
        """Units that are probably still to be sent; 0 when it is over."""
        if self.outcome is not None:
            return 0
        arrives = 1.0 - self.measured_loss
        missing = sum(max(0.0, self._missing(b, arrives)) for b in range(len(self._blocks)))
        return max(1, round(missing / arrives))

    def deadline(self) -> float | None:
        """When ``next_unit`` may have a unit that it has not now; None: at once, or never."""
        return None if self.outcome is not None else self._may_send_s

    # --- sending ------------------------------------------------------------------------------

    def next_unit(self, now: float) -> bytes | None:
        """The next unit to send; None while it waits for a reply, and when it is over."""
        if self.outcome is None and self._is_silent(now):
            self.outcome = Outcome.SILENT
        if self.outcome is not None:
            if not self._owes_farewell:
                return None
            self._owes_farewell = False
            return pack(Abandoned(message_id=self.message_id, n_data=self.n_data))
        if self._may_send_s is not None and now < self._may_send_s:
            return None
        block = self._neediest_block()
        index = self._take(block)
        self.n_sent += 1
        self._round_sent[block] += 1
        asks = self._asks_reply()
        self._wait(asks=asks, now=now)
        return pack(
            Segment(
                message_id=self.message_id,
                n_data=self.n_data,
                index=index,
                chunk=self._encoder.unit(index),
                wants_reply=asks,
            )
        )

    def abandon(self) -> None:
        """Send no more; one unit that says so follows if any was sent."""
        if self.outcome is None:
            self.outcome = Outcome.ABANDONED
            self._owes_farewell = self.n_sent > 0

    def _neediest_block(self) -> int:
        """The one that is furthest behind; blocks that the receiver has want nothing."""
        arrives = 1.0 - self.measured_loss
        wanting = [block for block, need in enumerate(self._needs) if need]
        return max(wanting, key=lambda block: (self._missing(block, arrives), -block))

    def _missing(self, block: int, arrives: float) -> float:
        return self._needs[block] - self._round_sent[block] * arrives

    def _take(self, block: int) -> int:
        """A unit of a block: a new one, else one that the receiver lacks, else one in doubt."""
        units = self._units_of(block)
        in_doubt = ~(self._held | self._resent)
        orders = (~self._sent, self._lacking, in_doubt, ~self._held)
        index = next(i for wanted in orders for i in units if wanted >> i & 1)
        if self._resent >> index & 1:
            # All those in doubt have been repeated: once more from the first.
            self._resent &= ~sum(1 << other for other in units)
        if self._sent >> index & 1:
            self._resent |= 1 << index
        self._sent |= 1 << index
        self._lacking &= ~(1 << index)
        return index

    def _units_of(self, block: int) -> range:
        n_blocks = len(self._blocks)
        return range(block, BLOCK_UNITS * n_blocks, n_blocks)

    def _asks_reply(self) -> bool:
        options = self.options
        is_hello = (
            not self._has_heard
            and self.n_data >= options.hello_min_units
            and self.n_sent >= options.hello_after_units
        )
        return is_hello or sum(self._round_sent) >= self._round_units or self._is_at_a_loss()

    def _is_at_a_loss(self) -> bool:
        """Whether only units are left of which nobody knows whether the receiver has them."""
        useful = ~self._sent | self._lacking
        return not any(
            useful >> index & 1
            for block, need in enumerate(self._needs)
            if need
            for index in self._units_of(block)
        )

    def _wait(self, *, asks: bool, now: float) -> None:
        options = self.options
        could_be_complete = sum(self._round_sent) >= sum(self._needs)
        self._may_send_s = now + options.reply_s if could_be_complete else None
        if not asks:
            return
        self._n_unanswered += 1
        if self._asked_at_s is None:
            self._asked_at_s = now
        n_probes = self._n_unanswered - options.unanswered_max
        if n_probes >= 0:
            pause_s = options.probe_first_s * 2.0 ** min(n_probes, 30)
            self._may_send_s = now + min(pause_s, options.probe_max_s)

    def _is_silent(self, now: float) -> bool:
        return self._asked_at_s is not None and now - self._asked_at_s >= self.options.silence_s

    def _planned_units(self) -> int:
        """How many units bring what is needed, all but surely; a reply is due after these."""
        loss, needed = self.measured_loss, sum(self._needs)
        sigma = math.sqrt(needed * loss)
        return max(1, math.ceil((needed + self.options.margin_sigma * sigma) / (1.0 - loss)))

    # --- controls -----------------------------------------------------------------------------

    def receive_control(self, unit: bytes) -> bool:
        """Take a control of the receiver; False if it is none, or not of this message.

        Any bytes are safe; those that cannot be of this message are counted.
        """
        try:
            control = parse(unit)
        except DecodeError:
            control = None
        is_ours = (
            isinstance(control, Progress | Complete | Refusal)
            and control.message_id == self.message_id
            and (control.n_data == self.n_data or isinstance(control, Complete))
        )
        if control is None or not is_ours:
            self.n_bad_controls += 1
            return False
        if self.outcome is None:
            self._take_control(control)
        elif isinstance(control, Complete) and self._is_acknowledged(control):
            # What was given up may have arrived all the same.
            self.outcome, self._owes_farewell = Outcome.DELIVERED, False
        return True

    def _take_control(self, control: Unit) -> None:
        match control:
            case Complete():
                self._heard(control.n_arrived)
                is_ours = self._is_acknowledged(control)
                self.outcome = Outcome.DELIVERED if is_ours else Outcome.ID_IN_USE
            case Refusal():
                is_full = control.cause is RefusalCause.FULL
                self.outcome = Outcome.FULL if is_full else Outcome.REFUSED
            case Progress():
                self._heard(control.n_arrived)
                self._learn(control)

    def _is_acknowledged(self, control: Complete) -> bool:
        return control.check == self.check and control.n_data == self.n_data

    def _heard(self, n_arrived: int) -> None:
        self._has_heard = True
        self._n_unanswered = 0
        self._asked_at_s = self._may_send_s = None
        self._n_seen_sent = self.n_sent
        self._n_arrived = min(n_arrived, self.n_sent)

    def _learn(self, progress: Progress) -> None:
        """Begin a new round with what the receiver lacks now."""
        held = progress.held
        window = ((1 << held.stop - held.start) - 1) << held.start
        known = window if held.is_cut else -1 << held.start
        self._held = (self._held & ~known) | (held.held & window)
        # After a restart the receiver may hold units that we do not remember to have sent.
        self._sent |= self._held
        self._resent &= ~known
        self._lacking = (self._lacking & ~known) | (self._sent & known & ~self._held)
        self._needs = tuple(
            min(need, BLOCK_UNITS - self._held_count(block))
            for block, need in enumerate(progress.needs)
        )
        if not any(self._needs):
            self._held, self._needs = 0, progress.needs
        self._round_sent = [0] * len(self._blocks)
        self._round_units = self._planned_units()

    def _held_count(self, block: int) -> int:
        return sum(self._held >> index & 1 for index in self._units_of(block))

    # --- across a restart ---------------------------------------------------------------------

    def state(self) -> TransferState:
        """What to keep; a unit that was handed out afterwards is only sent once more."""
        return TransferState(
            message_id=self.message_id,
            unit_bytes=self._unit_bytes,
            check=self.check,
            n_sent=self.n_sent,
            n_seen_sent=self._n_seen_sent,
            n_arrived=self._n_arrived,
            n_unanswered=self._n_unanswered,
            has_heard=self._has_heard,
            sent=self._sent.to_bytes(_MAP_BYTES, "big"),
            held=self._held.to_bytes(_MAP_BYTES, "big"),
            lacking=self._lacking.to_bytes(_MAP_BYTES, "big"),
            resent=self._resent.to_bytes(_MAP_BYTES, "big"),
            needs=self._needs,
            round_sent=tuple(self._round_sent),
            round_units=self._round_units,
            outcome=self.outcome,
        )

    @classmethod
    def restore(
        cls, state: TransferState, payload: bytes, *, options: TransferOptions | None = None
    ) -> OutgoingTransfer:
        """Go on with a message; its waits begin anew.

        Raises:
            EncodeError: the payload is not that of the state.
        """
        made = cls(state.message_id, payload, unit_bytes=state.unit_bytes, options=options)
        if made.check != state.check or len(state.needs) != len(made._blocks):
            raise EncodeError("the payload is not that of the saved transfer")
        made.outcome = state.outcome
        made.n_sent = state.n_sent
        made._n_seen_sent, made._n_arrived = state.n_seen_sent, state.n_arrived
        made._n_unanswered, made._has_heard = state.n_unanswered, state.has_heard
        made._sent, made._held, made._lacking, made._resent = (
            int.from_bytes(bits, "big")
            for bits in (state.sent, state.held, state.lacking, state.resent)
        )
        made._needs, made._round_sent = state.needs, list(state.round_sent)
        made._round_units = state.round_units
        return made
