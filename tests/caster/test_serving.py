import itertools
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bdgw.ntrip.answer import Dialect, Refusal, format_http_date
from bdgw.ntrip.chunk import LAST_CHUNK
from bdgw.ntrip.serving import (
    Asked,
    Ended,
    Moved,
    Pushed,
    ServingLimits,
    ServingSession,
)
from bdgw.ntrip.serving_request import Request, Want
from tests.caster.rig import sentence
from tests.conftest import shared_data

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
GGA = b"$GNGGA,163545.00,3954.5232000,N,11623.8488000,E,4,28,0.6,59.876,M,-9.753,M,1.0,2025*77\r\n"
NTRIP = "User-Agent: NTRIP probe/1\r\n"
V2 = "Ntrip-Version: Ntrip/2.0\r\nHost: caster.example.com\r\n" + NTRIP
BROWSER = "User-Agent: Mozilla/5.0\r\nAccept: text/html,*/*;q=0.8\r\n"
CANARY = "canary-7f3a"


def session(**limits: float) -> ServingSession:
    return ServingSession(
        server="NTRIP test/1", http_date=lambda: DATE, now=0.0, limits=ServingLimits(**limits)
    )


def request(
    text: str | bytes, made: ServingSession | None = None
) -> tuple[ServingSession, Request]:
    made = made or session()
    made.receive(text if isinstance(text, bytes) else text.encode("latin-1"), now=0.0)
    (event,) = made.events()
    assert isinstance(event, Asked)
    return made, event.request


def get(target: str = "/BASE", headers: str = NTRIP, version: str = " HTTP/1.0") -> str:
    return f"GET {target}{version}\r\n{headers}\r\n"


def head_of(data: bytes) -> tuple[str, dict[str, str], bytes]:
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return first, dict(line.split(": ", 1) for line in lines), body


@pytest.mark.parametrize("version", [" HTTP/1.0", " HTTP/1.1", ""])
def test_a_client_of_version_1_gets_icy_and_nothing_but_data(version):
    served, asked = request(get(version=version))
    assert asked.dialect is Dialect.V1
    assert (asked.want, asked.mount, asked.account) == (Want.STREAM, "BASE", None)
    served.accept_stream(now=0.0)
    assert served.data_to_send() == b"ICY 200 OK\r\n\r\n"
    assert not served.is_chunked
    assert served.stream_end() == b""


def test_a_client_of_version_2_gets_http_in_chunks():
    served, asked = request(get(headers=V2, version=" HTTP/1.1"))
    assert asked.dialect is Dialect.V2
    served.accept_stream(now=0.0)
    first, headers, body = head_of(served.data_to_send())
    assert first == "HTTP/1.1 200 OK"
    assert headers["Ntrip-Version"] == "Ntrip/2.0"
    assert headers["Content-Type"] == "gnss/data"
    assert headers["Transfer-Encoding"] == "chunked"
    assert (headers["Server"], headers["Date"]) == ("NTRIP test/1", DATE)
    assert body == b""
    assert served.is_chunked
    assert served.stream_end() == LAST_CHUNK


def test_http_1_0_gets_no_chunks_whatever_else_it_says():
    served, _ = request(get(headers=V2))
    served.accept_stream(now=0.0)
    assert b"chunked" not in served.data_to_send()
    assert not served.is_chunked


def test_the_date_is_written_as_the_standard_writes_it():
    # Source: RFC 9110, clause 5.6.7, the example of an IMF-fixdate.
    assert format_http_date(784_111_777 * 10**9) == DATE


