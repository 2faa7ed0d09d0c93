"""Endpoint URLs: what is read, what is refused, and that both directions agree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.receivers import (
    Endpoint,
    FileEndpoint,
    SerialEndpoint,
    TcpEndpoint,
    TcpListenEndpoint,
    UdpListenEndpoint,
    format_endpoint,
    parse_endpoint,
)

BY_ID = "/dev/serial/by-id/usb-u-blox_AG_-_www.u-blox.com_u-blox_GNSS_receiver-if00"


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        (f"serial://{BY_ID}?baud=115200", SerialEndpoint(path=BY_ID, baud=115200)),
        ("serial:///dev/pts/4", SerialEndpoint(path="/dev/pts/4")),
        (
            "serial:///dev/ttyS1?baud=9600&bytesize=7&parity=e&stopbits=2&rtscts=1",
            SerialEndpoint(
                path="/dev/ttyS1",
                baud=9600,
                data_bits=7,
                parity="E",
                stop_bits=2.0,
                has_rtscts=True,
            ),
        ),
        ("tcp://192.0.2.7:5017", TcpEndpoint(host="192.0.2.7", port=5017)),
        ("tcp://[2001:db8::7]:5017", TcpEndpoint(host="2001:db8::7", port=5017)),
        ("tcp://Rover.Example:1", TcpEndpoint(host="rover.example", port=1)),
        ("tcp-listen://:9000", TcpListenEndpoint(host="", port=9000)),
        ("tcp-listen://[::1]:9000", TcpListenEndpoint(host="::1", port=9000)),
        ("udp-listen://0.0.0.0:9001", UdpListenEndpoint(host="0.0.0.0", port=9001)),
        ("file:///srv/a%20b.nmea", FileEndpoint(path="/srv/a b.nmea")),
        ("file:///srv/a.gz?speed=max", FileEndpoint(path="/srv/a.gz")),
        ("file:///srv/a?speed=2.5", FileEndpoint(path="/srv/a", speed=2.5)),
    ],
)
def test_good_urls(url: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(url) == endpoint
    assert parse_endpoint(format_endpoint(endpoint)) == endpoint


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("/dev/ttyUSB0", "allowed schemes: serial, tcp"),
        ("ssh://h:1", "unknown scheme 'ssh'; allowed"),
        ("serial://dev/ttyUSB0?baud=9600", "serial:///dev/ttyUSB0"),
        ("serial:///dev/ttyS0?baud=fast", "'fast' is not a whole number"),
        ("serial:///dev/ttyS0?baud=49", "allowed: 50 to"),
        ("serial:///dev/ttyS0?baud=²", "not a whole number"),
        ("serial:///dev/ttyS0?speed=9600", "unknown key 'speed'; allowed: baud"),
        ("serial:///dev/ttyS0?baud=1200&baud=9600", "given twice"),
        ("serial:///dev/ttyS0?baud=9600&parity=x", "allowed: N, E, O, M, S"),
        ("serial:///dev/ttyS0?baud=9600&bytesize=9", "allowed: 5, 6, 7, 8"),
        ("serial:///dev/ttyS0?baud=9600&stopbits=3", "allowed: 1, 1.5, 2"),
        ("serial:///dev/ttyS0?baud=9600&stopbits=nan", "allowed: 1, 1.5, 2"),
        ("serial:///dev/ttyS0?baud=9600&rtscts=maybe", "allowed: 0, 1, false, true"),
        ("serial:///", "absolute path"),
        ("serial:///dev/a%00b", "control character"),
        ("serial:///dev/a%0ab", "control character"),
        ("serial:///" + "d" * 600, "at most 512"),
        ("tcp://h:" + "1" * 2000, "at most 1024"),
        ("tcp://h", "port is missing"),
        ("tcp://:9000", "host is missing"),
        ("tcp://h:0", "allowed: 1 to 65535"),
        ("tcp://h:65536", "0 to 65535"),
        ("tcp://h:1/path", "only a host and a port"),
        ("tcp://user:secret@h:1", "only a host and a port"),
        ("tcp://[::1:9000", "IPv6 stands in"),
        ("tcp://2001:db8::7:5017", "IPv6 stands in"),
        ("tcp://" + "h" * 254 + ":1", "at most 253"),
        ("tcp-listen://:", "port is missing"),
        ("file:///a?speed=0", "allowed: max"),
        ("file:///a?speed=inf", "allowed: max"),
        ("file:///a?speed=nan", "allowed: max"),
        ("file:///a\n", "control character"),
    ],
)
def test_bad_urls_are_refused_with_what_is_allowed(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_endpoint(url)
    assert message in str(caught.value)


def test_a_password_is_not_repeated_in_the_message() -> None:
    with pytest.raises(ValueError) as caught:
        parse_endpoint("tcp://user:secret@h:1")
    assert "secret" not in str(caught.value)


@given(st.text(max_size=1200))
def test_any_text_gives_an_endpoint_or_a_value_error(text: str) -> None:
    for url in (text, f"serial:///{text}", f"tcp://{text}", f"file:///a?{text}"):
        try:
            endpoint = parse_endpoint(url)
        except ValueError:
            continue
        assert parse_endpoint(format_endpoint(endpoint)) == endpoint


@given(
    st.builds(
        SerialEndpoint,
        path=st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1).map(
            lambda name: f"/{name.strip('/') or 'x'}"
        ),
        baud=st.none() | st.integers(50, 4_000_000),
        data_bits=st.sampled_from([5, 6, 7, 8]),
        parity=st.sampled_from("NEOMS"),
        stop_bits=st.sampled_from([1.0, 1.5, 2.0]),
        has_rtscts=st.booleans(),
    )
)
def test_serial_round_trip(endpoint: SerialEndpoint) -> None:
    assert parse_endpoint(format_endpoint(endpoint)) == endpoint
