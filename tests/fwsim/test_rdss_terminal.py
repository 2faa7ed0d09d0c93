"""Terminals in virtual time: refusals in the words of each family, reports, faults."""

import itertools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwsim.rdss_bd1 import encode, take_frame
from fwsim.rdss_card import Card, Family
from fwsim.rdss_fault import KINDS, fault_of
from fwsim.rdss_manner import CHATTY, Manner
from fwsim.rdss_network import SimNetwork
from fwsim.rdss_sentence import sentence
from fwsim.rdss_spec import NetworkSpec, Outage, TerminalSpec
from fwsim.rdss_terminal import SimTerminal
from fwsim.rdss_word import Outcome

CARD = Card(address=175_607, interval_s=60, level=3)
QUIET = Manner(banner=())


def spec(family, *, name="a", card=CARD, manner=QUIET, **more):
    more.setdefault("power_every_s", 0.0)
    return TerminalSpec(name=name, family=family, card=card, manner=manner, **more)


def message(family, to=9, data=b"\x12\x34", *, form="code"):
    """Build what a host sends, apart from the speakers."""
    if family is Family.BD1:
        info = 0x44 if form == "hanzi" else 0x46
        fields = {"info": info, "peer_address": to, "length_bits": 8 * len(data), "ack_flag": 0}
        return encode("TXSQ", 0, {**fields, "content": data})
    content = data if form == "hanzi" else data.hex().upper().encode()
    if family is Family.BD2:
        digit = {"hanzi": "0", "code": "1", "mixed": "2"}[form]
        return sentence("CCTXA", f"{to:07d}", "1", digit, content)
    digit = {"hanzi": "1", "code": "2", "mixed": "3"}[form]
    return sentence("CCTCQ", str(to), "2", "1", digit, content, "0")


def answers(data):
    """Cut what a terminal said into frames (name, fields or body) and sentences."""
    found: list[tuple[str, Any]] = []
    buffer = bytearray(data)
    while b"$" in buffer:
        frame, _ = take_frame(probe := bytearray(buffer))
        if frame is not None:
            found.append((frame.name, frame))
            buffer = probe
        else:
            break
    for line in re.findall(rb"\$(BD[A-Z]{3}[^\r]*)\*[0-9A-Fa-f]{2}\r\n", bytes(data)):
        name, *fields = line.split(b",")
        found.append((name.decode(), [field.decode("gbk") for field in fields]))
    return found


def ask(terminal, data, now, *, for_s=20.0):
    """Send something and wait; return the answers."""
    terminal.receive(data, now)
    terminal.advance(now + for_s)
    return answers(terminal.data_to_send())


def refusal(family, answer):
    """Read a feedback in a family's own way: (outcome, wait)."""
    name, fields = answer
    if family is Family.BD1:
        assert name == "FKXX"
        flag, extra = fields.body[0], fields.body[1:]
        return flag, int.from_bytes(extra, "little") if flag == 4 else extra.decode()
    assert name == "BDFKI"
    return fields[1:] if family is Family.BD2 else fields[2:]


FAMILIES = list(Family)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_interval_is_enforced_and_the_rest_of_it_told(family):
    terminal = SimTerminal(spec(family))
    (first,) = ask(terminal, message(family), 10.0)
    (early,) = ask(terminal, message(family), 40.0)
    (due,) = ask(terminal, message(family), 70.0)
    accepted, too_early = {
        Family.BD1: ((0, "TXSQ"), (4, 30)),
        Family.BD2: (["Y", "Y", "0"], ["N", "Y", "0", "0030"]),
        Family.BD3: (["Y", "0", "0"], ["N", "1", "30"]),
    }[family]
    for answer in (first, due):
        said = refusal(family, answer)
        assert (said[:3] if family is Family.BD2 else said) == accepted
    assert refusal(family, early) == too_early
    assert terminal.counters["accepted"] == 2
    assert terminal.counters["too_early"] == 1
    assert terminal.counters["on_air"] == 2


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("fault", "wanted"),
    [
        ("no_lock", ((2, "TXSQ"), ["N", "Y", "0", "0000"], ["N", "4", "0"])),
        ("suppressed", ((7, "TXSQ"), ["N", "Y", "1", "0000"], ["N", "2", "0"])),
        ("silent", ((8, "TXSQ"), ["N", "Y", "3", "0000"], ["N", "3", "0"])),
        ("battery", ((3, "TXSQ"), ["N", "Y", "2", "0000"], ["N", "6", "0"])),
        ("remove", ((1, "TXSQ"), ["N", "Y", "0", "0000"], ["N", "5", "0"])),
    ],
)
def test_each_family_refuses_in_its_own_words(family, fault, wanted):
    terminal = SimTerminal(spec(family))
    terminal.change(fault_of(fault, {}))
    (answer,) = ask(terminal, message(family), 10.0)
    assert refusal(family, answer) == wanted[FAMILIES.index(family)]
    assert terminal.counters["on_air"] == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_the_level_is_enforced_in_bits_on_air(family):
    card = Card(address=7, level=3)
    text = ("北" * 44).encode("gbk")
    more = {"level_bits": 628} if family is Family.BD3 else {}
    terminal = SimTerminal(spec(family, card=card, **more))
    ask(terminal, message(family, data=text, form="hanzi"), 0.0)
    assert terminal.counters["accepted"] == 1
    ask(terminal, message(family, data=text + b"\xb1\xb1", form="hanzi"), 100.0)
    ask(terminal, message(family, data=bytes(79), form="code"), 200.0)
    assert terminal.counters["permission"] == 2
    ask(terminal, message(family, data=bytes(78), form="code"), 300.0)
    assert terminal.counters["accepted"] == 2