def test_the_requests_of_the_vectors_are_understood():
    rows = {
        row["name"]: row["text"]
        for row in json.loads(shared_data("vectors", "ntrip.json").read_text())["requests"]
    }
    _, asked = request(rows["v1 GET"])
    assert (asked.dialect, asked.mount) == (Dialect.V1, "RTCM32_GGB")
    assert asked.account is not None
    assert (asked.account.username, asked.account.password) == ("user", "pass")
    _, asked = request(rows["v2 GET"])
    assert (asked.dialect, asked.mount) == (Dialect.V2, "AUTO")
    assert asked.position is not None
    assert asked.position.lat_deg == pytest.approx(39.90872, abs=1e-9)
    assert asked.position.lon_deg == pytest.approx(116.39748, abs=1e-9)
    _, asked = request(rows["v1 server push"])
    assert (asked.want, asked.dialect, asked.mount) == (Want.PUSH, Dialect.SOURCE, "MP01")
    assert asked.account is not None
    assert asked.account.password == "secret"
    _, asked = request(rows["v2 server push"])
    assert (asked.want, asked.dialect, asked.is_body_chunked) == (Want.PUSH, Dialect.V2, True)


@pytest.mark.parametrize(
    ("headers", "first", "kind"),
    [
        (NTRIP, "SOURCETABLE 200 OK", "text/plain"),
        (V2, "HTTP/1.1 200 OK", "gnss/sourcetable"),
        ("User-Agent: curl/8.1\r\nAccept: */*\r\n", "HTTP/1.1 200 OK", "text/plain"),
    ],
)
def test_the_table_comes_in_the_language_of_who_asks(headers, first, kind):
    served, asked = request(get("/", headers, " HTTP/1.1"))
    assert asked.want is Want.TABLE
    assert not asked.is_html
    served.send_table(b"STR;X\r\nENDSOURCETABLE\r\n")
    said, fields, body = head_of(served.data_to_send())
    assert said == first
    assert fields["Content-Type"].startswith(kind)
    assert int(fields["Content-Length"]) == len(body) == 23
    assert [type(event) for event in served.events()] == [Ended]


@pytest.mark.parametrize(
    ("headers", "is_html"),
    [
        (BROWSER, True),
        ("User-Agent: curl/8.1\r\nAccept: */*\r\n", False),
        ("Accept: text/html\r\n", True),
        (NTRIP + "Accept: text/html\r\n", False),
        (V2 + "Accept: text/html\r\n", False),
        ("", False),
    ],
)
def test_only_a_browser_gets_a_page(headers, is_html):
    _, asked = request(get("/", headers, " HTTP/1.1"))
    assert asked.is_html is is_html


def test_a_page_is_whole_http_and_runs_nothing():
    served, _ = request(get("/nothing", BROWSER, " HTTP/1.1"))
    served.send_page(b"<p>hello</p>", refusal=Refusal.NOT_FOUND)
    first, headers, body = head_of(served.data_to_send())
    assert first == "HTTP/1.1 404 Not Found"
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert int(headers["Content-Length"]) == len(body)


def test_head_says_the_same_without_the_body():
    served, asked = request("HEAD / HTTP/1.1\r\n\r\n")
    assert asked.is_head
    served.send_table(b"x" * 9)
    first, headers, body = head_of(served.data_to_send())
    assert (first, headers["Content-Length"], body) == ("HTTP/1.1 200 OK", "9", b"")
    served, _ = request("HEAD /BASE HTTP/1.1\r\n\r\n")
    served.accept_stream(now=0.0)
    assert b"chunked" in served.data_to_send()
    assert [type(event) for event in served.events()] == [Ended]


@pytest.mark.parametrize(
    ("line", "password", "mount"),
    [
        ("SOURCE pw /MP", "pw", "MP"),
        ("SOURCE pw MP", "pw", "MP"),
        ("SOURCE  pw   /MP ", "pw", "MP"),
        ("SOURCE pw /MP HTTP/1.1", "pw", "MP"),
        ("SOURCE pw /MP  NTRIP/1.0", "pw", "MP"),
        ("SOURCE  /MP", "", "MP"),
        ("source pw /MP", "pw", "MP"),
        ("SOURCE two words /MP", "two words", "MP"),
        ("SOURCE pw /M%50", "pw", "MP"),
    ],
)
def test_careless_forms_of_source_are_understood(line, password, mount):
    served, asked = request(f"{line}\r\nSource-Agent: NTRIP probe/1\r\n\r\n")
    assert asked.account is not None
    assert (asked.account.password, asked.mount) == (password, mount)
    assert asked.agent == "NTRIP probe/1"
    served.accept_push(now=0.0)
    assert served.data_to_send() == b"OK\r\n"


