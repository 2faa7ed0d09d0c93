"""Naming a device by its first bytes: rules, limits, and independence of the cuts."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.receivers import MatchRule, PeerRule, RegistrationRule, SentenceRule
from bdgw.receivers.identify import (
    Answer,
    Identification,
    Identified,
    NeedMore,
    RuleBook,
    Unknown,
)

MAX_BYTES = 512
RULES: dict[str, MatchRule | None] = {
    "by-prefix": RegistrationRule(data=b"DTU-1:"),
    "by-hex": RegistrationRule.from_hex("01 A0 FF"),
    "by-line": RegistrationRule(data=b"ROVER 7", is_line=True),
    "by-sentence": SentenceRule(text="$PDTU,017"),
    "by-field": SentenceRule(text="SN12"),
    "by-peer": PeerRule(network="10.0.3.0/24"),
}


def run(chunks: list[bytes]) -> tuple[Answer, bytes]:
    """Feed until decided; return the answer and all bytes that the decoder would get."""
    machine = Identification(RuleBook(RULES), max_bytes=MAX_BYTES)
    answer: Answer = NeedMore()
    for index, chunk in enumerate(chunks):
        answer = machine.receive(chunk)
        if not isinstance(answer, NeedMore):
            rest = answer.rest if isinstance(answer, Identified) else b""
            return answer, rest + b"".join(chunks[index + 1 :])
    return answer, b""


@pytest.mark.parametrize(
    ("data", "device", "rest"),
    [
        (b"DTU-1:$GPGGA", "by-prefix", b"$GPGGA"),
        (b"\x01\xa0\xff\xd3\x00", "by-hex", b"\xd3\x00"),
        (b"ROVER 7\r\n$GP", "by-line", b"$GP"),
        (b"ROVER 7\n", "by-line", b""),
        (b"$GPGGA,1\r\n$PDTU,017*55\r\nx", "by-sentence", b"$GPGGA,1\r\n$PDTU,017*55\r\nx"),
        (b"\xd3\x00$PDTU,017,x\n", "by-sentence", b"\xd3\x00$PDTU,017,x\n"),
        (b"$PXYZ,a,SN12,3*00\r\n", "by-field", b"$PXYZ,a,SN12,3*00\r\n"),
    ],
)
def test_identified(data: bytes, device: str, rest: bytes) -> None:
    assert run([data]) == (Identified(device, rest), rest)


@pytest.mark.parametrize(
    "data",
    [
        b"$PDTU,0171*00\r\n",  # another modem whose number begins alike
        b"$PXYZ,SN123\r\n",
        b"$PXYZ,XSN12\r\n",
        b"PDTU,017\r\n",
        b"$PDTU,017",  # the line is not over: more digits may follow
        b"ROVER 7",
        b"ROVER 77\r\n",
        b" DTU-1:",
    ],
)
def test_not_identified_yet(data: bytes) -> None:
    assert run([data])[0] == NeedMore()


def test_limit_in_bytes_is_exact() -> None:
    sentence = b"$PDTU,017\r\n"
    fits = b"#" * (MAX_BYTES - len(sentence) - 1) + b"\n"
    assert isinstance(run([fits + sentence])[0], Identified)
    assert isinstance(run([b"#" + fits + sentence])[0], Unknown)


def test_expiry_says_what_happened() -> None:
    machine = Identification(RuleBook(RULES), max_bytes=MAX_BYTES)
    assert machine.expire() == Unknown("sent nothing")
    machine.receive(b"RO")
    assert machine.expire() == Unknown("did not name its device in time")


def test_without_sentences_the_first_wrong_byte_decides() -> None:
    book = RuleBook({"a": RegistrationRule(data=b"AB")})
    machine = Identification(book, max_bytes=MAX_BYTES)
    assert machine.receive(b"A") == NeedMore()
    assert isinstance(machine.receive(b"C"), Unknown)


pieces = st.sampled_from(
    [b"DTU-1:", b"\x01\xa0\xff", b"ROVER 7", b"\r\n", b"\n", b"$PDTU,017", b"*00", b"0", b"SN12"]
)
streams = st.lists(pieces | st.binary(max_size=200), max_size=12).map(b"".join)


@given(streams, st.lists(st.integers(0, 1200), max_size=20))
def test_any_split_gives_the_same_answer_and_loses_no_byte(data: bytes, cuts: list[int]) -> None:
    bounds = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    chunks = [data[a:b] for a, b in itertools.pairwise(bounds)]
    whole, split = run([data] if data else []), run(chunks)
    bytewise = run([bytes([byte]) for byte in data])
    for answer, rest in (split, bytewise):
        assert type(answer) is type(whole[0])
        if isinstance(answer, Identified) and isinstance(whole[0], Identified):
            assert answer.device == whole[0].device
            assert rest == whole[1]
            assert data.endswith(rest)
        else:
            assert answer == whole[0]


@given(st.binary(max_size=2000))
def test_memory_is_bounded_by_limit_and_last_read(data: bytes) -> None:
    machine = Identification(RuleBook(RULES), max_bytes=MAX_BYTES)
    for start in range(0, len(data), 100):
        if not isinstance(machine.receive(data[start : start + 100]), NeedMore):
            break
    assert len(machine.data) < MAX_BYTES + 100


@pytest.mark.parametrize(
    ("host", "device"),
    [
        ("10.0.3.7", "exact"),
        ("10.0.3.8", "net"),
        ("::ffff:10.0.3.7", "exact"),
        ("10.0.4.1", None),
        ("2001:db8::5", "six"),
        ("fe80::1%eth0", None),
    ],
)
def test_the_smallest_network_owns_an_address(host: str, device: str | None) -> None:
    book = RuleBook(
        {
            "net": PeerRule(network="10.0.3.0/24"),
            "exact": PeerRule(network="10.0.3.7"),
            "six": PeerRule(network="2001:db8::/32"),
        }
    )
    assert book.device_of_peer(host) == device


def test_a_device_alone_takes_any_peer() -> None:
    assert RuleBook({"a": None}).device_of_peer("192.0.2.1") == "a"


@pytest.mark.parametrize(
    "rules",
    [
        {"a": None, "b": PeerRule(network="10.0.0.1")},
        {"a": RegistrationRule(data=b"A"), "b": RegistrationRule(data=b"AB")},
        {"a": RegistrationRule(data=b"A"), "b": RegistrationRule(data=b"A")},
        {"a": RegistrationRule(data=b"A\n"), "b": RegistrationRule(data=b"A", is_line=True)},
        {"a": RegistrationRule(data=b"A", is_line=True), "b": RegistrationRule(data=b"A\r\nB")},
        {"a": PeerRule(network="10.0.0.1"), "b": PeerRule(network="10.0.0.1")},
        {"a": SentenceRule(text="X"), "b": SentenceRule(text="X")},
    ],
)
def test_rules_that_two_devices_could_claim_are_refused(
    rules: dict[str, MatchRule | None],
) -> None:
    with pytest.raises(ValueError):
        RuleBook(rules)


def test_lines_that_begin_alike_are_no_conflict() -> None:
    book = RuleBook(
        {
            "one": RegistrationRule(data=b"DTU-1", is_line=True),
            "ten": RegistrationRule(data=b"DTU-10", is_line=True),
        }
    )
    machine = Identification(book, max_bytes=MAX_BYTES)
    assert machine.receive(b"DTU-10\r\n$") == Identified("ten", b"$")


@pytest.mark.parametrize("make", [
    lambda: RegistrationRule(data=b""),
    lambda: RegistrationRule(data=b"x" * 257),
    lambda: RegistrationRule(data=b"a\n", is_line=True),
    lambda: RegistrationRule.from_hex("0x"),
    lambda: PeerRule(network="10.0.0.300"),
    lambda: PeerRule(network="10.0.3.7/24"),
    lambda: SentenceRule(text=""),
    lambda: SentenceRule(text="北斗"),
])  # fmt: skip
def test_rules_check_themselves(make: object) -> None:
    with pytest.raises(ValueError):
        make()  # type: ignore[operator] # a table of constructors
