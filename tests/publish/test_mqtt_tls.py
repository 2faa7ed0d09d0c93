from __future__ import annotations

import pytest

from tests.publish.brokers import Certificates, until


@pytest.fixture
def tls_broker(mosquitto, certificates: Certificates):
    async def start(name: str, *lines: str):
        cert, key = certificates.server(name)
        return await mosquitto(f"certfile {cert}", f"keyfile {key}", *lines)

    return start


@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_an_encrypted_connection_carries_all(tls_broker, certificates, gateway, version):
    broker = await tls_broker("good")
    url = f"mqtts://localhost:{broker.port}"
    subject = gateway(url, version=version, ca_file=certificates.ca)
    for number in range(2000):
        subject.put("t/dev/a", b"x" * 300 + b"%d" % number)
    await subject.drained()
    assert subject.publisher.snapshot().acked == 2000
    await subject.stop()


async def test_a_client_certificate_is_shown(tls_broker, certificates, gateway):
    broker = await tls_broker("good", f"cafile {certificates.ca}", "require_certificate true")
    url = f"mqtts://localhost:{broker.port}"
    bare = gateway(url, ca_file=certificates.ca)
    await until(lambda: bare.publisher.snapshot().attempts >= 2)
    assert not bare.publisher.snapshot().is_connected
    cert, key = certificates.server("client")
    subject = gateway(url, ca_file=certificates.ca, cert_file=cert, key_file=key)
    await subject.connected()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("elsewhere", "Hostname mismatch"),
        ("expired", "certificate has expired (or this machine's clock is wrong)"),
        ("selfsigned", "self-signed certificate"),
    ],
)
async def test_a_certificate_that_proves_nothing_is_refused_and_tried_again(
    tls_broker, certificates, gateway, name, reason
):
    broker = await tls_broker(name)
    subject = gateway(f"mqtts://localhost:{broker.port}", ca_file=certificates.ca)
    subject.put("t/dev/a", b"secret")
    await until(lambda: subject.publisher.snapshot().losses.get("tls", 0) >= 2)
    snapshot = subject.publisher.snapshot()
    assert reason in snapshot.reason
    assert (snapshot.connects, snapshot.acked) == (0, 0)


async def test_an_authority_file_that_is_missing_is_named(gateway, tmp_path):
    subject = gateway("mqtts://localhost:1", ca_file=tmp_path / "none.pem")
    await until(lambda: subject.publisher.snapshot().losses.get("tls", 0) >= 2)
    assert "certificates cannot be loaded" in subject.publisher.snapshot().reason


async def test_plain_text_to_a_tls_port_is_no_connection(tls_broker, gateway):
    broker = await tls_broker("good")
    subject = gateway(broker.url)
    await until(lambda: subject.publisher.snapshot().attempts >= 2)
    assert not subject.publisher.snapshot().is_connected
