import asyncio
import socket
import ssl

import pytest

from bdgw.caster.tls import TlsLayer
from bdgw.errors import LinkError
from tests.caster.rig import NTRIP, V2, basic, frame, until


def server_context(certificates, name: str = "good") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificates.server(name))
    return context


def client_context(certificates) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificates.ca))


async def test_both_versions_are_served_over_tls(rig, certificates):
    made = await rig(ssl_context=server_context(certificates))
    options = {"ssl": client_context(certificates), "server_hostname": "localhost"}
    assert made.snapshot().is_tls
    old = await made.dial(f"GET /BASE HTTP/1.0\r\n{NTRIP}{basic()}\r\n", **options)
    assert await old.read(14) == b"ICY 200 OK\r\n\r\n"
    new = await made.dial(f"GET /BASE HTTP/1.1\r\n{V2}{basic()}\r\n", **options)
    assert (await new.head()).startswith("HTTP/1.1 200 OK")
    for number in range(50):
        made.feed("BASE", frame(number, 900))
    expected = b"".join(frame(number, 900) for number in range(50))
    assert await old.read(len(expected)) == expected
    table = await made.dial(b"GET / HTTP/1.0\r\n\r\n", **options)
    assert (await table.rest()).endswith(b"ENDSOURCETABLE\r\n")


async def test_a_base_pushes_over_tls(rig, certificates):
    made = await rig(ssl_context=server_context(certificates))
    options = {"ssl": client_context(certificates), "server_hostname": "localhost"}
    base = await made.dial(b"SOURCE canary-pusher-2e7 /PUSH\r\n\r\n" + frame(1), **options)
    assert await base.read(4) == b"OK\r\n"
    await until(lambda: made.pushed == [("PUSH", frame(1))])


async def test_a_wrong_host_is_found_out_by_the_client(rig, certificates):
    made = await rig(ssl_context=server_context(certificates, "elsewhere"))
    with pytest.raises(ssl.SSLCertVerificationError):
        await made.dial(ssl=client_context(certificates), server_hostname="localhost")
    await until(lambda: made.snapshot().n_connections == 0)


async def test_plain_words_on_a_tls_port_end_the_connection(rig, certificates):
    made = await rig(ssl_context=server_context(certificates))
    peer = await made.dial(b"GET / HTTP/1.0\r\n\r\n")
    assert b"ENDSOURCETABLE" not in await peer.rest()
    await until(lambda: made.snapshot().n_connections == 0)


async def test_a_handshake_that_does_not_go_on_is_ended(rig, certificates):
    made = await rig(ssl_context=server_context(certificates), head_s=0.3)
    peer = await made.dial(b"\x16\x03\x01")
    assert await peer.rest() == b""
    await until(lambda: made.snapshot().n_connections == 0)


async def test_tls_on_a_plain_port_is_named(rig, certificates):
    made = await rig()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await made.dial(ssl=client_context(certificates), server_hostname="localhost")


async def test_a_client_over_tls_that_takes_nothing_disturbs_nobody(rig, certificates):
    made = await rig(
        ssl_context=server_context(certificates), queue_bytes=20_000, queue_age_s=1.0, stall_s=1.5
    )
    context = client_context(certificates)
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(("127.0.0.1", made.port))

    def handshake() -> ssl.SSLSocket:
        wrapped = context.wrap_socket(slow, server_hostname="localhost")
        wrapped.sendall(f"GET /BASE HTTP/1.0\r\n{NTRIP}{basic()}\r\n".encode())
        return wrapped

    stalled = await asyncio.to_thread(handshake)
    well = await made.dial(
        f"GET /BASE HTTP/1.0\r\n{NTRIP}{basic()}\r\n", ssl=context, server_hostname="localhost"
    )
    await well.read(14)
    await made.has_clients(2)
    frames = [frame(number, 1000) for number in range(600)]
    reading = asyncio.create_task(well.read(600_000))
    for each in frames:
        made.feed("BASE", each)
        await asyncio.sleep(0.0005)
    assert await reading == b"".join(frames)
    lost = sorted(each.n_dropped for each in made.clients())
    assert lost[0] == 0
    # What the kernels held and one queue; nothing like the 64 KiB of an event loop's own TLS.
    assert lost[1] >= 500
    await made.has_clients(1)
    stalled.close()


def test_bytes_that_are_no_tls_are_a_link_error(certificates):
    layer = TlsLayer(server_context(certificates))
    with pytest.raises(LinkError, match="TLS"):
        layer.receive(b"GET / HTTP/1.0\r\n\r\n")
    assert layer.close() is not None


def test_a_handshake_in_single_bytes_carries_data_both_ways(certificates):
    server = TlsLayer(server_context(certificates))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context(certificates).wrap_bio(incoming, outgoing, server_hostname="localhost")
    plain = b""
    for _ in range(10):
        try:
            client.do_handshake()
            break
        except ssl.SSLWantReadError:
            for byte in outgoing.read():
                plain += server.receive(bytes([byte]))[0]
            incoming.write(server.data_to_send())
    client.write(b"hello")
    for byte in outgoing.read():
        plain += server.receive(bytes([byte]))[0]
    assert plain == b"hello"
    incoming.write(server.data_to_send() + server.wrap(b"x" * 50_000))
    got = b""
    while len(got) < 50_000:
        got += client.read(65_536)
    assert got == b"x" * 50_000
    with pytest.raises(ssl.SSLWantReadError):
        client.unwrap()
    assert server.receive(outgoing.read()) == (b"", True)
