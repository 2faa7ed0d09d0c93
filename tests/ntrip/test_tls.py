"""TLS on real sockets, with certificates made by openssl."""

from __future__ import annotations

import asyncio
import gc
import ssl
from collections.abc import Iterator

import pytest

from bdgw.ntrip.address import CasterAddress
from bdgw.ntrip.gga import GgaPolicy, GgaWhen
from bdgw.ntrip.runner import NtripClientSpec
from bdgw.ntrip.state import ClientStatus, LossKind
from tests.ntrip.certificate import Certificates
from tests.ntrip.dialogue import FRAME
from tests.ntrip.rig import VirtualTime, Visit, Watched, playing, running, until

NEVER = GgaPolicy(when=GgaWhen.NEVER)

# A TLS handshake that fails leaves its transport on asyncio's server side to the collector, which
# then warns; what is tested here is what our side says of it.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """What is left to the collector is collected here, and blamed on no later test."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    made.make()
    return made


async def script(visit: Visit) -> None:
    visit.say(b"ICY 200 OK\r\n\r\n" + FRAME)
    await visit.reader.read()


def spec(port: int, *, is_tls: bool = True, host: str = "localhost") -> NtripClientSpec:
    address = CasterAddress(host=host, port=port, is_tls=is_tls)
    return NtripClientSpec(address=address, mount="MP", gga=NEVER, connect_s=5.0)


async def lost(spec_: NtripClientSpec, context: ssl.SSLContext | None) -> tuple[str, Watched]:
    time = VirtualTime()
    watched = Watched(spec_, time, ssl_context=context)
    async with running(watched, time=time):
        await until(lambda: watched.client.snapshot().n_lost)
        (cause,) = list(watched.client.snapshot().n_lost)[:1]
    assert cause in [state.cause for state in watched.states]
    return cause, watched


async def test_stream_over_tls_with_the_name_told_to_the_server(certificates):
    names: list[str | None] = []
    context = certificates.server("good")
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    time = VirtualTime()
    async with playing(script, time, tls=context) as caster:
        watched = Watched(spec(caster.port), time, ssl_context=certificates.client())
        async with running(watched, time=time):
            await until(lambda: bytes(watched.body) == FRAME)
    assert names == ["localhost"]
    assert b"Host: localhost:" in caster.visits[0].head


@pytest.mark.parametrize(
    ("name", "cause", "words"),
    [
        ("elsewhere", LossKind.TLS_HOST, "the certificate is for another host"),
        ("expired", LossKind.TLS_EXPIRED, "has expired (or this machine's clock is wrong)"),
        ("selfsigned", LossKind.TLS_UNTRUSTED, "not signed by a known authority"),
        ("future", LossKind.TLS_NOT_YET_VALID, "not yet valid: is this machine's clock unset?"),
    ],
)
async def test_certificate_that_is_not_good_is_refused_and_named(certificates, name, cause, words):
    async with playing(script, tls=certificates.server(name)) as caster:
        found, watched = await lost(spec(caster.port), certificates.client())
        assert caster.visits == []  # no request, no account, before the certificate is checked
    assert found == cause
    assert words in watched.reasons
    assert watched.body == b""
    resting = next(state for state in watched.states if state.status is ClientStatus.RESTING)
    wait_s = float(resting.reason.rpartition("next attempt in ")[2].removesuffix(" s"))
    if cause is LossKind.TLS_NOT_YET_VALID:
        assert wait_s <= 20.0  # a clock that gets set soon: tried again soon
    else:
        assert wait_s >= 300.0


async def test_clock_that_gets_set_lets_it_go_on(certificates):
    """The certificate becomes valid while the client keeps trying."""
    contexts = [certificates.server("future"), certificates.server("good")]
    time = VirtualTime()
    async with playing(script, time, tls=contexts[0]) as caster:
        watched = Watched(spec(caster.port), time, ssl_context=certificates.client())
        async with running(watched, time=time):
            await until(lambda: watched.client.snapshot().n_lost)
            contexts[0].load_cert_chain(
                certificates.directory / "good.pem", certificates.directory / "good.key"
            )
            await until(lambda: bytes(watched.body) == FRAME)


async def test_address_is_checked_too(certificates):
    async with playing(script, tls=certificates.server("good")) as caster:
        cause, _ = await lost(spec(caster.port, host="127.0.0.1"), certificates.client())
    assert cause == LossKind.TLS_HOST


async def test_system_authorities_are_the_default(certificates):
    async with playing(script, tls=certificates.server("good")) as caster:
        cause, _ = await lost(spec(caster.port), None)
    assert cause == LossKind.TLS_UNTRUSTED


async def test_tls_to_a_plain_port_says_so():
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        cause, watched = await lost(spec(port), ssl.create_default_context())
    assert cause == LossKind.TLS
    assert "does not speak TLS" in watched.reasons


async def test_plain_to_a_tls_port_says_so(certificates):
    async with playing(script, tls=certificates.server("good")) as caster:
        cause, watched = await lost(spec(caster.port, is_tls=False), None)
    # What a server says to a plain request differs: a TLS alert, or nothing at all.
    assert cause in ("wants_tls", "closed_unanswered")
    if cause == "wants_tls":
        assert "use ntrips://" in watched.reasons


async def test_handshake_that_never_ends_is_a_timeout():
    has_ended = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        has_ended.set()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        address = CasterAddress(host="localhost", port=port, is_tls=True)
        quick = NtripClientSpec(address=address, mount="MP", gga=NEVER, connect_s=0.2)
        cause, _ = await lost(quick, ssl.create_default_context())
        await asyncio.wait_for(has_ended.wait(), 10.0)  # so both sockets are closed
    assert cause == LossKind.TIMEOUT