def test_some_terminals_cut_silently_what_is_too_long():
    network = SimNetwork(NetworkSpec())
    terminal = network.add(spec(Family.BD2, manner=Manner(banner=(), oversize="cut")))
    (answer,) = ask(terminal, message(Family.BD2, data=bytes(range(100))), 0.0)
    assert answer[1][1] == "Y"
    assert network.truth[0].content.n_bits == 157 * 4
    assert network.truth[0].content.data[:78] == bytes(range(78))


def test_feedback_comes_between_two_and_fifteen_seconds():
    times: list[float] = []
    for seed in range(60):
        terminal = SimTerminal(spec(Family.BD3), seed=str(seed))
        terminal.receive(message(Family.BD3), 0.0)
        due_s: float | None = None
        while not terminal.data_to_send():
            due_s = terminal.deadline()
            assert due_s is not None
            terminal.advance(due_s)
        assert due_s is not None
        times.append(due_s)
    assert 2.0 <= min(times) < 4.0
    assert 13.0 < max(times) <= 15.0


def test_the_card_is_read_in_every_family_and_missed_in_its_own_way():
    reads = {
        Family.BD1: bytes.fromhex("2449434a43000c000000002b"),
        Family.BD2: b"$CCICA,0,00*7B\r\n",
        Family.BD3: b"$CCICR,0,00*68\r\n",
    }
    for family, read in reads.items():
        terminal = SimTerminal(spec(family))
        ((name, said),) = ask(terminal, read, 0.0)
        if family is Family.BD1:
            assert (name, said.address, said.body[5:7]) == ("ICXX", 175_607, b"\x00\x3c")
        else:
            assert int(said[0]) == 175_607
        terminal.change(fault_of("remove", {}))
        ((name, said),) = ask(terminal, read, 50.0)
        if family is Family.BD1:
            assert (name, said.body) == ("FKXX", b"\x01ICJC")
        else:
            assert said[0] == ("2097151" if family is Family.BD2 else "0")


def test_reports_repeat_until_they_are_stopped_and_show_the_beams():
    network = SimNetwork(NetworkSpec(outages=(Outage(from_s=15.0, to_s=25.0),)))
    terminal = network.add(spec(Family.BD2, beams={3: 4, 5: 2}))
    terminal.receive(sentence("CCRMO", "BSI", "2", "10"), 0.0)
    network.advance(35.0)
    said = [fields for _, fields in answers(terminal.data_to_send())]
    assert [row[:2] for row in said] == [["03", "05"], ["03", "05"], ["00", "00"], ["03", "05"]]
    assert [row[4] for row in said] == ["4", "4", "0", "4"]
    assert ask(terminal, sentence("CCRMO", "", "3", ""), 36.0, for_s=60.0) == []


def test_self_check_tells_suppression_silence_battery_and_the_missing_card():
    terminal = SimTerminal(spec(Family.BD1))
    check = bytes.fromhex("2458545a4a000d000000000035")
    ((name, healthy),) = ask(terminal, check, 0.0)
    assert (name, healthy.body[:4].hex()) == ("ZJXX", "01006402")
    for kind in ("suppressed", "silent", "battery", "remove"):
        terminal.change(fault_of(kind, {}))
    ((_, sick),) = ask(terminal, check, 30.0)
    assert sick.body[:4].hex() == "08000501"


