"""Two gateways over a bad link, whatever happens to them: what must hold does hold.

The terminals know their interval themselves and refuse what comes early, so ``too_early`` counts
every breach by the service. The link knows what really came out at the other side.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec import structs

from bdgw.errors import BdgwError
from bdgw.shortmsg.budget import Priority
from bdgw.shortmsg.message import FINAL_STATES, Message, State
from bdgw.shortmsg.outgoing import Peer, Receipt, Refusal, RefusalCause, Submission
from bdgw.shortmsg.service import ServiceSpec
from bdgw.shortmsg.terminal_event import StatusChanged
from bdgw.shortmsg.terminal_health import TerminalStatus
from bdgw.shortmsg.vocabulary import Family
from tests.shortmsg.service_rig import Air, Gateway, card

SHIP_CARDS = (175607, 175608)
SHORE_CARD = 210001
HANDSET = 300001
INTERVALS_S = {SHIP_CARDS[0]: 60, SHIP_CARDS[1]: 40, SHORE_CARD: 60}
SIDES = st.sampled_from(["ship", "shore"])


class TwoGateways(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.air = Air(1)
        self.ship = Gateway(
            self.air,
            ServiceSpec(
                terminals={"t1": Family.BD1, "t2": Family.BD2},
                peers=(Peer(name="shore", addresses=frozenset([SHORE_CARD])),),
            ),
        )
        self.shore = Gateway(
            self.air,
            ServiceSpec(
                terminals={"t1": Family.BD1},
                peers=(Peer(name="ship", addresses=frozenset(SHIP_CARDS)),),
            ),
        )
        self.ship.insert("t1", card(SHIP_CARDS[0]))
        self.ship.insert("t2", card(SHIP_CARDS[1], interval_s=40))
        self.shore.insert("t1", card(SHORE_CARD))
        self.n = 0
        self.texts: dict[str, str] = {}
        self.keyed: list[tuple[str, str, Submission]] = []
        """Side, id, and what was submitted under a key."""
        self.finals: dict[str, State] = {}

    def gateways(self) -> tuple[Gateway, Gateway]:
        return self.ship, self.shore

    def messages(self) -> list[tuple[Gateway, Message]]:
        return [(side, side.message(one)) for side in self.gateways() for one in side.ids]

    @rule(
        side=SIDES,
        to_handset=st.booleans(),
        n_characters=st.sampled_from([3, 3, 3, 150]),
        twin=st.booleans(),
        priority=st.sampled_from(list(Priority)),
        valid_s=st.sampled_from([None, None, 200.0, 3000.0]),
        key=st.sampled_from([None, None, "position"]),
        n_repeats=st.integers(0, 1),
        is_keyed=st.booleans(),
    )
    def submit(
        self, side, to_handset, n_characters, twin, priority, valid_s, key, n_repeats, is_keyed
    ) -> None:
        gateway = getattr(self, side)
        to = HANDSET if to_handset else SHORE_CARD if side == "ship" else SHIP_CARDS[self.n % 2]
        self.n += not twin
        text = f"{self.n}" + "文" * n_characters
        submission = Submission(
            to=to,
            text=text,
            priority=priority,
            valid_s=valid_s,
            supersede_key=key,
            n_repeats=n_repeats,
            idempotency_key=f"key {len(self.keyed)}" if is_keyed else None,
        )
        answer = gateway.hand_in(submission)
        if isinstance(answer, Receipt):
            self.texts[answer.id] = text
            if is_keyed:
                self.keyed.append((side, answer.id, submission))
            assert answer.t_send_s is None or answer.t_send_s >= self.air.now

    @precondition(lambda self: self.keyed)
    @rule(pick=st.integers(0, 1000), is_other=st.booleans())
    def submit_again(self, pick, is_other) -> None:
        side, message_id, submission = self.keyed[pick % len(self.keyed)]
        if is_other:
            submission = structs.replace(submission, text="别的")
        answer = getattr(self, side).hand_in(submission)
        if is_other:
            assert isinstance(answer, Refusal)
            assert answer.cause is RefusalCause.KEY_CONFLICT
        else:
            assert isinstance(answer, Receipt)
            assert (answer.id, answer.is_repeat) == (message_id, True)

    @rule(side=SIDES, status=st.sampled_from([TerminalStatus.SUPPRESSED, TerminalStatus.READY]))
    def terminal_status(self, side, status) -> None:
        getattr(self, side).tell("t1", StatusChanged(status=status, reason=""))

    @rule(side=SIDES, is_full=st.booleans())
    def disk(self, side, is_full) -> None:
        getattr(self, side).store.is_full = is_full

    @rule(seconds=st.sampled_from([0.5, 2.0, 10.0, 61.0, 300.0, 2000.0]))
    def pass_time(self, seconds) -> None:
        self.air.run(seconds)

    @rule(
        loss=st.sampled_from([0.0, 0.2, 1.0]),
        repeat=st.sampled_from([0.0, 0.3]),
        slow=st.booleans(),
    )
    def weather(self, loss, repeat, slow) -> None:
        self.air.loss, self.air.repeat = loss, repeat
        rng = self.air.rng
        self.air.delay_s = (lambda: rng.uniform(1.0, 400.0)) if slow else (lambda: 2.0)

    @rule(side=SIDES, how=st.sampled_from(["accept", "accept", "silent_sent", "silent_lost", "no"]))
    def terminals_answer(self, side, how) -> None:
        getattr(self, side).answer = lambda _: how

    @rule(side=SIDES)
    def restart(self, side) -> None:
        getattr(self, side).start()

    @rule(terminal=st.sampled_from(["t1", "t2"]))
    def take_out(self, terminal) -> None:
        self.ship.eject(terminal)

    @rule(terminal=st.sampled_from(["t1", "t2"]), which=st.integers(0, 1))
    def put_in(self, terminal, which) -> None:
        address = SHIP_CARDS[which]
        for other in ("t1", "t2"):
            inserted = self.ship.cards.get(other)
            if inserted is not None and inserted.address == address:
                self.ship.eject(other)
        self.ship.insert(terminal, card(address, interval_s=(60, 40)[which]))

    @precondition(lambda self: self.ship.ids)
    @rule(pick=st.integers(0, 1000))
    def cancel(self, pick) -> None:
        name = self.ship.ids[pick % len(self.ship.ids)]
        try:
            done = self.ship.service.cancel(name)
        except BdgwError:
            return
        if done.is_durable:
            assert self.ship.message(name).state is State.CANCELLED

    @invariant()
    def never_inside_an_interval(self) -> None:
        assert self.air.too_early == 0
        for address, interval_s in INTERVALS_S.items():
            assert self.air.closest_s(address) >= interval_s

    @invariant()
    def one_outcome_and_it_stands(self) -> None:
        for side, latest in self.messages():
            # Only what is on the disk was told to anybody.
            message = side.store.message(latest.id)
            assert message is not None, "acknowledged and lost"
            if message.state in FINAL_STATES:
                assert self.finals.setdefault(message.id, message.state) is message.state
            else:
                assert message.id not in self.finals

    @invariant()
    def delivered_is_true(self) -> None:
        for side, message in self.messages():
            if message.state is State.DELIVERED:
                other = self.shore if side is self.ship else self.ship
                assert message.id in self.air.arrived
                assert self.texts[message.id] in [one.text for one in other.heard]
                assert message.submission.to != HANDSET

    @invariant()
    def what_is_not_repeatable_is_sent_once(self) -> None:
        for _, message in self.messages():
            is_plain = message.air_number is None or message.air_number > 0xFFFF
            if is_plain and '"n_repeats"' not in message.submission.options:
                assert message.n_possibly_sent + message.n_units_accepted <= 1
                assert self.air.n_sent[message.id] <= 1
            # One more is in flight at most; all others are in the ledger as sent or possibly so.
            n_known = sum(unit.n_sends for unit in message.units)
            assert self.air.n_sent[message.id] <= n_known

    def teardown(self) -> None:
        """The weather clears, the cards are in: everything comes to its end."""
        self.air.loss = self.air.repeat = 0.0
        self.air.delay_s = lambda: 2.0
        for side in self.gateways():
            side.store.is_full = False
            side.answer = lambda _: "accept"
            side.tell("t1", StatusChanged(status=TerminalStatus.READY, reason=""))
        self.put_in("t1", 0)
        self.put_in("t2", 1)
        self.air.run(4 * 86400.0)
        for side in self.gateways():
            side.store.idle()
        for side, message in self.messages():
            assert message.is_settled, (message.state, message.cause, message.units)
            assert side.store.message(message.id) == message, "all of it is on the disk"
            assert not message.in_flight
        self.never_inside_an_interval()
        self.one_outcome_and_it_stands()
        self.delivered_is_true()


TestTwoGateways = TwoGateways.TestCase
TestTwoGateways.settings = settings(
    max_examples=120,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
