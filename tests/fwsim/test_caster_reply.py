"""What the simulated caster says and understands, against the NTRIP vectors."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwsim.caster_request import (
    MalformedError,
    is_digest_right,
    read_gga,
    read_request,
)
from fwsim.caster_spec import MountSpec
from fwsim.caster_table import source_table, stream_row
from fwsim.reply import (
    DIALECTS,
    chunk,
    chunked,
    page_answer,
    refusal_answer,
    stream_answer,
    table_answer,
)
from tests.conftest import shared_data


def vectors():
    return json.loads(shared_data("vectors", "ntrip.json").read_text())


def examples():
    return [bytes.fromhex(row["hex"]) for row in vectors()["responses"]]


@pytest.mark.parametrize("form", ["icy", "icy_bare", "icy_headers", "http_chunked", "http_plain"])
def test_answers_with_data_are_those_of_the_vectors(form):
    rows = vectors()["responses"]
    answer = stream_answer(form, 2 if form.startswith("http") else 1)
    found = [row for row in rows if bytes.fromhex(row["hex"]).startswith(answer.data)]
    # An ICY answer without blank line is the beginning of those with one.
    assert found
    assert found[0].get("chunked", False) == answer.is_chunked
    wire = bytes.fromhex(found[0]["hex"])[len(answer.data) :]
    body = bytes.fromhex(found[0]["body_hex"])
    if answer.is_chunked:
        assert wire == chunked(body, [10])
    elif form != "icy_bare":
        assert wire == body


def test_data_right_behind_the_status_line_are_in_the_vectors():
    example = next(row for row in vectors()["responses"] if "no blank line" in row.get("note", ""))
    answer = stream_answer("icy_bare", 1).data
    assert answer + bytes.fromhex(example["body_hex"]) == bytes.fromhex(example["hex"])


@pytest.mark.parametrize("form", ["sourcetable_v1", "sourcetable_v2"])
def test_tables_are_those_of_the_vectors(form):
    body = vectors()["sourcetable"]["text"].encode()
    assert table_answer(form, body) in examples()


def test_the_hybrid_has_the_first_line_of_version_1_and_headers_of_version_2():
    first, *headers = table_answer("sourcetable_hybrid", b"x").split(b"\r\n")
    assert first == b"SOURCETABLE 200 OK"
    assert {b"Ntrip-Version: Ntrip/2.0", b"Content-Type: text/plain"} <= set(headers)


@pytest.mark.parametrize(
    "form",
    [
        "unauthorised_v1",
        "unauthorised_v2",
        "not_found",
        "bad_password",
        "invalid_mount",
        "taken",
        "unavailable",
    ],
)
def test_refusals_are_those_of_the_vectors(form):
    assert refusal_answer(form, "AUTO") in examples()


def test_chunks_are_those_of_the_vectors():
    first, second = vectors()["chunked"]
    body = bytes.fromhex(first["body_hex"])
    assert chunked(body, [3]) == bytes.fromhex(first["hex"])
    ended = bytes.fromhex(second["hex"])
    assert ended.endswith(chunk(b""))


def test_every_dialect_has_an_answer_or_none_on_purpose():
    silent = {name for name, dialect in DIALECTS.items() if dialect.form == "nothing"}
    assert silent == {"closes_at_once", "no_reply"}
    for name, dialect in DIALECTS.items():
        if not dialect.is_stream and name not in silent and "sourcetable" not in name:
            assert refusal_answer(dialect.form, "A"), name


def test_a_page_is_proper_http():
    head, _, body = page_answer("t").partition(b"\r\n\r\n")
    assert b"Content-Length: %d" % len(body) in head
    assert body.startswith(b"<!DOCTYPE html>")


@pytest.mark.parametrize("index", [0, 1, 2, 3])
def test_requests_of_the_vectors_are_understood(index):
    row = vectors()["requests"][index]
    request = read_request(row["text"].encode())
    method, mount, version = [
        ("GET", "RTCM32_GGB", 1),
        ("GET", "AUTO", 2),
        ("SOURCE", "MP01", 1),
        ("POST", "MP01", 2),
    ][index]
    assert (request.method, request.mount, request.version) == (method, mount, version)
    if index != 2:
        assert request.basic() == ("user", "pass")
    assert not request.is_browser
    if index == 1:
        position = read_gga(request.headers["ntrip-gga"].encode())
        assert position is not None
        assert position.talker == "GN"
        assert position.lat_deg == pytest.approx(39 + 54.5232 / 60)
        assert position.lon_deg == pytest.approx(116 + 23.8488 / 60)
        assert position.quality == 4


def test_a_request_never_shows_its_secrets():
    text = "GET /A HTTP/1.0\r\nAuthorization: Basic dXNlcjpjYW5hcnk=\r\n\r\n"
    request = read_request(text.encode())
    assert request.basic() == ("user", "canary")
    assert "dXNlcjpjYW5hcnk" not in repr(request)
    push = read_request(b"SOURCE canary /MP01\r\n\r\n")
    assert "canary" not in repr(push)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"HELLO\r\n\r\n",
        b"GET /A\r\n\r\n",
        b"GET A HTTP/1.0\r\n\r\n",
        b"GET  /A HTTP/1.0\r\n\r\n",
        b"GET /A HTTP/2\r\n\r\n",
        b"GET /A HTTP/1.1\r\nNtrip-Version: Ntrip/2.0\r\n\r\n",
        b"GET /A HTTP/1.0\r\nHost: x\r\nNtrip-Version: Ntrip/2.0\r\n\r\n",
        b"GET /A HTTP/1.0\r\nno colon\r\n\r\n",
        b"GET /" + b"A" * 101 + b" HTTP/1.0\r\n\r\n",
        b"SOURCE  secret /A\r\n\r\n",
        b"GET /\xff HTTP/1.0\r\n\r\n",
    ],
)
def test_malformed_requests_are_named(head):
    with pytest.raises(MalformedError):
        read_request(head)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_malformed(data):
    try:
        request = read_request(data)
    except MalformedError:
        return
    request.basic()
    request.digest()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_gga_or_nothing(data):
    assert read_gga(data) is None or b"GGA" in data


def test_a_gga_with_a_wrong_checksum_is_none():
    # The example of NMEA 0183 as many manuals print it.
    good = b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47"
    position = read_gga(good)
    assert position is not None
    assert position.lat_deg == pytest.approx(48.1173)
    assert position.lon_deg == pytest.approx(11.516667)
    assert read_gga(good.replace(b"545.4", b"545.5")) is None


def digest_head(response):
    # The example of RFC 2617 clause 3.5 and of RFC 7616 clause 3.9.1, with its password.
    return (
        "GET /dir/index.html HTTP/1.1\r\nHost: h\r\nAuthorization: Digest "
        'username="Mufasa", realm="testrealm@host.com", '
        'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="/dir/index.html", '
        f'qop=auth, nc=00000001, cnonce="0a4f113b", response="{response}"\r\n\r\n'
    )


@pytest.mark.parametrize(
    ("response", "is_right"),
    [("6629fae49393a05397450978507c4ef1", True), ("6629fae49393a05397450978507c4ef2", False)],
)
def test_digest_answers_are_checked_like_the_example_of_the_rfc(response, is_right):
    request = read_request(digest_head(response).encode())
    found = is_digest_right(
        request,
        nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",
        realm="testrealm@host.com",
        accounts={"Mufasa": "Circle Of Life"},
    )
    assert found is is_right


def test_digest_sha256_is_checked_like_the_example_of_the_rfc():
    head = (
        "GET /dir/index.html HTTP/1.1\r\nHost: h\r\nAuthorization: Digest "
        'username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", '
        'algorithm=SHA-256, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, '
        'cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, '
        'response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"\r\n\r\n'
    )
    assert is_digest_right(
        read_request(head.encode()),
        nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        realm="http-auth@example.org",
        accounts={"Mufasa": "Circle of Life"},
    )


def test_the_basic_examples_of_the_vectors_are_read():
    for row in vectors()["basic_auth"]:
        request = read_request(
            f"GET /A HTTP/1.0\r\nAuthorization: {row['header']}\r\n\r\n".encode()
        )
        assert request.basic() == (row["user"], row["password"])
        cell = row["header"].partition(" ")[2]
        assert base64.b64decode(cell).decode() == f"{row['user']}:{row['password']}"


def test_a_table_has_the_fields_of_a_stream_record_in_order():
    mount = MountSpec(name="A", systems="GC", msm=7, is_virtual=True, authentication="basic")
    cells = stream_row(mount, wants_gga=True).split(";")
    assert len(cells) == 19
    assert cells[:2] == ["STR", "A"]
    assert cells[3].startswith("RTCM 3")
    assert cells[4] == "1005(10),1033(30),1077(1),1127(1),1019(30),1042(30)"
    assert cells[6] == "GPS+BDS"
    assert cells[11:13] == ["1", "1"]
    assert cells[15] == "B"
    assert cells[18] == "WGS84"


@pytest.mark.parametrize(
    ("defect", "sign"),
    [("no_end", None), ("cp1250", b"\xa3\xf3d\x9f"), ("semicolon", b'"Kraj; miasto"')],
)
def test_defects_of_tables(defect, sign):
    body, length = source_table(["STR;A"], host="h", port=1, defect=defect)
    assert length == len(body)
    assert body.endswith(b"ENDSOURCETABLE\r\n") is (defect != "no_end")
    assert sign is None or sign in body


def test_a_huge_table_and_a_wrong_length():
    body, _ = source_table([], host="h", port=1, defect="huge")
    assert len(body) > 200_000
    body, length = source_table([], host="h", port=1, defect="wrong_length")
    assert length < len(body)