def test_the_state_of_a_2_1_terminal_shows_power_and_antenna():
    terminal = SimTerminal(spec(Family.BD2))
    question = sentence("CCRMO", "ZTI", "2", "0")
    assert ask(terminal, question, 0.0) == [("BDZTI", ["03", "100", "400"])]
    terminal.change(fault_of("battery", {}))
    terminal.change(fault_of("antenna", {}))
    assert ask(terminal, question, 30.0) == [("BDZTI", ["09", "5", "20"])]
    ((_, check),) = ask(terminal, sentence("CCRMO", "ZJX", "2", "0"), 60.0)
    assert check == ["1", "1", "5", "2", *["0"] * 10]
    ((_, refused),) = ask(terminal, message(Family.BD2), 90.0)
    assert refused == ["TXA", "N", "Y", "2", "0000"]


def test_time_version_and_serial_number():
    terminal = SimTerminal(spec(Family.BD1, card=Card(address=5, serial=77)))
    questions = (encode("SJSC", 0, {"interval_s": 0}), encode("BBDQ", 0), encode("XHDQ", 0))
    said = ask(terminal, b"".join(questions), 61.0)
    assert [name for name, _ in said] == ["SJXX", "BBXX", "XHXX"]
    assert said[0][1].body.hex() == "07ea" + "0101" + "000101"
    assert said[1][1].body == b"SIM 1.0"
    assert said[2][1].body == (77).to_bytes(4, "big")


def test_a_reboot_cuts_a_frame_and_forgets_what_was_under_way():
    terminal = SimTerminal(spec(Family.BD3, manner=CHATTY, power_every_s=1.0))
    terminal.advance(3.0)
    assert b"READY\r\n" in terminal.data_to_send()
    terminal.receive(message(Family.BD3), 3.0)
    terminal.advance(4.0)
    terminal.data_to_send()
    terminal.change(fault_of("reboot", {"boot_s": 5.0}))
    torn = terminal.data_to_send()
    assert torn.startswith(b"$")
    assert b"*" not in torn
    terminal.receive(b"$CCICR,0,00*68\r\n", 5.0)
    terminal.advance(8.9)
    assert terminal.data_to_send() == b""
    terminal.advance(30.0)
    said = terminal.data_to_send()
    assert b"READY\r\n" in said
    assert b"BDFKI" not in said
    assert terminal.counters["bytes_unheard"] == 16


@pytest.mark.parametrize(("keeps", "n_accepted"), [(True, 1), (False, 2)])
def test_a_restart_may_forget_the_interval(keeps, n_accepted):
    network = SimNetwork(NetworkSpec())
    terminal = network.add(spec(Family.BD2, manner=Manner(banner=(), keeps_interval=keeps)))
    ask(terminal, message(Family.BD2), 0.0)
    terminal.change(fault_of("reboot", {}))
    ask(terminal, message(Family.BD2), 30.0)
    assert terminal.counters["accepted"] == n_accepted
    # The satellites do not forget.
    assert network.counters["interval_violations"] == n_accepted - 1


def test_a_brownout_sends_the_message_and_tears_the_feedback():
    network = SimNetwork(NetworkSpec())
    terminal = network.add(spec(Family.BD2))
    terminal.change(fault_of("brownout", {"boot_s": 2.0}))
    terminal.receive(message(Family.BD2), 0.0)
    network.advance(30.0)
    said = terminal.data_to_send()
    assert said.startswith(b"$")
    assert b"\n" not in said
    assert len(network.truth) == 1
    ((_, card),) = ask(terminal, b"$CCICA,0,00*7B\r\n", 40.0)
    assert card[0] == "0175607"


def test_feedback_may_be_lost_or_late():
    terminal = SimTerminal(spec(Family.BD3))
    terminal.change(fault_of("lose_feedback", {"count": 1}))
    assert ask(terminal, message(Family.BD3), 0.0, for_s=59.0) == []
    terminal.change(fault_of("late_feedback", {"delay_s": 40.0}))
    assert ask(terminal, message(Family.BD3), 60.0, for_s=41.0) == []
    assert len(ask(terminal, b"", 110.0)) == 1
    assert terminal.counters["accepted"] == 2


def test_deaf_and_dead_terminals():
    terminal = SimTerminal(spec(Family.BD3, power_every_s=1.0))
    terminal.change(fault_of("deaf", {"for_s": 10.0}))
    said = ask(terminal, b"$CCICR,0,00*68\r\n", 1.0, for_s=8.0)
    assert {name for name, _ in said} == {"BDPWI"}
    terminal.advance(20.0)
    terminal.data_to_send()
    terminal.change(fault_of("dead", {}))
    assert ask(terminal, b"$CCICR,0,00*68\r\n", 21.0, for_s=100.0) == []
    terminal.change(fault_of("none", {}))
    said = ask(terminal, b"$CCICR,0,00*68\r\n", 125.0)
    assert {name for name, _ in said} == {"BDICP", "BDPWI"}


