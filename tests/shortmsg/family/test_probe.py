import pytest

from bdgw.shortmsg.family import ProbeMachine, codec_of
from bdgw.shortmsg.family.probe import ANSWER_S
from bdgw.shortmsg.vocabulary import Family
from tests.shortmsg.family.writer import bd1, line

ICXX = bytes.fromhex("2449435858001602adf70000000b06003c0300000052")
ICI = line("BDICI,0166166,02097151,0000011,6,40,3,N,000")
ICI_OF_BD3 = line("BDICI,4207733,0,0,3,60,2,N,22")
ICP = line("BDICP,4238473,0,0,3,0,N,2,N,1,0,0,3,1,60,2,0,0,0,0,21,0,0,0")
PWI = line("BDPWI,000000.00,0,0")
QUESTIONS = [codec_of(family).read_card() for family in Family]


def started() -> ProbeMachine:
    probe = ProbeMachine()
    probe.start(now=10.0)
    return probe


def asked(n: int) -> ProbeMachine:
    """So many questions were asked, the others without answer."""
    probe = started()
    for i in range(1, n):
        probe.tick(now=10.0 + i * ANSWER_S)
    return probe


def test_the_families_are_asked_in_order_and_each_has_its_time():
    probe = ProbeMachine()
    probe.start(now=10.0)
    assert probe.data_to_send() == QUESTIONS[0]
    assert probe.data_to_send() == b""
    assert probe.deadline() == 13.0
    probe.tick(now=12.99)
    assert probe.data_to_send() == b""
    probe.tick(now=13.0)
    assert probe.data_to_send() == QUESTIONS[1]
    probe.tick(now=16.0)
    assert probe.data_to_send() == QUESTIONS[2]
    assert not probe.is_finished
    probe.tick(now=19.0)
    assert (probe.is_finished, probe.family, probe.deadline()) == (True, None, None)


@pytest.mark.parametrize(
    ("answer", "n_asked", "family"),
    [
        (ICXX, 1, Family.BD1),
        (ICI, 2, Family.BD2),
        (ICP, 3, Family.BD3),
        (ICXX, 2, Family.BD1),  # late
        (ICI, 3, Family.BD2),  # late
        (ICP, 2, Family.BD3),  # told without being asked
    ],
)
def test_the_first_that_answers_is_it(answer, n_asked, family):
    probe = asked(n_asked)
    probe.receive_frame(answer, now=30.0)
    assert (probe.is_finished, probe.family) == (True, family)
    assert probe.deadline() is None


def test_a_terminal_without_card_answers_too():
    probe = asked(2)
    probe.receive_frame(line("BDICI,2097151,00000000,2097151,0,9999.0,0,N,0"), now=14.0)
    assert probe.family is Family.BD2


@pytest.mark.parametrize("n_asked", [2, 3])
def test_a_bd3_box_that_answers_for_family_2_is_asked_for_bd3(n_asked):
    probe = asked(n_asked)
    probe.data_to_send()
    probe.receive_frame(ICI_OF_BD3, now=14.0)
    assert not probe.is_finished
    assert probe.data_to_send() == (QUESTIONS[2] if n_asked == 2 else b"")
    probe.receive_frame(ICP, now=15.0)
    assert probe.family is Family.BD3


def test_if_it_does_not_answer_that_it_is_of_family_2():
    probe = asked(2)
    probe.receive_frame(ICI_OF_BD3, now=14.0)
    probe.tick(now=17.0)
    assert (probe.is_finished, probe.family) == (True, Family.BD2)


def test_beams_of_bd3_are_a_hint():
    probe = asked(2)
    probe.receive_frame(PWI, now=14.0)
    assert not probe.is_finished
    probe.receive_frame(ICI, now=14.1)
    assert not probe.is_finished
    probe.receive_frame(ICP, now=14.2)
    assert probe.family is Family.BD3


def test_a_probe_that_may_not_ask_for_bd3_takes_family_2():
    probe = ProbeMachine(order=(Family.BD2,))
    probe.start(now=0.0)
    probe.receive_frame(ICI_OF_BD3, now=1.0)
    assert probe.family is Family.BD2


@pytest.mark.parametrize(
    "frame",
    [
        *QUESTIONS,  # an echo: the line is looped back
        bd1("GLZK", 0, 0, 0, 0, 0, 0),
        bd1("ICXX", 0, 1),  # malformed
        line("GNRMC,,V,,,,,,,,,,N"),
        line("BDICI,x"),
    ],
)
def test_what_is_no_card_is_no_answer(frame):
    probe = started()
    probe.receive_frame(frame, now=11.0)
    assert not probe.is_finished


def test_after_the_end_nothing_changes_it():
    probe = started()
    probe.receive_frame(ICXX, now=11.0)
    probe.receive_frame(ICP, now=11.5)
    probe.tick(now=100.0)
    assert probe.family is Family.BD1
    assert probe.data_to_send() == b""
