"""Whatever a terminal says: one outcome a ticket, no request inside an interval, no exception."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bdgw.shortmsg import terminal_event as says
from bdgw.shortmsg.family import is_forbidden
from bdgw.shortmsg.terminal import TerminalSession, TerminalSpec
from bdgw.shortmsg.terminal_health import TerminalStatus
from bdgw.shortmsg.vocabulary import (
    Card,
    CardRead,
    Family,
    Form,
    OutgoingFrame,
    RefusalReason,
    Service,
)
from fwsim.rdss_card import Card as SimCard
from fwsim.rdss_manner import BOX, PLAIN
from fwsim.rdss_speak_bd1 import Bd1Speaker
from fwsim.rdss_speak_bd2 import Bd2Speaker
from fwsim.rdss_speak_bd3 import Bd3Speaker
from fwsim.rdss_word import Feedback, Outcome, Report, Speaker, Status

UTC_NOW = datetime(2026, 1, 1, 10, 11, 12, tzinfo=UTC)
MARGIN_S = 2.0
SPEAKERS: dict[Family, Speaker] = {
    Family.BD1: Bd1Speaker(PLAIN),
    Family.BD2: Bd2Speaker(PLAIN),
    Family.BD3: Bd3Speaker(BOX),
}
SEND_NAMES = {Family.BD1: "TXSQ", Family.BD2: "TXA", Family.BD3: "TCQ"}
AIR_WORDS = (b"$TXSQ", b"$CCTXA", b"$CCTCQ")
CARDS = (
    SimCard(address=175607, broadcast=11, interval_s=60),
    SimCard(address=142020, broadcast=12, interval_s=1),
    SimCard(address=142020, broadcast=12, interval_s=90, global_interval_s=30, global_level=1),
    SimCard(address=166166, interval_s=40, subordinates=tuple(range(1000, 1090))),
)
BANNERS = (b"BOOT V1.02\r\n", b"RDSS TERMINAL\r\n", b"TCQ OK!\r\n", b"READY FOR TRANSMISSION\r\n")
OUTCOMES = tuple(Outcome)
TICKS = st.integers(0, 64 * 100).map(lambda n: n / 64)


def speech(family: Family) -> st.SearchStrategy[bytes]:
    """Whole frames in the words of a family, from an independent writer."""
    speaker = SPEAKERS[family]
    name = SEND_NAMES[family]

    def feedback(outcome: Outcome, wait_s: int, name: str) -> bytes:
        return speaker.feedback(
            Feedback(name=name, outcome=outcome, at_utc=UTC_NOW, wait_s=wait_s, next_s=0.0)
        )

    def status(report: Report, beams: dict[int, int], flags: tuple[bool, bool]) -> bytes:
        return speaker.report(
            report,
            Status(
                card=CARDS[0],
                at_utc=UTC_NOW,
                beams=beams,
                is_suppressed=flags[0],
                is_silent=flags[1],
                battery_percent=50,
            ),
        )

    return st.one_of(
        st.builds(feedback, st.sampled_from(OUTCOMES), st.integers(0, 99), st.just(name)),
        st.builds(feedback, st.just(Outcome.ACCEPTED), st.just(0), st.sampled_from([name, "DWA"])),
        st.builds(lambda card: speaker.card("", card), st.sampled_from((None, *CARDS))),
        st.builds(
            status,
            st.sampled_from([Report.POWER, Report.SELF_CHECK]),
            st.sampled_from([{}, {1: 3}, {2: 45}]),
            st.tuples(st.booleans(), st.booleans()),
        ),
        st.builds(lambda page: speaker.subordinates(CARDS[3], page), st.integers(1, 3)),
    )


ANY_SPEECH = st.one_of(
    *(speech(family) for family in Family), st.sampled_from(BANNERS), st.binary(max_size=40)
)


class TerminalMachine(RuleBasedStateMachine):
    """The model knows only what was told: outcomes, cards, and when."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.events: list[object] = []
        self.sent: dict[Service, float] = {}
        self.before: float | None = None
        self.under_way: tuple[int, Service, float, bool] | None = None
        self.given_up: tuple[int, Service] | None = None
        self.not_before_s = 0.0
        self.card: Card | None = None
        self.status = TerminalStatus.STARTING
        self.outcomes: dict[int, object] = {}
        self.tickets: set[int] = set()
        self.is_closed = False

    @initialize(family=st.sampled_from([*Family, None]))
    def begin(self, family):
        self.session = TerminalSession(TerminalSpec(family=family), now=self.now)
        self.family = family or Family.BD2
        self.drain()

    # --- what happens ---------------------------------------------------------------------

    @rule(seconds=TICKS, steps=st.integers(1, 4))
    def time_passes_in_coarse_steps(self, seconds, steps):
        for _ in range(steps):
            self.now += seconds / steps
            self.session.tick(now=self.now)
            self.drain()

    @rule(seconds=TICKS)
    def time_passes_by_deadlines(self, seconds):
        until_s = self.now + seconds
        while True:
            due_s = self.session.deadline()
            if due_s is None or due_s > until_s:
                break
            assert due_s > self.now, "a deadline that is past would spin"
            self.tick_in_vain(self.now + (due_s - self.now) / 2, due_s)
            self.now = due_s
            self.session.tick(now=self.now)
            self.drain()
        self.now = until_s
        self.session.tick(now=self.now)
        self.drain()

    @rule(data=ANY_SPEECH, cut=st.integers(0, 40), pause_s=TICKS)
    def the_terminal_speaks(self, data, cut, pause_s):
        """In two reads, with time between them."""
        for part in (data[:cut], data[cut:]):
            if part:
                self.session.receive(part, now=self.now)
                self.drain()
            self.now += pause_s / 200
            self.session.tick(now=self.now)
            self.drain()

    @rule(outcome=st.sampled_from(OUTCOMES), wait_s=st.integers(0, 70), delay_s=TICKS)
    def feedback_comes(self, outcome, wait_s, delay_s):
        """In time or long after it, asked for or not."""
        self.time_passes_by_deadlines(delay_s / 3)
        family = self.session.family or self.family
        said = Feedback(
            name=SEND_NAMES[family], outcome=outcome, at_utc=UTC_NOW, wait_s=wait_s, next_s=0.0
        )
        self.session.receive(SPEAKERS[family].feedback(said), now=self.now)
        self.drain()

    @rule(data=ANY_SPEECH, times=st.integers(2, 4))
    def the_terminal_repeats_itself(self, data, times):
        for _ in range(times):
            if data:
                self.session.receive(data, now=self.now)
                self.drain()

    @rule(card=st.sampled_from(CARDS))
    def the_card_is_shown_and_believed(self, card):
        self.session.receive(SPEAKERS[self.family].card("", card), now=self.now)
        self.drain()
        self.time_passes_by_deadlines(1.5)

    @rule(
        service=st.sampled_from([Service.REGIONAL, Service.REGIONAL, Service.GLOBAL]),
        early_s=st.sampled_from([None, 0.0, 0.0, 0.25, 5.0]),
    )
    def a_request_is_submitted(self, service, early_s):
        """At once, at the first allowed instant, or a little before it."""
        if early_s is not None:
            at_s = self.session.can_send_at(self.now, service=service)
            if at_s is None:
                return
            assert at_s >= self.now
            self.time_passes_by_deadlines(max(0.0, at_s - self.now - early_s))
        if self.family is not Family.BD3 or self.session.family is not Family.BD3:
            service = Service.REGIONAL
        can_s = self.session.can_send_at(self.now, service=service)
        is_free = self.under_way is None and not self.is_closed
        frame = OutgoingFrame(
            to=142019, form=Form.MIXED, content=b"\xa4hi", n_bits=24, service=service
        )
        self.submitted = (frame, self.now)
        ticket = self.session.submit(frame, now=self.now)
        assert ticket not in self.tickets
        self.tickets.add(ticket)
        self.drain()
        if is_free and can_s is not None and can_s <= self.now:
            assert self.under_way is not None, "it said that a request may be made"
        if self.under_way is None:
            assert isinstance(self.outcomes[ticket], says.Refused)

    @precondition(lambda self: len(self.tickets) > 3)
    @rule()
    def the_port_closes(self):
        self.session.receive(b"", now=self.now)
        self.is_closed = True
        self.drain()
        assert self.under_way is None
        assert self.session.deadline() is None

    # --- what must hold -------------------------------------------------------------------

    def tick_in_vain(self, at_s: float, due_s: float) -> None:
        """Before a deadline a tick does nothing at all."""
        self.session.tick(now=at_s)
        assert list(self.session.events()) == []
        assert self.session.data_to_send() == b""
        assert self.session.deadline() == due_s

    def drain(self) -> None:
        was_sending = self.under_way is not None
        fresh = list(self.session.events())
        for event in fresh:
            self.told(event)
        data = self.session.data_to_send()
        n_sends = sum(data.count(word) for word in AIR_WORDS)
        assert n_sends == sum(isinstance(event, says.Requested) for event in fresh)
        assert not is_forbidden(data)
        if was_sending and self.under_way is not None:
            assert data == b"", "nothing is asked while feedback is awaited"
        due_s = self.session.deadline()
        assert due_s is None or due_s > self.now

    def told(self, event: object) -> None:
        match event:
            case CardRead(card=card) | says.CardChanged(card=card):
                self.card = card
            case says.StatusChanged(status=status):
                self.status = status
            case says.Requested():
                self.requested(event)
            case says.Accepted() | says.Refused() | says.Unknown():
                self.decided(event)
            case says.LateFeedback():
                assert self.given_up is not None
                assert self.given_up[0] == event.ticket
                if event.is_accepted:
                    self.sent[self.given_up[1]] = self.now
                self.given_up = None

    def requested(self, event: says.Requested) -> None:
        frame, at_s = self.submitted
        assert at_s == self.now
        assert self.under_way is None
        assert self.status in (TerminalStatus.READY, TerminalStatus.BUSY, TerminalStatus.DEAF)
        assert self.card is not None
        interval_s = (
            self.card.global_interval_s if frame.service is Service.GLOBAL else self.card.interval_s
        )
        assert interval_s
        last_s = self.sent.get(frame.service)
        if last_s is not None:
            assert self.now - last_s >= interval_s + MARGIN_S - 1e-9
        assert self.now >= self.not_before_s - 1e-9
        assert event.mark.at_s >= self.now
        self.under_way = (event.ticket, frame.service, self.now, False)
        self.given_up = None

    def decided(self, event: says.Accepted | says.Refused | says.Unknown) -> None:
        assert event.ticket not in self.outcomes, "two outcomes"
        self.outcomes[event.ticket] = event
        if isinstance(event, says.Refused) and not event.is_by_terminal:
            return
        assert self.under_way is not None
        ticket, service, at_s, _ = self.under_way
        assert event.ticket == ticket
        self.under_way = None
        if isinstance(event, says.Accepted):
            self.sent[service] = max(at_s, self.sent.get(service, at_s))
        elif isinstance(event, says.Unknown):
            self.sent[service] = self.now
            self.given_up = (ticket, service)
        else:
            assert event.wait_s is None or event.wait_s >= 0.0
            self.not_before_s = at_s + 15.0
            if event.reason is RefusalReason.BATTERY:
                self.not_before_s = max(self.not_before_s, self.now + 60.0)

    @invariant()
    def at_most_one_ticket_is_open(self):
        open_tickets = self.tickets - set(self.outcomes)
        expected = set() if self.under_way is None else {self.under_way[0]}
        assert open_tickets == expected

    @invariant()
    def memory_is_bounded(self):
        if hasattr(self, "session"):
            dialogue = self.session._dialogue
            assert len(dialogue._line._twins) <= 16
            assert len(dialogue._asker.inquiry._due_s) <= 5

    def teardown(self):
        if not hasattr(self, "session"):
            return
        # One late tick is enough for whatever was due.
        self.now += 1000.0
        self.session.tick(now=self.now)
        self.drain()
        assert set(self.outcomes) == self.tickets


