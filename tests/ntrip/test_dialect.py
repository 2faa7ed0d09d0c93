"""What casters really answer, each form as a fixture, in every cut."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.ntrip.account import Account
from bdgw.ntrip.chunk import encode_chunk
from bdgw.ntrip.client import ClientSession
from bdgw.ntrip.client_event import (
    Accepted,
    Body,
    Ended,
    EndKind,
    Refused,
    TableReceived,
)
from bdgw.ntrip.refusal import REFUSAL_TEXT, RefusalKind
from bdgw.ntrip.request import DigestUse
from tests.conftest import read_capture, shared_data
from tests.ntrip.dialogue import (
    FRAME,
    LIMITS,
    V1,
    V2,
    body_of,
    play,
    request,
    split,
    vectors,
)

BINARY = FRAME + bytes(range(256)) + FRAME
TABLE = (
    b"CAS;caster.example;2101;x;y;0;FRA;45.99;-1.02;0.0.0.0;0;z\r\n"
    b"STR;OTHER;Other;RTCM3;1005(10),1077(1);2;GPS+BDS;N;FRA;48.8;2.3;0;0;g;none;B;N;9600;\r\n"
    b"ENDSOURCETABLE\r\n"
)
CHUNK_INSIDE_FRAME = encode_chunk(FRAME[:10]) + encode_chunk(FRAME[10:] + BINARY[:3])
HTTP = b"HTTP/1.1 200 OK\r\nNtrip-Version: Ntrip/2.0\r\n"
HTML = b"<!DOCTYPE html><html><body><h1>It works</h1></body></html>"


class Stream(NamedTuple):
    """An answer that grants the stream."""

    name: str
    answer: bytes
    body: bytes
    version: str
    quirks: tuple[str, ...] = ()
    is_chunked: bool = False


STREAMS = [
    Stream("icy without blank line", b"ICY 200 OK\r\n" + BINARY, BINARY, V1,
           ("ICY answer to a version 2 request", "no blank line after the head")),
    Stream("icy without blank line, mid-frame", b"ICY 200 OK\r\n\x7f\x80\xff:\r\n" + BINARY,
           b"\x7f\x80\xff:\r\n" + BINARY, V1,
           ("ICY answer to a version 2 request", "no blank line after the head")),
    Stream("icy with blank line", b"ICY 200 OK\r\n\r\n" + BINARY, BINARY, V1,
           ("ICY answer to a version 2 request",)),
    Stream("icy with headers",
           b"ICY 200 OK\r\nServer: NTRIP x/1\r\nCache-Control: no-store\r\n\r\n" + BINARY,
           BINARY, V1, ("ICY answer to a version 2 request",)),
    Stream("icy with headers and no blank line", b"ICY 200 OK\r\nServer: NTRIP x/1\r\n" + BINARY,
           BINARY, V1, ("ICY answer to a version 2 request", "no blank line after the head")),
    Stream("icy with line feeds only", b"ICY 200 OK\n\n" + BINARY, BINARY, V1,
           ("ICY answer to a version 2 request",)),
    Stream("http plain", HTTP + b"Content-Type: gnss/data\r\n\r\n" + BINARY, BINARY, V2),
    Stream("http 1.0 with the server in the status line, no type",
           b"HTTP/1.0 200 OK Server: NTRIP Trimble Ntrip Caster\r\n\r\n" + BINARY, BINARY, V1,
           ("content type missing for a stream",)),
    Stream("http with a line end left out",
           b"HTTP/1.1 200 OKNtrip-Version: Ntrip/2.0\r\nContent-Type: gnss/data\r\n\r\n" + BINARY,
           BINARY, V2),
    Stream("http octet stream", b"HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n\r\n"
           + BINARY, BINARY, V2),
    Stream("http typed as a page", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + BINARY,
           BINARY, V2, ("content type text/html for a stream",)),
    Stream("http with an odd line in the head",
           HTTP + b"this is no header\r\nContent-Type: gnss/data\r\n\r\n" + BINARY, BINARY, V2,
           ("a line among the headers that is none",)),
    Stream("http without blank line", HTTP + b"Content-Type: gnss/data\r\n" + BINARY, BINARY, V2,
           ("no blank line after the head",)),
    Stream("http chunked, a chunk ends inside a frame",
           HTTP + b"Content-Type: gnss/data\r\nTransfer-Encoding: chunked\r\n\r\n"
           + CHUNK_INSIDE_FRAME,
           FRAME + BINARY[:3], V2, (), True),
    Stream("chunks announced and not sent",
           HTTP + b"Content-Type: gnss/data\r\nTransfer-Encoding: chunked\r\n\r\n" + BINARY,
           BINARY, V2, ("chunks announced, but the body has none",)),
    Stream("stray line ends and text in the binary",
           b"ICY 200 OK\r\n\r\n\r\n" + FRAME + b"\r\nhello\r\n" + FRAME + b"\r\n",
           b"\r\n" + FRAME + b"\r\nhello\r\n" + FRAME + b"\r\n", V1,
           ("ICY answer to a version 2 request",)),
    Stream("data without any reply", BINARY, BINARY, V1, ("data without any reply before it",)),
]  # fmt: skip


class No(NamedTuple):
    """An answer that refuses."""

    name: str
    answer: bytes
    kind: RefusalKind
    status: int | None
    kind_with_account: RefusalKind | None = None


REFUSALS = [
    No("v1 401", b"HTTP/1.0 401 Unauthorized\r\n\r\n", RefusalKind.NEEDS_ACCOUNT, 401,
       RefusalKind.BAD_ACCOUNT),
    No("v2 401", b"HTTP/1.1 401 Unauthorized\r\nNtrip-Version: Ntrip/2.0\r\n"
       b'WWW-Authenticate: Basic realm="/AUTO"\r\n\r\n', RefusalKind.NEEDS_ACCOUNT, 401,
       RefusalKind.BAD_ACCOUNT),
    No("v1 bad password", b"ERROR - Bad Password\r\n", RefusalKind.NEEDS_ACCOUNT, None,
       RefusalKind.BAD_ACCOUNT),
    No("sourcetable 401", b"SOURCETABLE 401\r\n\r\n", RefusalKind.NEEDS_ACCOUNT, 401,
       RefusalKind.BAD_ACCOUNT),
    No("icy 401", b"ICY 401 Unauthorized\r\n\r\n", RefusalKind.NEEDS_ACCOUNT, 401,
       RefusalKind.BAD_ACCOUNT),
    No("403", b"HTTP/1.1 403 Forbidden\r\n\r\n", RefusalKind.FORBIDDEN, 403),
    No("404", b"HTTP/1.1 404 Not Found\r\nNtrip-Version: Ntrip/2.0\r\n\r\n",
       RefusalKind.NO_SUCH_MOUNT, 404),
    No("404 icy", b"ICY 404 Not Found\r\n\r\n", RefusalKind.NO_SUCH_MOUNT, 404),
    No("v1 mount", b"ERROR - Mount Point Taken or Invalid\r\n", RefusalKind.NO_SUCH_MOUNT, None),
    No("409", b"HTTP/1.1 409 Conflict\r\n\r\n", RefusalKind.ALREADY_CONNECTED, 409),
    No("already connected", b"ERROR - User already connected\r\n",
       RefusalKind.ALREADY_CONNECTED, None),
    No("400 that means busy", b"HTTP/1.1 400 Too many connections\r\n\r\n", RefusalKind.BUSY, 400),
    No("503", b"HTTP/1.1 503 Service Unavailable\r\n\r\n", RefusalKind.BUSY, 503),
    No("500", b"HTTP/1.1 500 Oops\r\n\r\n", RefusalKind.SERVER_FAULT, 500),
    No("302", b"HTTP/1.1 302 Found\r\nLocation: http://a.example/\r\n\r\n",
       RefusalKind.MOVED, 302),
    No("page with 200", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + HTML,
       RefusalKind.NOT_A_CASTER, 200),
    No("page without type", b"HTTP/1.1 200 OK\r\n\r\n" + HTML, RefusalKind.NOT_A_CASTER, 200),
    No("chunked page", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
       b"Transfer-Encoding: chunked\r\n\r\n" + encode_chunk(HTML), RefusalKind.NOT_A_CASTER, 200),
    No("text with 200", b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello there\r\n",
       RefusalKind.NOT_A_CASTER, 200),
    No("error with 200",
       b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nERROR - Bad Password\r\n",
       RefusalKind.NEEDS_ACCOUNT, 200, RefusalKind.BAD_ACCOUNT),
    No("page without head", HTML, RefusalKind.NOT_A_CASTER, None),
    No("banned", b"ERROR - Your IP is banned\r\n", RefusalKind.FORBIDDEN, None),
    No("tls port", b"\x15\x03\x01\x00\x02\x02\x46", RefusalKind.WANTS_TLS, None),
    No("tls port of a web server", b"HTTP/1.1 400 The plain HTTP request was sent to HTTPS port"
       b"\r\n\r\n", RefusalKind.WANTS_TLS, 400),
    No("another protocol", b"SSH-2.0-OpenSSH_9.2p1\r\n", RefusalKind.UNREADABLE, None),
    No("endless line", b"x" * 5000, RefusalKind.UNREADABLE, None),
    No("endless head", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100, RefusalKind.UNREADABLE, 200),
]  # fmt: skip

CUTS = st.lists(st.integers(0, 10_000), max_size=12)


@pytest.mark.parametrize("asked", [V1, V2])
@pytest.mark.parametrize("case", STREAMS, ids=lambda case: case.name)
def test_stream_is_granted_and_every_byte_of_it_comes(case, asked):
    events, session = play([case.answer], request(version=asked))
    assert events == [Accepted(version=events[0].version), Body(case.body)]  # type: ignore[union-attr]
    assert session.dialect is not None
    assert session.dialect.version == case.version
    assert session.dialect.is_chunked == case.is_chunked
    icy = "ICY answer to a version 2 request"
    assert session.dialect.quirks == tuple(
        quirk for quirk in case.quirks if asked is V2 or quirk != icy
    )


@given(st.sampled_from(STREAMS), CUTS)
def test_stream_is_the_same_however_it_is_cut(case, cuts):
    events, session = play(split(case.answer, cuts), request())
    whole, other = play([case.answer], request())
    assert events == whole
    assert session.dialect == other.dialect


@pytest.mark.parametrize("case", STREAMS, ids=lambda case: case.name)
def test_stream_byte_by_byte(case):
    events, _ = play([case.answer[i : i + 1] for i in range(len(case.answer))], request())
    assert body_of(events) == case.body


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case.name)
@pytest.mark.parametrize("has_account", [False, True])
def test_refusal_is_named(case, has_account):
    account = Account("rover", "s3cret") if has_account else None
    events, session = play([case.answer], request(account=account))
    assert len(events) == 1
    refused = events[0]
    assert isinstance(refused, Refused)
    expected = case.kind_with_account if has_account and case.kind_with_account else case.kind
    assert (refused.kind, refused.status) == (expected, case.status)
    assert refused.text.startswith(REFUSAL_TEXT[expected])
    assert session.is_over
    assert session.deadline() is None


@given(st.sampled_from(REFUSALS), CUTS, st.booleans())
def test_refusal_is_the_same_however_it_is_cut(case, cuts, closes):
    events, _ = play(split(case.answer, cuts), request(), closes=closes)
    whole, _ = play([case.answer], request(), closes=closes)
    assert events == whole


SOURCETABLES = {
    "v1": b"SOURCETABLE 200 OK\r\nServer: NTRIP x\r\nContent-Type: text/plain\r\n"
    b"Content-Length: %d\r\n\r\n" % len(TABLE) + TABLE,
    "v2": HTTP + b"Content-Type: gnss/sourcetable\r\n\r\n" + TABLE,
    "v2 chunked": HTTP + b"Content-Type: gnss/sourcetable\r\nTransfer-Encoding: chunked\r\n\r\n"
    + encode_chunk(TABLE[:50]) + encode_chunk(TABLE[50:]),
    "hybrid": b"SOURCETABLE 200 OK\r\nNtrip-Version: Ntrip/2.0\r\nContent-Type: text/plain\r\n\r\n"
    + TABLE,
    "typed as text": b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + TABLE,
    "untyped": b"HTTP/1.0 200 OK\r\n\r\n" + TABLE,
    "without blank line": b"SOURCETABLE 200 OK\r\n" + TABLE,
    "without head": TABLE,
    "wrong length": b"SOURCETABLE 200 OK\r\nContent-Length: 7\r\n\r\n" + TABLE,
    "without end": b"SOURCETABLE 200 OK\r\n\r\n" + TABLE.replace(b"ENDSOURCETABLE\r\n", b""),
}  # fmt: skip


@pytest.mark.parametrize("closes", [False, True])
@pytest.mark.parametrize("form", SOURCETABLES)
def test_table_instead_of_a_stream_means_no_such_mount(form, closes):
    events, session = play([SOURCETABLES[form]], request(), closes=closes)
    if form == "without end" and not closes:
        session.tick(now=100.0 + LIMITS.table_s)
        events = list(session.events())
    received, refused = events
    assert isinstance(received, TableReceived)
    assert [stream.mount for stream in received.table.streams] == ["OTHER"]
    assert isinstance(refused, Refused)
    assert refused.kind is RefusalKind.NO_SUCH_MOUNT
    assert "no such mountpoint among the caster's 1" in refused.text


@given(st.sampled_from(sorted(SOURCETABLES)), CUTS)
def test_table_is_the_same_however_it_is_cut(form, cuts):
    data = SOURCETABLES[form]
    assert (
        play(split(data, cuts), request(), closes=True)[0]
        == play([data], request(), closes=True)[0]
    )


def test_table_that_was_asked_for_is_no_refusal():
    events, session = play([SOURCETABLES["v1"]], request(mount=None))
    assert [type(event) for event in events] == [TableReceived]
    assert session.is_over


def test_table_that_lists_the_mount_means_no_data_now():
    events, _ = play([SOURCETABLES["v1"]], request(mount="OTHER"))
    assert isinstance(events[1], Refused)
    assert events[1].kind is RefusalKind.NO_DATA


def test_mount_in_other_letters_is_hinted_at():
    events, _ = play([SOURCETABLES["v1"]], request(mount="other"))
    assert isinstance(events[1], Refused)
    assert events[1].text.endswith("there is OTHER")


def test_hybrid_is_told():
    _, session = play([SOURCETABLES["hybrid"]], request())
    assert session.dialect is not None
    assert session.dialect.quirks == ("SOURCETABLE answer with version 2 headers",)


def test_stream_where_the_table_was_asked_for_is_refused():
    for case in STREAMS[:6]:
        events, _ = play([case.answer], request(mount=None))
        assert [type(event) for event in events] == [Refused]


def test_vectors_are_decided_as_they_say():
    for row in vectors()["responses"]:
        events, session = play([bytes.fromhex(row["hex"])], request(account=Account("u", "p")))
        if row["expect"] == "stream":
            assert body_of(events).hex() == row["body_hex"]
            assert session.dialect is not None
            assert session.dialect.is_chunked == row.get("chunked", False)
            continue
        refused = events[-1]
        assert isinstance(refused, Refused)
        expected = {
            "auth_error": RefusalKind.BAD_ACCOUNT,
            "mountpoint_error": RefusalKind.NO_SUCH_MOUNT,
            "mountpoint_conflict": RefusalKind.ALREADY_CONNECTED,
            "retry_later": RefusalKind.BUSY,
            "sourcetable": RefusalKind.NO_SUCH_MOUNT,
        }
        assert refused.kind is expected[row["expect"].split()[0]]


def test_a_granted_stream_waits_for_a_position_before_its_first_byte():
    for answer in (
        b"ICY 200 OK\r\n",
        b"ICY 200 OK\r\n\r\n",
        HTTP + b"Content-Type: gnss/data\r\n\r\n",
    ):
        session = ClientSession(request(), now=0.0)
        session.data_to_send()
        session.receive(answer, now=1.0)
        assert [type(event) for event in session.events()] == [Accepted]
        assert session.send_position(b"$GPGGA,...*00\r\n")
        assert session.data_to_send() == b"$GPGGA,...*00\r\n"
        session.receive(b"\r\n" * (answer[-4:] != b"\r\n\r\n") + FRAME, now=9.0)
        assert body_of(session.events()).endswith(FRAME)


def test_silence_after_a_200_without_type_is_a_stream_that_waits():
    session = ClientSession(request(), now=0.0)
    session.receive(b"HTTP/1.1 200 OK\r\n\r\n", now=0.0)
    assert not list(session.events())
    session.tick(now=LIMITS.settle_s)
    assert [type(event) for event in session.events()] == [Accepted]


@pytest.mark.parametrize(
    ("received", "kind"),
    [
        (b"", EndKind.CLOSED_UNANSWERED),
        (b"\r\n", EndKind.CLOSED_UNANSWERED),
        (b"HTTP/1.1 200 OK\r\nContent-Ty", EndKind.UNFINISHED),
        (b"HTT", EndKind.UNFINISHED),
        (b"HTTP/1.1 200 OK\r\n\r\n", EndKind.CLOSED_EMPTY),
        (b"ICY 200 OK\r\n\r\n", EndKind.CLOSED_EMPTY),
        (b"ICY 200 OK\r\n\r\n" + FRAME, EndKind.CLOSED),
        (HTTP + b"Transfer-Encoding: chunked\r\nContent-Type: gnss/data\r\n\r\n1\r\na\r\n0\r\n\r\n",
         EndKind.CLOSED),
        (HTTP + b"Transfer-Encoding: chunked\r\nContent-Type: gnss/data\r\n\r\n1\r\na\r\nzz\r\n",
         EndKind.BAD_CODING),
    ],
)  # fmt: skip
def test_end_by_the_peer_is_named(received, kind):
    events, session = play([received] if received else [], request(), closes=True)
    assert isinstance(events[-1], Ended)
    assert events[-1].kind is kind
    assert session.is_over


def test_no_reply_is_an_end_in_the_sessions_own_time():
    session = ClientSession(request(), now=50.0)
    assert session.deadline() == 50.0 + LIMITS.reply_s
    session.tick(now=50.0 + LIMITS.reply_s - 0.01)
    assert not list(session.events())
    session.tick(now=50.0 + LIMITS.reply_s)
    (ended,) = session.events()
    assert isinstance(ended, Ended)
    assert ended.kind is EndKind.NO_REPLY
    assert ended.kind.is_without_reply


def test_a_stream_ends_by_silence_and_never_by_age():
    session = ClientSession(request(), now=0.0)
    session.receive(b"ICY 200 OK\r\n\r\n", now=0.0)
    now = 0.0
    for _ in range(100_000):
        now += LIMITS.idle_s - 0.1
        session.tick(now=now)
        session.receive(FRAME, now=now)
    assert not session.is_over
    list(session.events())
    session.tick(now=now + LIMITS.idle_s)
    (ended,) = session.events()
    assert isinstance(ended, Ended)
    assert ended.kind is EndKind.IDLE


def test_stream_that_stops_after_300_s_is_ended_by_silence():
    session = ClientSession(request(), now=0.0)
    session.receive(b"ICY 200 OK\r\n\r\n", now=0.0)
    for second in range(300):
        session.receive(FRAME, now=float(second))
        session.tick(now=float(second))
    assert session.deadline() == 299.0 + LIMITS.idle_s


def test_a_head_that_trickles_in_is_given_up():
    for start in (b"HTTP/1.1 200 OK\r\n", b"SOURCETABLE 200 OK\r\n"):
        session = ClientSession(request(), now=0.0)
        now = 0.0
        for byte in start + b"x-header: y\r\n" * 40:
            session.receive(bytes([byte]), now=now)
            session.tick(now=now)
            now += 1.0
        (ended,) = session.events()
        assert isinstance(ended, Ended)
        assert ended.kind is EndKind.UNFINISHED


def test_a_pause_inside_a_line_of_the_head_is_waited_out():
    head = HTTP + b"Content-Type: gnss/data\r\nTransfer-Encoding: chunked\r\n\r\n"
    for cut in range(1, len(head)):
        session = ClientSession(request(), now=0.0)
        session.receive(head[:cut], now=0.0)
        is_between_lines = head[:cut].endswith(b"\r\n")
        if not is_between_lines:
            session.tick(now=LIMITS.settle_s + 1.0)
        session.receive(head[cut:] + encode_chunk(FRAME), now=LIMITS.settle_s + 2.0)
        assert body_of(session.events()) == FRAME


@pytest.mark.parametrize(
    "line", [b"ERROR - Bad Password", b"HTTP/1.1 404 Not Found", b"ICY 200 OK"]
)
def test_a_first_line_without_end_is_decided_after_a_pause(line):
    session = ClientSession(request(), now=0.0)
    session.receive(line, now=0.0)
    session.tick(now=LIMITS.settle_s - 0.1)
    assert not list(session.events())
    session.tick(now=LIMITS.settle_s)
    (event,) = session.events()
    assert isinstance(event, Accepted if line.startswith(b"ICY") else Refused)


def test_digest_is_answered_only_where_it_is_asked_for():
    account = Account("rover", "s3cret")
    head = b"HTTP/1.1 401 Unauthorized\r\n"
    digest = b'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n'
    basic = b'WWW-Authenticate: Basic realm="r"\r\n'

    def answer(data, use=None):
        (refused,) = play([data], request(account=account, digest=use))[0]
        assert isinstance(refused, Refused)
        return refused

    assert answer(head + basic + digest + b"\r\n").kind is RefusalKind.BAD_ACCOUNT
    asked = answer(head + digest + b"\r\n")
    assert asked.kind is RefusalKind.NEEDS_DIGEST
    assert asked.challenge is not None
    use = DigestUse(challenge=asked.challenge, cnonce="c")
    sent = ClientSession(request(account=account, digest=use), now=0.0).data_to_send()
    assert b"Authorization: Digest username=" in sent
    assert b"s3cret" not in sent
    assert answer(head + digest + b"\r\n", use).kind is RefusalKind.BAD_ACCOUNT
    stale = digest.replace(b"qop", b"stale=true, qop")
    assert answer(head + stale + b"\r\n", use).kind is RefusalKind.NEEDS_DIGEST


def test_retry_after_is_read():
    answer = b"HTTP/1.1 503 Busy\r\nRetry-After: 120\r\n\r\n"
    (refused,) = play([answer], request())[0]
    assert isinstance(refused, Refused)
    assert refused.retry_after_s == 120.0


@pytest.mark.parametrize("name", ["ntrip_encode_none.bin", "ntrip_encode_chunked.bin"])
def test_captured_bodies_come_out_whole(name):
    data = read_capture(shared_data("gnss", "ntrip", name))
    is_chunked = "chunked" in name
    head = HTTP + b"Content-Type: gnss/data\r\n"
    head += b"Transfer-Encoding: chunked\r\n\r\n" if is_chunked else b"\r\n"
    stream = head + data
    events, _ = play([stream[i : i + 1448] for i in range(0, len(stream), 1448)], request())
    body = body_of(events)
    assert len(body) == (62_960 if is_chunked else len(data))
    if not is_chunked:
        assert body == data
