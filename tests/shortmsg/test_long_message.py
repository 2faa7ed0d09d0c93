"""Both ends of long messages over a link that loses, repeats, delays and reorders; with restarts.

The model knows which units of a message have reached the receiver. By the promise of the code a
message is complete if, and only if, there are enough of them.
"""

from __future__ import annotations

import random

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
)

from bdgw.errors import DecodeError
from bdgw.shortmsg.reassembly import Reassembler
from bdgw.shortmsg.reassembly_state import (
    Completed,
    Missing,
    Progressed,
    ReassemblerState,
    ReassemblyLimits,
    Rejected,
)
from bdgw.shortmsg.segment import Segment, parse
from bdgw.shortmsg.transfer import OutgoingTransfer
from bdgw.shortmsg.transfer_state import Outcome, TransferOptions, TransferState

UNIT_BYTES = 16
LIMITS = ReassemblyLimits(sender_messages=4, sender_bytes=40_000, total_bytes=60_000)
OPTIONS = TransferOptions(hello_min_units=8, hello_after_units=4, silence_s=1e9)
SENDERS = (1, 2)


class LongMessages(RuleBasedStateMachine):
    """Two senders, up to four messages each, one receiver."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.receiver = Reassembler(control_bytes=24, limits=LIMITS)
        self.transfers: dict[tuple[int, int], OutgoingTransfer] = {}
        self.payloads: dict[tuple[int, int], bytes] = {}
        self.saved: dict[tuple[int, int], bytes] = {}
        self.arrived: dict[tuple[int, int], set[int]] = {}
        self.delivered: dict[tuple[int, int], bytes] = {}

    flying = Bundle("flying")
    """(sender, towards the receiver?, unit)"""

    # --- senders ------------------------------------------------------------------------------

    @rule(sender=st.sampled_from(SENDERS), n_bytes=st.integers(0, 300), seed=st.integers(0, 99))
    def begin(self, sender, n_bytes, seed):
        own = [key for key in self.transfers if key[0] == sender]
        if len(own) == LIMITS.sender_messages:
            return
        key = sender, len(own)
        self.payloads[key] = random.Random(seed).randbytes(n_bytes)
        self.transfers[key] = OutgoingTransfer(
            key[1], self.payloads[key], unit_bytes=UNIT_BYTES, options=OPTIONS
        )
        self.arrived[key] = set()
        self.save(key)

    @precondition(lambda self: self.transfers)
    @rule(target=flying, data=st.data(), n=st.integers(1, 12))
    def send(self, data, n):
        """A burst, as it leaves a card slot by slot."""
        key = data.draw(st.sampled_from(sorted(self.transfers)))
        units = []
        for _ in range(n):
            self.now += 60.0
            unit = self.transfers[key].next_unit(self.now)
            if unit is not None:
                assert self.transfers[key].outcome is None
                assert len(unit) == UNIT_BYTES
                units.append((key[0], True, unit))
        return multiple(*units)

    @precondition(lambda self: self.transfers)
    @rule(data=st.data())
    def save_sender(self, data):
        self.save(data.draw(st.sampled_from(sorted(self.transfers))))

    def save(self, key):
        self.saved[key] = msgspec.msgpack.encode(self.transfers[key].state())

    @precondition(lambda self: self.transfers)
    @rule(data=st.data())
    def restart_sender(self, data):
        """It goes on from what it saved, which may be long ago."""
        key = data.draw(st.sampled_from(sorted(self.transfers)))
        state = msgspec.msgpack.decode(self.saved[key], type=TransferState)
        self.transfers[key] = OutgoingTransfer.restore(state, self.payloads[key], options=OPTIONS)

    # --- the link -----------------------------------------------------------------------------

    @rule(one=consumes(flying))
    def arrive(self, one):
        self.hand_over(*one)

    @rule(one=flying)
    def arrive_twice(self, one):
        self.hand_over(*one)

    @rule(_one=consumes(flying))
    def lose(self, _one):
        pass

    @rule(sender=st.sampled_from((*SENDERS, 9)), unit=st.binary(max_size=30), is_ours=st.booleans())
    def junk(self, sender, unit, is_ours):
        """Anything but a unit; what a sender says in good form is believed."""
        data = b"\xbd" + unit if is_ours else unit
        if not is_no_unit(data):
            return
        (event,) = self.receiver.receive(sender, data, self.now)
        assert isinstance(event, Rejected)
        for transfer in self.transfers.values():
            before = transfer.state()
            assert not transfer.receive_control(data)
            assert transfer.state() == before

    def hand_over(self, sender, is_to_receiver, unit):
        if not is_to_receiver:
            for key, transfer in self.transfers.items():
                if key[0] == sender:
                    transfer.receive_control(unit)
            return
        segment = parse(unit)
        assert isinstance(segment, Segment)
        key = sender, segment.message_id
        self.arrived[key].add(segment.index)
        is_enough = len(self.arrived[key]) >= segment.n_data
        events = self.receiver.receive(sender, unit, self.now)
        assert not [event for event in events if isinstance(event, Missing | Rejected)]
        done = [event for event in events if isinstance(event, Completed)]
        assert len(done) == (is_enough and key not in self.delivered)
        if done:
            self.delivered[key] = done[0].payload
        for event in events:
            if isinstance(event, Progressed):
                assert event.n_held == len(self.arrived[key]) < event.n_data

    # --- the receiver -------------------------------------------------------------------------

    @rule(target=flying, limit=st.sampled_from([1, None]))
    def reply(self, limit):
        due = self.receiver.controls_due(self.now, limit=limit)
        assert all(len(one.unit) <= 24 for one in due)
        return multiple(*((one.to, False, one.unit) for one in due))

    @rule()
    def restart_receiver(self):
        """It keeps its state with every unit, as what it acknowledges must be safe."""
        kept = msgspec.msgpack.encode(self.receiver.state(self.now))
        state = msgspec.msgpack.decode(kept, type=ReassemblerState)
        before = self.receiver.bytes_held
        self.receiver = Reassembler.restore(state, self.now, control_bytes=24, limits=LIMITS)
        assert self.receiver.bytes_held == before

    @rule(seconds=st.sampled_from([1.0, 30.0, 1000.0]))
    def wait(self, seconds):
        self.now += seconds
        assert self.receiver.tick(self.now) == ()

    # --- what always holds --------------------------------------------------------------------

    @invariant()
    def what_was_delivered_is_what_was_sent(self):
        for key, payload in self.delivered.items():
            assert payload == self.payloads[key]

    @invariant()
    def nobody_believes_in_a_delivery_that_was_none(self):
        for key, transfer in self.transfers.items():
            assert transfer.outcome in (None, Outcome.DELIVERED)
            assert not transfer.is_complete or key in self.delivered

    @invariant()
    def memory_is_bounded(self):
        assert 0 <= self.receiver.bytes_held <= LIMITS.total_bytes
        assert self.receiver.n_partial <= len(SENDERS) * LIMITS.sender_messages

    def teardown(self):
        """Over a link that works again everything arrives, and everybody knows it."""
        for _ in range(600):
            self.now += 60.0
            for key, transfer in self.transfers.items():
                unit = transfer.next_unit(self.now)
                if unit is not None:
                    self.hand_over(key[0], True, unit)
            self.receiver.tick(self.now)
            for due in self.receiver.controls_due(self.now):
                self.hand_over(due.to, False, due.unit)
        assert self.delivered == self.payloads
        assert all(transfer.is_complete for transfer in self.transfers.values())
        assert self.receiver.bytes_held == 0


def is_no_unit(data: bytes) -> bool:
    """Whether these bytes are no unit at all."""
    try:
        parse(data)
    except DecodeError:
        return True
    return False


TestLongMessages = LongMessages.TestCase
TestLongMessages.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