def test_whatever_a_terminal_says():
    run_state_machine_as_test(
        TerminalMachine, settings=settings(max_examples=150, stateful_step_count=40)
    )


@pytest.mark.parametrize("family", [*Family, None])
@given(chunks=st.lists(st.tuples(ANY_SPEECH, TICKS), max_size=30))
@settings(max_examples=60)
def test_any_bytes_at_all_raise_nothing(family, chunks):
    session = TerminalSession(TerminalSpec(family=family), now=0.0)
    now = 0.0
    for data, pause_s in chunks:
        if data:
            session.receive(data, now=now)
        list(session.events())
        session.data_to_send()
        now += pause_s / 10
        session.tick(now=now)
        due_s = session.deadline()
        assert due_s is not None
        assert due_s > now


@pytest.mark.parametrize("family", list(Family))
@given(data=st.data())
@settings(max_examples=40)
def test_how_reads_are_cut_changes_nothing(family, data):
    frames = data.draw(st.lists(speech(family), min_size=1, max_size=8))
    stream = b"".join(frames)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=10)))
    logs = []
    for edges in ([0, len(stream)], [0, *cuts, len(stream)]):
        session = TerminalSession(TerminalSpec(family=family), now=0.0)
        for begin, end in pairwise(edges):
            if begin < end:
                session.receive(stream[begin:end], now=1.0)
        session.tick(now=10.0)
        logs.append((list(session.events()), session.data_to_send(), session.deadline()))
    assert logs[0] == logs[1]
