"""The board of terminals, the session as a port has it, and the lines that judge health."""

from __future__ import annotations

import msgspec
import pytest

from bdgw.messaging import SkippedBytes
from bdgw.messaging.board import TerminalBoard, terminal_object
from bdgw.messaging.port import TerminalPort
from bdgw.receiver import FramesSeen
from bdgw.shortmsg import terminal_event as says
from bdgw.shortmsg.interval import SendMark
from bdgw.shortmsg.terminal import TerminalSession, TerminalSpec
from bdgw.shortmsg.terminal_health import TerminalStatus
from bdgw.shortmsg.vocabulary import (
    Card,
    CardRead,
    Family,
    NoCard,
    RefusalReason,
    Service,
    VersionSeen,
)
from bdgw.status.messages import terminals_down
from fwsim import rdss_card
from fwsim.rdss_network import SimNetwork
from fwsim.rdss_spec import TerminalSpec as SimSpec

CARD = Card(address=142019, interval_s=60, level=3, is_encrypted=False)
MARK = SendMark(service=Service.REGIONAL, at_s=0.0)


def status(name: TerminalStatus) -> says.StatusChanged:
    return says.StatusChanged(status=name, reason="so it is")


def test_the_board_before_anything_is_known() -> None:
    board = TerminalBoard({"a": None, "b": None}, now=10.0)
    one, other = board.snapshots(15.0)
    assert (one.terminal, other.terminal) == ("a", "b")
    value = terminal_object(one)
    assert value["status"] == "closed"
    assert value["status_age_s"] == 5.0
    assert not {"card", "family", "beams", "self_check", "version"} & set(value)
    assert None not in value.values()


def test_a_family_that_is_configured_is_known() -> None:
    (one,) = TerminalBoard({"a": Family.BD3}, now=0.0).snapshots(0.0)
    assert one.family is Family.BD3


def test_the_board_counts_what_terminals_say_of_requests() -> None:
    board = TerminalBoard({"a": None}, now=0.0)
    for event in (
        CardRead(card=CARD),
        VersionSeen(text="1.0"),
        says.FamilyFound(family=Family.BD2),
        says.Requested(ticket=1, mark=MARK),
        says.Accepted(ticket=1, mark=MARK),
        says.Refused(ticket=2, reason=RefusalReason.BUSY, is_by_terminal=False),
        says.Refused(ticket=3, reason=RefusalReason.NO_LOCK),
        says.Unknown(ticket=4, mark=MARK, text="no feedback"),
        says.Rebooted(text="BOOT"),
    ):
        board.take("a", event, now=1.0)
    value = terminal_object(board.snapshots(2.0)[0])
    counts = {name: n for name, n in value.items() if name.startswith("n_") and n}
    assert counts == {
        "n_requested": 1,
        "n_accepted": 1,
        "n_refused": 1,
        "n_unknown": 1,
        "n_restarts": 1,
    }
    assert value["card"]["address"] == 142019
    assert (value["version"], value["family"]) == ("1.0", "bd2-2.1")
    assert msgspec.json.encode(value)
    board.take("a", NoCard(), now=3.0)
    assert "card" not in terminal_object(board.snapshots(3.0)[0])


def test_an_unknown_terminal_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        TerminalBoard({"a": None}, now=0.0).take("b", NoCard(), now=0.0)


def test_no_message_can_go_out_where_no_terminal_works_for_long() -> None:
    board = TerminalBoard({"a": None, "b": None}, now=0.0)
    assert terminals_down(board.snapshots(299.0), grace_s=300.0) is None
    assert terminals_down(board.snapshots(301.0), grace_s=300.0) is not None
    board.take("b", status(TerminalStatus.READY), now=400.0)
    assert terminals_down(board.snapshots(900.0), grace_s=300.0) is None
    assert terminals_down((), grace_s=300.0) is None


def test_attempts_that_fail_again_and_again_are_no_sign_of_life() -> None:
    board = TerminalBoard({"a": None}, now=0.0)
    board.take("a", status(TerminalStatus.READY), now=0.0)
    # Each attempt to open a port that is away makes a session, which says that it is closed.
    for n in range(1, 100):
        board.take("a", status(TerminalStatus.CLOSED), now=10.0 * n)
    (one,) = board.snapshots(995.0)
    assert one.status_age_s == 985.0
    assert terminals_down((one,), grace_s=300.0) is not None
    # Nor is a terminal that is silent, begins anew, and is silent again.
    for n in range(100, 200, 2):
        board.take("a", status(TerminalStatus.STARTING), now=10.0 * n)
        board.take("a", status(TerminalStatus.DEAD), now=10.0 * (n + 1))
    (one,) = board.snapshots(2000.0)
    assert terminals_down((one,), grace_s=300.0) is not None


def test_a_port_says_that_frames_decode_and_what_does_not() -> None:
    network = SimNetwork()
    terminal = network.add(
        SimSpec(name="a", family=rdss_card.Family.BD2, card=rdss_card.Card(address=142019, level=3))
    )
    port = TerminalPort(TerminalSession(TerminalSpec(family=Family.BD2), now=0.0))
    said: list[object] = []
    now = 0.0
    while now < 5.0:
        now += 0.1
        port.tick(now=now)
        terminal.receive(port.data_to_send(), now)
        network.advance(now)
        if answer := terminal.data_to_send():
            port.receive(answer, now=now)
        said += port.events()
    assert sum(event.count for event in said if isinstance(event, FramesSeen)) >= 1
    assert any(isinstance(event, CardRead) for event in said)
    first = next(n for n, event in enumerate(said) if isinstance(event, CardRead))
    assert any(isinstance(event, FramesSeen) for event in said[:first])
    port.receive(b"noise\r\n" * 20, now=6.0)
    port.tick(now=16.0)
    skipped = [event for event in port.events() if isinstance(event, SkippedBytes)]
    assert sum(event.n_bytes for event in skipped) == 140
    port.receive(b"", now=17.0)
    assert any(isinstance(event, says.StatusChanged) for event in port.events())
    assert port.deadline() is None