def test_another_card_goes_in_after_a_pause():
    terminal = SimTerminal(spec(Family.BD2))
    other = {"address": 99, "interval_s": 40, "level": 2}
    terminal.change(fault_of("swap", {"card": other, "for_s": 5.0}))
    ((_, nothing),) = ask(terminal, b"$CCICA,0,00*7B\r\n", 1.0, for_s=1.0)
    ((_, card),) = ask(terminal, b"$CCICA,0,00*7B\r\n", 6.0)
    assert (nothing[0], card[0], card[4], card[5]) == ("2097151", "0000099", "40", "2")


def test_serial_bytes_are_damaged_both_ways():
    terminal = SimTerminal(spec(Family.BD2))
    terminal.change(fault_of("corrupt", {"p": 0.05, "for_s": 1000.0}))
    good = 0
    for i in range(200):
        terminal.receive(b"$CCICA,0,00*7B\r\n", i * 5.0)
        terminal.advance(i * 5.0 + 2.0)
        good += b"$BDICI,0175607,00000000,0000000,6,60,3,N,000*" in terminal.data_to_send()
    # Neither 16 bytes there nor some 48 back may be hit: 0.95 ** 64 is 4 %.
    assert 0 < good < 100
    assert terminal.bad_commands() > 20
    assert len(ask(terminal, b"$CCICA,0,00*7B\r\n", 2000.0)) == 1


def test_half_a_command_is_forgotten_after_a_second():
    terminal = SimTerminal(spec(Family.BD2))
    terminal.receive(b"$CCICA,0,", 0.0)
    assert len(ask(terminal, b"00*7B\r\n", 0.9)) == 1
    terminal.receive(b"$CCICA,0,", 30.0)
    assert ask(terminal, b"00*7B\r\n", 31.1) == []
    assert terminal.counters["half_commands"] == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_what_no_gateway_may_send_does_its_harm(family):
    fatal = {
        Family.BD1: encode("JJZH", 0, {"magic": bytes.fromhex("55aaaa55")}),
        Family.BD2: sentence("CCZHS", "1"),
        Family.BD3: sentence("CCZHS", "1"),
    }[family]
    terminal = SimTerminal(spec(family))
    assert ask(terminal, fatal, 0.0) == []
    terminal.change(fault_of("none", {}))
    terminal.change(fault_of("reboot", {}))
    assert terminal.is_destroyed
    assert ask(terminal, message(family), 50.0) == []


def test_an_early_request_may_wait_in_the_terminal():
    network = SimNetwork(NetworkSpec())
    terminal = network.add(spec(Family.BD1, manner=Manner(banner=(), caches_early=True)))
    for i in range(7):
        terminal.receive(message(Family.BD1), float(i))
    network.advance(1000.0)
    times = [message.t_s for message in network.truth]
    assert times == [0.5 + 60.0 * i for i in range(5)]
    assert terminal.counters["too_early"] == 2
    assert network.counters["interval_violations"] == 0


def test_a_second_request_before_the_feedback_is_refused():
    card = Card(address=5, interval_s=1)
    terminal = SimTerminal(spec(Family.BD3, card=card, feedback_s=(9.0, 9.0)))
    terminal.receive(message(Family.BD3), 0.0)
    first, second = ask(terminal, message(Family.BD3), 3.0)
    assert (first[1][2:], second[1][2:]) == (["N", "1", "6"], ["Y", "0", "0"])


@given(
    st.sampled_from(FAMILIES),
    st.lists(
        st.tuples(
            st.floats(0.0, 30.0),
            st.one_of(
                st.binary(max_size=60),
                st.sampled_from(sorted(set(KINDS) - {"swap"})),
                st.sampled_from(["send", "card"]),
            ),
        ),
        max_size=25,
    ),
)
def test_nothing_breaks_a_terminal_and_two_in_an_interval_are_never_on_air(family, steps):
    network = SimNetwork(NetworkSpec(loss=0.2, duplicate=0.2, damage=0.2))
    terminal = network.add(spec(family, power_every_s=None))
    now = 0.0
    for pause, step in steps:
        now += pause
        if isinstance(step, bytes):
            terminal.receive(step, now)
        elif step == "send":
            terminal.receive(message(family, to=175_607), now)
        elif step in KINDS:
            network.advance(now)
            terminal.change(fault_of(step, {"for_s": 20.0} if step == "dead" else {}))
    network.advance(now + 100.0)
    times = [message.t_s for message in network.truth]
    assert all(b - a >= 60.0 - 1e-6 for a, b in itertools.pairwise(times))
    assert network.counters["interval_violations"] == 0
    assert sum(network.counters[f"refused_{outcome.value}"] for outcome in Outcome) == sum(
        terminal.counters[outcome.value] for outcome in Outcome if outcome is not Outcome.ACCEPTED
    )
    assert all(message.fate != "under_way" for message in network.truth)
