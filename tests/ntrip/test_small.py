"""Addresses, accounts, heads, requests: small things with rules."""

from __future__ import annotations

import pickle

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.ntrip.account import Account
from bdgw.ntrip.address import (
    CasterAddress,
    format_caster_url,
    mount_path,
    parse_caster_url,
    read_mount_path,
)
from bdgw.ntrip.head import (
    HeadReader,
    parse_request_line,
    parse_status_line,
    printable,
)
from bdgw.ntrip.request import NtripVersion, Request, encode_request, secrets_of
from bdgw.ntrip.service import SERVICES, Mark, find_service
from tests.ntrip.dialogue import split, vectors

CANARY = "c4nary-s3cret"


@pytest.mark.parametrize(
    ("url", "address", "mount"),
    [
        ("ntrip://caster.example.com/RTCM3", ("caster.example.com", 2101, False), "RTCM3"),
        ("ntrip://caster.example.com", ("caster.example.com", 2101, False), None),
        ("ntrip://caster.example.com:8002/", ("caster.example.com", 8002, False), None),
        ("ntrips://caster.example.com/A", ("caster.example.com", 443, True), "A"),
        ("NTRIPS://caster.example.com:2102/A", ("caster.example.com", 2102, True), "A"),
        ("ntrip://[2001:db8::1]:2101/A", ("2001:db8::1", 2101, False), "A"),
        ("ntrip://192.0.2.7/%E5%8D%83", ("192.0.2.7", 2101, False), "千"),
    ],
)
def test_url_is_read(url, address, mount):
    host, port, is_tls = address
    assert parse_caster_url(url) == (CasterAddress(host=host, port=port, is_tls=is_tls), mount)


@pytest.mark.parametrize(
    "url",
    [
        f"ntrip://user:{CANARY}@caster.example.com/A",
        f"ntrip://caster.example.com/user:{CANARY}@A",
        "http://caster.example.com/A",
        "ntrip:caster.example.com/A",
        "ntrip://caster.example.com:0/A",
        "ntrip://caster.example.com:70000/A",
        "ntrip://caster.example.com/A/B",
        "ntrip://caster.example.com/A?x=1",
        "ntrip://caster.example.com/A%0d%0aX",
        "ntrip://caster.example.com/" + "A" * 101,
        "ntrip:///A",
        "ntrip://caster.example.com/A B",
        "ntrip://" + "a" * 300,
    ],
)
def test_url_is_refused_without_repeating_a_secret(url):
    with pytest.raises(ValueError) as caught:
        parse_caster_url(url)
    assert CANARY not in str(caught.value)


@given(
    st.from_regex(r"[a-z][a-z0-9.-]{0,20}[a-z]", fullmatch=True),
    st.integers(1, 65535),
    st.booleans(),
    st.none() | st.from_regex(r"[A-Za-z0-9_.%~+;:$-]{1,100}", fullmatch=True),
)
def test_url_goes_round(host, port, is_tls, mount):
    address = CasterAddress(host=host, port=port, is_tls=is_tls)
    assert parse_caster_url(format_caster_url(address, mount)) == (address, mount)
    assert read_mount_path(mount_path(mount)) == mount


def test_mount_with_odd_characters_is_quoted_not_refused():
    assert mount_path("A b".replace(" ", "#")) == "/A%23b"
    assert mount_path("RTCM3_千") == "/RTCM3_%E5%8D%83"
    assert read_mount_path("http://caster.example/MP?x=1") == "MP"


def test_account_hides_its_password():
    account = Account("rover", CANARY)
    assert CANARY not in repr(account) + str(account) + f"{account!r:>30}"
    with pytest.raises(TypeError):
        msgspec.json.encode(account)
    with pytest.raises(TypeError):
        pickle.dumps(account)
    assert account == Account("rover", CANARY)
    assert account != Account("rover", "other")
    assert len({account, Account("rover", CANARY)}) == 1


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("a:b", CANARY),
        ("a\n", CANARY),
        ("a", CANARY + "\r\nX: y"),
        ("a", CANARY + "\ud800"),
        ("a" * 300, CANARY),
    ],
)
def test_account_that_would_break_a_header_is_refused(username, password):
    with pytest.raises(ValueError) as caught:
        Account(username, password)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("v1 GET", {"mount": "RTCM32_GGB", "version": NtripVersion.V1}),
        ("v2 GET", {"mount": "AUTO", "version": NtripVersion.V2}),
    ],
)
def test_requests_are_those_of_the_vectors(name, fields):
    text = next(row["text"] for row in vectors()["requests"] if row["name"] == name)
    gga = None
    if "Ntrip-GGA: " in text:
        gga = text.partition("Ntrip-GGA: ")[2].partition("\r\n")[0].encode()
    asked = Request(
        address=CasterAddress(host="caster.example", port=8002),
        account=Account("user", "pass"),
        user_agent="NTRIP bdgw/0.1",
        gga=gga,
        **fields,
    )
    assert encode_request(asked) == text.encode()
    assert "pass" not in repr(asked)
    assert set(secrets_of(asked)) == {"pass", "dXNlcjpwYXNz"}


