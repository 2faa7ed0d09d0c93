"""Any bytes: no exception, bounded memory, and never a word of our secret."""

from __future__ import annotations

import base64
import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bdgw.ntrip.account import Account
from bdgw.ntrip.authentication import Challenge
from bdgw.ntrip.client import ClientSession
from bdgw.ntrip.client_event import Body, Refused
from bdgw.ntrip.refusal import quote_peer
from bdgw.ntrip.request import DigestUse, encode_request
from bdgw.ntrip.sourcetable import TABLE_MAX_BYTES
from tests.ntrip.dialogue import FRAME, merged, request, split

CANARY = "c4nary-s3cret"
ACCOUNT = Account("rover", CANARY)
TOKEN = base64.b64encode(f"rover:{CANARY}".encode()).decode()
PIECES = st.sampled_from(
    [
        b"ICY 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 401 Unauthorized\r\n",
        b"SOURCETABLE 200 OK\r\n",
        b"ERROR - ",
        b"Content-Type: gnss/data\r\n",
        b"Content-Type: text/plain\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Length: 10\r\n",
        b'WWW-Authenticate: Digest realm="a", nonce="b"\r\n',
        b"STR;M;" + CANARY.encode() + b";RTCM3\r\n",
        b"ENDSOURCETABLE\r\n",
        b"\r\n",
        b"\n",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"<html>",
        CANARY.encode(),
        CANARY.upper().encode(),
        TOKEN.encode(),
        FRAME,
    ]
)
ANSWERS = st.lists(PIECES | st.binary(max_size=40), max_size=12).map(b"".join)


@settings(max_examples=400)
@given(ANSWERS, st.lists(st.integers(0, 2000), max_size=8), st.booleans(), st.booleans())
def test_any_answer_ends_in_events_that_do_not_depend_on_the_cut(data, cuts, is_table, closes):
    asked = request(mount=None if is_table else "AUTO", account=ACCOUNT)

    def outcome(pieces):
        session = ClientSession(asked, now=0.0)
        for piece in pieces:
            session.receive(piece, now=0.0)
        if closes:
            session.receive(b"", now=0.0)
        for step in range(1, 12):
            session.tick(now=step * 10.0)
        assert session.is_over
        return merged(session.events()), session

    whole, session = outcome([data] if data else [])
    assert outcome(split(data, cuts))[0] == whole
    said = [event for event in whole if not isinstance(event, Body)]
    shown = repr(said) + repr(session.dialect) + repr(asked)
    assert CANARY not in shown.lower()
    assert TOKEN not in shown


@given(st.text(max_size=60), st.text(max_size=60))
@example("\x00", "\x00")
@example(" " * 50, "")
def test_quoting_a_peer_never_quotes_the_secret(before, after):
    for secret in (CANARY, CANARY.upper(), TOKEN):
        text = before + secret + after
        assert CANARY not in quote_peer(text, (CANARY, TOKEN)).lower()
        assert TOKEN not in quote_peer(text, (CANARY, TOKEN))


@pytest.mark.parametrize(
    "answer",
    [
        f"ERROR - Bad Password: {CANARY}\r\n",
        f"HTTP/1.1 401 {TOKEN}\r\nServer: {CANARY}\r\n\r\n",
        f"HTTP/1.1 200 OK\r\nContent-Type: {CANARY}\r\n\r\nERROR {CANARY}\r\n",
        f"{CANARY}",
        f"ICY 200 OK\r\nServer: {TOKEN}\r\n\r\n",
        f"SOURCETABLE 200 OK\r\n\r\nSTR;{CANARY};{TOKEN};RTCM3\r\nENDSOURCETABLE\r\n",
        encode_request(request(account=ACCOUNT)).decode(),
    ],
)
def test_a_caster_that_sends_our_secret_back_does_not_get_it_shown(answer):
    session = ClientSession(request(account=ACCOUNT), now=0.0)
    session.receive(answer.encode(), now=0.0)
    session.receive(b"", now=0.0)
    events = [event for event in session.events() if not isinstance(event, Body)]
    shown = repr(events) + repr(session.dialect)
    assert CANARY not in shown
    assert TOKEN not in shown


def test_a_digest_answer_that_comes_back_is_not_shown():
    use = DigestUse(
        challenge=Challenge(scheme="digest", realm="r", nonce="n", qop=("auth",)), cnonce="c"
    )
    asked = request(account=ACCOUNT, digest=use)
    sent = encode_request(asked).decode()
    response = sent.partition('response="')[2].partition('"')[0]
    assert len(response) == 32
    session = ClientSession(asked, now=0.0)
    session.receive(f"ERROR {response}\r\n".encode(), now=0.0)
    (refused,) = session.events()
    assert isinstance(refused, Refused)
    assert response not in refused.text


def test_refusal_text_is_bounded_and_printable():
    session = ClientSession(request(), now=0.0)
    session.receive(b"ERROR \x1b[31m\xff" + b"A" * 900 + b"\r\n", now=0.0)
    (refused,) = session.events()
    assert isinstance(refused, Refused)
    assert len(refused.text) < 250
    assert refused.text.isascii()
    assert refused.text.isprintable()


@pytest.mark.parametrize(
    ("head", "filler"),
    [
        (b"", b"x" * 4096),
        (b"HTTP/1.1 200 OK\r\n", b"x" * 4096),
        (b"HTTP/1.1 200 OK\r\n", b"a: b\r\n" * 500),
        (b"ICY 200 OK\r\n", b"a: b\r\n" * 500),
        (b"ICY 200 OK\r\n\r\n", b"\xd3\x03\xff" * 1000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;" + b"x" * 4000),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", b" " * 4096),
    ],
)
def test_memory_stays_bounded_whatever_comes(head, filler):
    session = ClientSession(request(), now=0.0)
    session.receive(head, now=0.0)
    tracemalloc.start()
    try:
        for _ in range(2000):
            session.receive(filler, now=0.0)
            list(session.events())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 400_000


def test_an_endless_table_is_cut_and_said():
    session = ClientSession(request(mount=None), now=0.0)
    session.receive(b"SOURCETABLE 200 OK\r\n\r\n", now=0.0)
    line = b"STR;M;" + b"x" * 1000 + b";RTCM3;;2;GPS;N;FRA;1.0;2.0;0;0;g;none;N;N;9600;\r\n"
    n_bytes = 0
    while not session.is_over:
        session.receive(line * 64, now=0.0)
        while session.has_more:
            session.tick(now=0.0)
        n_bytes += 64 * len(line)
        assert n_bytes < TABLE_MAX_BYTES + 2 * 64 * len(line)
    (received,) = session.events()
    assert received.is_cut  # type: ignore[union-attr]
    assert not received.table.is_complete  # type: ignore[union-attr]