@pytest.mark.parametrize(
    ("refusal", "answer"),
    [
        (Refusal.UNAUTHORISED, b"ERROR - Bad Password\r\n"),
        (Refusal.NOT_FOUND, b"ERROR - Mount Point Taken or Invalid\r\n"),
        (Refusal.CONFLICT, b"ERROR - Mount Point Taken or Invalid\r\n"),
    ],
)
def test_a_base_of_version_1_is_refused_in_its_own_words(refusal, answer):
    served, _ = request("SOURCE pw /MP\r\n\r\n")
    served.refuse(refusal, "no")
    assert served.data_to_send() == answer


def test_what_a_base_sends_before_the_answer_is_kept():
    served, _ = request(b"SOURCE pw /MP\r\n\r\n\xd3\x00")
    served.receive(b"\x01", now=1.0)
    served.accept_push(now=1.0)
    assert list(served.events()) == [Pushed(b"\xd3\x00\x01")]
    served.receive(b"\x02", now=2.0)
    assert list(served.events()) == [Pushed(b"\x02")]


def post(headers: str) -> str:
    return f"POST /MP HTTP/1.1\r\n{V2}{headers}\r\n"


def test_a_chunked_push_comes_out_without_its_coding_and_ends():
    served, _ = request(post("Transfer-Encoding: chunked\r\n"))
    served.accept_push(now=0.0)
    assert served.data_to_send().startswith(b"HTTP/1.1 200 OK\r\n")
    for byte in b"3\r\nabc\r\n4;ext\r\n\r\n\xd3\x00\r\n0\r\n\r\n":
        served.receive(bytes([byte]), now=0.0)
    *pushed, ended = served.events()
    assert b"".join(event.data for event in pushed if isinstance(event, Pushed)) == (
        b"abc\r\n\xd3\x00"
    )
    assert isinstance(ended, Ended)


def test_a_push_with_a_length_ends_there():
    served, _ = request(post("Content-Length: 4\r\n"))
    served.accept_push(now=0.0)
    served.receive(b"abcdef", now=0.0)
    first, ended = served.events()
    assert first == Pushed(b"abcd")
    assert isinstance(ended, Ended)


def test_who_expects_100_gets_it_only_when_it_may_send():
    served, _ = request(post("Expect: 100-continue\r\n"))
    served.accept_push(now=0.0)
    assert served.data_to_send().startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    served, _ = request(post("Expect: 100-continue\r\n"))
    served.refuse(Refusal.UNAUTHORISED, "no")
    assert served.data_to_send().startswith(b"HTTP/1.1 401 Unauthorized\r\n")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("nonsense\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\n\r\n", 400),
        ("GET / RTSP/1.0\r\n\r\n", 400),
        ("\x16\x03\x01\x02\x00", 400),
        ("\x00", 400),
        ("PUT /BASE HTTP/1.1\r\n\r\n", 405),
        ("OPTIONS * HTTP/1.1\r\n\r\n", 405),
        (post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"), 400),
        (post("Transfer-Encoding: gzip, chunked\r\n"), 400),
        (post("Content-Length: -1\r\n"), 400),
        (post("Content-Length: 1e3\r\n"), 400),
        ("GET /" + "x" * 9000, 431),
        (get(headers="a: b\r\n" * 100), 431),
    ],
)
def test_what_is_no_request_is_answered_in_http(text, status):
    served = session()
    served.receive(text.encode("latin-1"), now=0.0)
    first, headers, _ = head_of(served.data_to_send())
    assert first.startswith(f"HTTP/1.1 {status} ")
    assert ("Allow" in headers) == (status == 405)
    assert [type(event) for event in served.events()] == [Ended]