def test_request_for_the_table_asks_for_the_root():
    asked = Request(address=CasterAddress(host="2001:db8::1"), mount=None)
    head = encode_request(asked).decode()
    assert head.startswith("GET / HTTP/1.1\r\nHost: [2001:db8::1]:2101\r\n")
    assert "User-Agent: NTRIP bdgw/" in head
    assert "Authorization" not in head


HEAD = b"GET /MP HTTP/1.1\r\nHost: a\r\nX-Odd:  two words \r\nno header at all\r\n\r\nrest\r\n\r\n"


@given(st.lists(st.integers(0, 1000), max_size=12))
def test_head_is_read_however_it_is_cut(cuts):
    reader = HeadReader()
    pieces = split(HEAD, cuts)
    head = None
    while head is None:
        head = reader.feed(pieces.pop(0))
    assert head.start == "GET /MP HTTP/1.1"
    assert head.headers == (("host", "a"), ("x-odd", "two words"))
    assert reader.rest + b"".join(pieces) == b"rest\r\n\r\n"


@pytest.mark.parametrize(
    "data",
    [b"\r\n", b"\n", b"a" * 9000, b"GET /\r\n" + b"a: b\r\n" * 70 + b"\r\n"],
)
def test_head_that_cannot_be_is_a_fault(data):
    reader = HeadReader()
    assert reader.feed(data) is None
    assert reader.fault
    with pytest.raises(ValueError):
        reader.feed(b"x")


@given(st.binary(max_size=300), st.integers(1, 40))
def test_any_bytes_make_a_head_a_fault_or_wait(data, step):
    reader = HeadReader(max_bytes=100)
    for start in range(0, len(data), step):
        if reader.head is not None or reader.fault is not None:
            break
        reader.feed(data[start : start + step])
    if len(data) > 101 + step:
        assert reader.head is not None or reader.fault is not None


def test_start_lines():
    status = parse_status_line("HTTP/1.0 200 OK Server: NTRIP Trimble Ntrip Caster")
    assert status is not None
    assert (status.protocol, status.status) == ("HTTP/1.0", 200)
    assert parse_status_line("ICY 200 OK").protocol == "ICY"  # type: ignore[union-attr]
    assert parse_status_line("SOURCETABLE 401").status == 401  # type: ignore[union-attr]
    assert parse_status_line("ERROR - Bad Password") is None
    line = parse_request_line("get /MP HTTP/1.1")
    assert line is not None
    assert (line.method, line.target, line.version) == ("GET", "/MP", "HTTP/1.1")
    assert parse_request_line("SOURCE pass word /MP") is None


@given(st.text(max_size=400))
def test_a_peers_words_are_made_fit_to_be_shown(text):
    shown = printable(text, 60)
    assert len(shown) <= 60
    assert all(" " <= character <= "~" for character in shown)


def test_service_ports_mean_different_frames():
    qianxun, cmcc = find_service("RTK.ntrip.qxwz.com"), find_service("120.253.226.97")
    assert qianxun is not None
    assert cmcc is not None
    frames = {port.port: port.frame for port in qianxun.ports}
    assert frames == {8001: "ITRF2008", 8002: "WGS84", 8003: "CGCS2000"}
    assert {port.port: port.frame for port in cmcc.ports} == {8001: "CGCS2000", 8002: "WGS84"}
    assert qianxun.needs_gga is True
    assert qianxun.needs_gga_mark is Mark.CERTAIN
    assert qianxun.find_port(2101) is None
    assert find_service("caster.example.com") is None


def test_every_service_value_is_marked_and_no_frame_is_guessed():
    assert {service.name for service in SERVICES} == {"qianxun", "cmcc", "sixents", "generic"}
    for service in SERVICES:
        for port in service.ports:
            assert (port.frame_epoch_year == 2000.0) == (port.frame == "CGCS2000")
        assert all(isinstance(port.mark, Mark) for port in service.ports)
        assert all(isinstance(mount.mark, Mark) for mount in service.mounts)
