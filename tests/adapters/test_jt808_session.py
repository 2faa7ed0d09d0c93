"""The terminal's machine: registration, answers, repetition, backlog. Time is the test's own."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bdgw.adapters.jt808_frame import FrameStream, Received, encode_frame
from bdgw.adapters.jt808_message import MessageId, Reply, encode_reply
from bdgw.adapters.jt808_queue import ReportQueue
from bdgw.adapters.jt808_session import (
    CodeIssued,
    CodeRefused,
    Failed,
    Jt808Session,
    Ready,
)
from bdgw.adapters.spec import Edition
from tests.adapters.test_jt808_message import TERMINAL

HEARTBEAT_S = 60.0
SERIALS = itertools.count(1)


def begin(queue: ReportQueue, *, code: str | None = "code-1", now: float = 0.0) -> Jt808Session:
    return Jt808Session(
        TERMINAL,
        Edition.Y2019,
        queue,
        code=code,
        software="bdgw test",
        heartbeat_s=HEARTBEAT_S,
        next_serial=lambda: next(SERIALS) % 0x10000,
        now=now,
    )


def sent(session: Jt808Session) -> list[Received]:
    return FrameStream().receive(session.data_to_send())


def ids(found: list[Received]) -> list[int]:
    return [each.message_id for each in found]


def say(session: Jt808Session, message_id: int, body: bytes, now: float = 0.0) -> None:
    session.receive(
        encode_frame(message_id, body, phone=TERMINAL.phone, serial=1, edition=Edition.Y2019),
        now=now,
    )


def answer(session: Jt808Session, to: Received, result: int = 0, now: float = 0.0) -> None:
    reply = Reply(serial=to.serial, message_id=to.message_id, result=result)
    say(session, MessageId.PLATFORM_REPLY, encode_reply(reply), now)


def ready(queue: ReportQueue, now: float = 0.0) -> Jt808Session:
    session = begin(queue, now=now)
    (asked,) = sent(session)
    assert asked.message_id == MessageId.AUTHENTICATE
    answer(session, asked, now=now)
    assert list(session.events()) == [Ready()]
    return session


def filled(count: int, max_waiting: int = 1000) -> ReportQueue:
    queue = ReportQueue(max_waiting)
    for number in range(count):
        queue.put(number.to_bytes(31), "b", number)
    return queue


def test_without_a_code_it_registers_and_then_authenticates():
    session = begin(ReportQueue(10), code=None)
    (register,) = sent(session)
    assert register.message_id == MessageId.REGISTER
    say(session, MessageId.REGISTER_REPLY, register.serial.to_bytes(2) + b"\0secret")
    assert list(session.events()) == [CodeIssued("secret")]
    (authenticate,) = sent(session)
    assert authenticate.body.startswith(b"\x06secret860000000000018bdgw test\0")
    answer(session, authenticate)
    assert list(session.events()) == [Ready()]


@pytest.mark.parametrize("result", [1, 2, 3, 4, 9])
def test_a_refused_registration_is_told_in_words(result: int):
    session = begin(ReportQueue(10), code=None)
    (register,) = sent(session)
    say(session, MessageId.REGISTER_REPLY, register.serial.to_bytes(2) + bytes((result,)))
    (failed,) = session.events()
    assert isinstance(failed, Failed)
    assert failed.is_refusal
    assert failed.reason.startswith("not registered: ")
    assert session.deadline() is None


def test_a_code_that_is_refused_is_forgotten():
    session = begin(ReportQueue(10))
    answer(session, sent(session)[0], result=1)
    forgotten, failed = session.events()
    assert forgotten == CodeRefused()
    assert isinstance(failed, Failed)


def test_no_report_goes_out_before_the_platform_has_let_it_in():
    queue = filled(3)
    session = begin(queue)
    sent(session)
    session.flush(now=0.0)
    assert sent(session) == []
    assert queue.n_waiting == 3


def test_what_waited_goes_in_batches_and_what_is_of_now_by_itself():
    queue = filled(61)
    session = ready(queue)
    found = sent(session)
    queue.put(b"n" * 28, "b", 70)
    session.flush(now=0.0)
    found += sent(session)
    for _ in range(2):
        now = session.deadline() or 0.0
        session.tick(now=now)
        found += sent(session)
        answer(session, found[0], now=now)
    assert ids(found) == [
        MessageId.LOCATION_BATCH,  # it had been sent when the report of now came
        MessageId.LOCATION,
        MessageId.LOCATION_BATCH,
        MessageId.LOCATION_BATCH,
    ]
    assert [int.from_bytes(each.body[:2]) for each in found if each is not found[1]] == [30, 30, 1]
    assert {each.body[2] for each in found if each is not found[1]} == {1}
    for each in found[1:]:
        answer(session, each, now=1.0)
    assert (len(queue), queue.n_acked) == (0, 62)


def test_a_report_of_now_never_waits_for_the_backlog():
    queue = filled(1000)
    session = ready(queue)
    found = sent(session)
    for now in (1.0, 2.0, 3.0):
        session.tick(now=now)
        found += sent(session)
    # Nothing is answered, and there is room for reports of now.
    assert ids(found) == [MessageId.LOCATION_BATCH] * 2
    for number in range(6):
        queue.put(b"n" * 28, "b", 1000 + number)
        session.flush(now=4.0)
        assert ids(sent(session)) == [MessageId.LOCATION]


def test_the_backlog_goes_at_a_limited_rate():
    queue = filled(1000)
    session = ready(queue)
    now, n_told = 0.0, 0
    while now < 5.0:
        for each in sent(session):
            n_told += len(reports_of(each))
            answer(session, each, now=now)
        deadline = session.deadline()
        assert deadline is not None
        assert deadline > now
        now = deadline
        session.tick(now=now)
    assert 470 <= n_told <= 530


def test_a_batch_that_is_refused_is_sent_one_by_one():
    queue = filled(3)
    session = ready(queue)
    (batch,) = sent(session)
    answer(session, batch, result=3)
    now = 0.0
    single = []
    for result in (0, 2, 0):
        now = session.deadline() or 0.0
        session.tick(now=now)
        (found,) = sent(session)
        single.append(found)
        answer(session, found, result=result, now=now)
    assert ids(single) == [MessageId.LOCATION] * 3
    assert (queue.n_acked, queue.n_rejected, len(queue)) == (2, 1, 0)


def test_an_unanswered_message_is_repeated_and_then_given_up():
    queue = ReportQueue(10)
    session = ready(queue)
    queue.put(b"n" * 28, "b", 0)
    session.flush(now=0.0)
    (report,) = sent(session)
    # T(N+1) = T(N) x (N+1): ten seconds, then twenty, then sixty.
    for due_s in (10.0, 30.0):
        assert session.deadline() == due_s
        session.tick(now=due_s - 0.1)
        assert sent(session) == []
        session.tick(now=due_s)
        assert sent(session) == [report]
    session.tick(now=89.9)
    assert list(session.events()) == []
    session.tick(now=90.0)
    (failed,) = session.events()
    assert isinstance(failed, Failed)
    assert failed.reason == "no answer to 0x0200"
    assert queue.n_waiting == 1


def test_silence_is_kept_alive():
    session = ready(ReportQueue(10))
    assert session.deadline() == HEARTBEAT_S
    session.tick(now=HEARTBEAT_S)
    (beat,) = sent(session)
    assert (beat.message_id, beat.body) == (MessageId.HEARTBEAT, b"")
    answer(session, beat, now=HEARTBEAT_S + 1)
    assert session.deadline() == 2 * HEARTBEAT_S


def test_what_the_platform_asks_for_is_answered_with_not_supported():
    session = ready(ReportQueue(10))
    say(session, 0x8104, b"")
    (reply,) = sent(session)
    assert reply.message_id == MessageId.TERMINAL_REPLY
    assert reply.body == bytes.fromhex("0001810403")
    assert session.n_unsupported == 1


def test_answers_that_nobody_waits_for_change_nothing():
    queue = ReportQueue(10)
    session = ready(queue)
    queue.put(b"n" * 28, "b", 0)
    session.flush(now=0.0)
    (report,) = sent(session)
    reply = Reply(serial=(report.serial + 5) % 0x10000, message_id=0x0200, result=0)
    say(session, MessageId.PLATFORM_REPLY, encode_reply(reply))
    wrong = Reply(serial=report.serial, message_id=0x0002, result=0)
    say(session, MessageId.PLATFORM_REPLY, encode_reply(wrong))
    say(session, MessageId.PLATFORM_REPLY, b"cut")
    session.receive(b"\x7ejunk\x7e", now=0.0)
    assert queue.n_acked == 0
    assert session.n_bad == 2
    answer(session, report)
    assert queue.n_acked == 1


def test_a_platform_that_closes_ends_it_and_nothing_is_lost():
    queue = filled(5)
    session = ready(queue)
    assert len(sent(session)) == 1
    session.receive(b"", now=1.0)
    assert list(session.events()) == [Failed("the platform closed the connection")]
    assert queue.n_waiting == 5
    # Whatever still comes is for nobody.
    say(session, 0x8104, b"")
    assert sent(session) == []
    session.tick(now=100.0)
    assert session.deadline() is None


def test_a_registration_answered_in_the_general_way():
    session = begin(ReportQueue(10), code=None)
    (register,) = sent(session)
    # Some platforms say "heard" first; the code is yet to come.
    answer(session, register, result=0)
    assert list(session.events()) == []
    say(session, MessageId.REGISTER_REPLY, register.serial.to_bytes(2) + b"\0secret")
    assert list(session.events()) == [CodeIssued("secret")]
    other = begin(ReportQueue(10), code=None)
    answer(other, sent(other)[0], result=2)
    (failed,) = other.events()
    assert failed == Failed("not registered: result 2", is_refusal=True)


def test_an_answer_to_a_registration_that_nobody_waits_for():
    session = ready(ReportQueue(10))
    say(session, MessageId.REGISTER_REPLY, b"\0\0\0code")
    assert list(session.events()) == []


def test_a_part_of_a_message_is_not_read():
    session = ready(ReportQueue(10))
    frame = bytearray(
        encode_frame(0x8300, b"\0\2\0\1text", phone="1", serial=9, edition=Edition.Y2013)[1:-1]
    )
    # The split flag, a length without the four bytes of the parts, and the checksum put right.
    frame[2:4] = (0x2000 | 4).to_bytes(2)
    frame[-1] ^= 0x20 ^ 8 ^ 4
    session.receive(b"\x7e" + bytes(frame) + b"\x7e", now=0.0)
    (reply,) = sent(session)
    assert reply.body == bytes.fromhex("0009830003")


def test_a_full_queue_gives_up_the_oldest():
    queue = filled(15, max_waiting=10)
    assert (len(queue), queue.n_dropped) == (10, 5)
    assert [report.id for report in queue.backlog(99, 99)] == list(range(6, 16))


class Lossy(RuleBasedStateMachine):
    """A platform that answers late, never, twice or with no, on connections that break."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.queue = ReportQueue(10_000)
        self.put: set[bytes] = set()
        self.taken: list[bytes] = []
        self.refused: set[bytes] = set()
        self.unanswered: list[Received] = []
        self.session: Jt808Session | None = None

    def collect(self) -> None:
        if self.session is None:
            return
        self.unanswered += sent(self.session)
        if any(isinstance(event, Failed) for event in self.session.events()):
            self.unanswered.clear()
            self.session = None

    @rule()
    def connect(self) -> None:
        if self.session is not None:
            self.queue.release_all()
        self.unanswered.clear()
        self.session = begin(self.queue, now=self.now)
        self.collect()

    @rule(count=st.integers(1, 60))
    def report(self, count: int) -> None:
        for _ in range(count):
            body = len(self.put).to_bytes(31)
            self.put.add(body)
            self.queue.put(body, "b", len(self.put))
        if self.session is not None:
            self.session.flush(now=self.now)
        self.collect()

    @rule(data=st.data(), result=st.sampled_from([0, 0, 0, 0, 1, 3, 4]), is_heard=st.booleans())
    def reply(self, data: st.DataObject, result: int, is_heard: bool) -> None:
        if not self.unanswered or self.session is None:
            return
        message = data.draw(st.sampled_from(self.unanswered))
        if message.message_id == MessageId.AUTHENTICATE:
            result = 0
        if result in (0, 4):
            self.taken += reports_of(message)
        elif message.message_id == MessageId.LOCATION and is_heard:
            self.refused |= set(reports_of(message))
        if is_heard:
            answer(self.session, message, result, self.now)
        self.collect()

    @rule(seconds=st.floats(0.0, 50.0))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        if self.session is not None:
            self.session.tick(now=self.now)
        self.collect()

    @invariant()
    def what_is_forgotten_has_been_taken_or_refused(self) -> None:
        assert self.queue.n_dropped == 0
        held = len(self.queue)
        assert held + self.queue.n_acked + self.queue.n_rejected == len(self.put)
        assert len(set(self.taken) | self.refused) >= len(self.put) - held

    def teardown(self) -> None:
        # However bad it was: a platform that answers gets everything.
        self.queue.release_all()
        session = ready(self.queue, self.now)
        while len(self.queue):
            self.now += 1.0
            session.flush(now=self.now)
            found = sent(session)
            assert found
            for message in found:
                self.taken += reports_of(message)
                answer(session, message, 0, self.now)
        assert set(self.taken) | self.refused == self.put


def reports_of(message: Received) -> list[bytes]:
    if message.message_id == MessageId.LOCATION:
        return [message.body]
    if message.message_id != MessageId.LOCATION_BATCH:
        return []
    found, rest = [], message.body[3:]
    while rest:
        length = int.from_bytes(rest[:2])
        found.append(rest[2 : 2 + length])
        rest = rest[2 + length :]
    return found


TestLossy: Any = Lossy.TestCase
TestLossy.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