def test_a_refusal_says_how_to_log_in():
    served, _ = request(get())
    served.refuse(Refusal.UNAUTHORISED, "an account is needed")
    first, headers, _ = head_of(served.data_to_send())
    assert first == "HTTP/1.0 401 Unauthorized"
    assert headers["WWW-Authenticate"].startswith('Basic realm="/BASE"')


def test_a_name_from_outside_breaks_no_header():
    served, _ = request(get("/a%0d%0aX-Evil:1%22"))
    served.refuse(Refusal.UNAUTHORISED, "no")
    answer = served.data_to_send()
    assert b"X-Evil" not in answer
    assert answer.count(b"\r\n\r\n") == 1


def test_leading_empty_lines_are_passed_over():
    _, asked = request("\r\n\r\n" + get())
    assert asked.mount == "BASE"


def streaming(now: float = 0.0, **limits: float) -> ServingSession:
    served, _ = request(get(), session(**limits))
    served.accept_stream(now=now)
    served.data_to_send()
    return served


@given(st.data())
def test_a_position_is_found_however_it_is_cut(data):
    served = streaming(uplink_bytes_per_s=1e9)
    text = b"junk\r\n" + GGA + b"$GPZDA,1*00\r\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        if start != end:
            served.receive(text[start:end], now=0.0)
    (moved,) = served.events()
    assert isinstance(moved, Moved)
    assert moved.position.lat_deg == pytest.approx(39.90872, abs=1e-9)
    assert moved.position.quality == 4


@pytest.mark.parametrize(
    "line",
    [
        GGA.replace(b"*77", b"*78"),
        sentence(b"GPGGA,120000,0000.000,N,00000.000,E,1,08,1.0,0,M,0,M,,"),
        sentence(b"GPGGA,120000,3954.5,N,11623.8,E,0,08,1.0,0,M,0,M,,"),
        sentence(b"GPGGA,120000,,,,,0,,,,M,,M,,"),
        sentence(b"GPGLL,3954.5,N,11623.8,E,120000,A"),
        b"$" + b"A" * 5000 + b"\r\n",
        b"\xff\xfe$GPGGA\r\n",
    ],
)
def test_what_is_no_position_is_none(line):
    served = streaming(uplink_bytes_per_s=1e9)
    served.receive(line, now=0.0)
    assert list(served.events()) == []


def test_another_quality_and_the_usual_talker_are_a_position():
    served = streaming()
    served.receive(sentence(b"GPGGA,120000,3954.5,N,11623.8,E,1,08,1.0,0,M,0,M,,"), now=0.0)
    assert [type(event) for event in served.events()] == [Moved]


def test_the_tail_of_an_overlong_line_is_no_sentence():
    served = streaming(uplink_bytes_per_s=1e9)
    served.receive(b"x" * 300, now=0.0)
    served.receive(GGA, now=0.0)
    assert list(served.events()) == []
    served.receive(GGA, now=0.0)
    assert [type(event) for event in served.events()] == [Moved]


def test_a_client_that_floods_is_ended():
    served = streaming(uplink_bytes_per_s=100.0)
    served.receive(b"x" * 800, now=0.0)
    assert list(served.events()) == []
    served.receive(b"x" * 200, now=1.0)
    assert [type(event) for event in served.events()] == [Ended]


def test_a_base_that_floods_is_ended():
    served, _ = request("SOURCE pw /MP\r\n\r\n", session(push_bytes_per_s=1000.0))
    served.accept_push(now=0.0)
    served.receive(b"x" * 8000, now=0.0)
    served.receive(b"x" * 1000, now=1.0)
    served.receive(b"x" * 500, now=1.1)
    assert [type(event) for event in served.events()] == [Pushed, Pushed, Ended]


def test_a_head_that_drips_has_a_deadline_and_no_later_one():
    served = session(head_s=10.0)
    for second in range(10):
        assert served.deadline() == 10.0
        served.receive(b"G", now=float(second))
        served.tick(now=second + 0.5)
        assert list(served.events()) == []
    served.tick(now=10.0)
    assert [type(event) for event in served.events()] == [Ended]
    assert served.data_to_send() == b""


def test_a_silent_base_is_ended_and_a_silent_client_is_not():
    served, _ = request("SOURCE pw /MP\r\n\r\n", session(pusher_silence_s=60.0))
    assert served.deadline() is None  # whoever waits for an answer is not timed
    served.accept_push(now=5.0)
    served.receive(b"x", now=50.0)
    assert served.deadline() == 110.0
    served.tick(now=109.9)
    assert [type(event) for event in served.events()] == [Pushed]
    served.tick(now=110.0)
    assert [type(event) for event in served.events()] == [Ended]
    assert streaming().deadline() is None


def test_no_answer_comes_twice():
    served, _ = request(get())
    served.accept_stream(now=0.0)
    served.data_to_send()
    served.accept_stream(now=0.0)
    served.refuse(Refusal.NOT_FOUND, "no")
    served.send_table(b"x")
    assert served.data_to_send() == b""


def test_too_much_before_the_answer_is_refused():
    served, _ = request("SOURCE pw /MP\r\n\r\n")
    served.receive(b"x" * 60_000, now=0.0)
    assert list(served.events()) == []
    served.receive(b"x" * 6_000, now=0.0)
    assert [type(event) for event in served.events()] == [Ended]


def test_no_password_is_in_anything_that_can_be_shown():
    text = f"SOURCE {CANARY} /MP\r\n\r\n"
    served, asked = request(text)
    assert CANARY not in repr(asked) + str(asked) + repr(served)
    served.refuse(Refusal.UNAUTHORISED, "no")
    assert CANARY.encode() not in served.data_to_send()
    assert CANARY not in repr(list(served.events()))


START = st.sampled_from(
    [
        b"",
        get().encode(),
        get(headers=V2, version=" HTTP/1.1").encode(),
        b"SOURCE pw /MP\r\n\r\n",
        post("Transfer-Encoding: chunked\r\n").encode(),
        post("Content-Length: 20\r\n").encode(),
        b"GET / HTTP/1.1\r\n",
    ]
)
Said = tuple[list[object], bytes]


def run(pieces: list[bytes]) -> Said:
    """Drive a session as its owner would; every answer is yes."""
    made = session(uplink_bytes_per_s=1e9, push_bytes_per_s=1e9)
    seen: list[object] = []
    out = b""
    for piece in [*pieces, b""]:
        made.receive(piece, now=0.0)
        while events := list(made.events()):
            for event in events:
                seen.append(event)
                if isinstance(event, Asked):
                    if event.request.want is Want.STREAM:
                        made.accept_stream(now=0.0)
                    elif event.request.want is Want.PUSH:
                        made.accept_push(now=0.0)
                    else:
                        made.send_table(b"ENDSOURCETABLE\r\n")
        out += made.data_to_send()
        held = len(made._held) + len(made._uplink._line) + len(made._reader._buffer)
        assert held <= 8193 + 65_536 + 256
    return merged(seen), out


def merged(events: list[object]) -> list[object]:
    """Join neighbouring pushes; of positions only the last is kept, as a reader would."""
    kept: list[object] = []
    for event in events:
        if isinstance(event, Pushed) and kept and isinstance(kept[-1], Pushed):
            kept[-1] = Pushed(kept[-1].data + event.data)
        elif isinstance(event, Moved) and kept and isinstance(kept[-1], Moved):
            kept[-1] = event
        else:
            kept.append(event)
    return kept


@given(START, st.binary(max_size=600), st.lists(st.integers(0, 700), max_size=6))
@example(b"GET / HTTP/1.1\r\n", b"\r\n\r\n", [17])
def test_any_bytes_in_any_pieces_say_the_same_and_raise_nothing(start, rest, cuts):
    data = start + rest
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    pieces = [data[a:b] for a, b in itertools.pairwise(places) if a != b]
    assert run(pieces) == run([data] if data else [])
