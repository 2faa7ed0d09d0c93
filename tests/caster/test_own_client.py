"""The gateway's own client at the gateway's own caster: what a relay of a relay does."""

from __future__ import annotations

import asyncio
import random
import ssl

import pytest

from bdgw.caster import MountKind, MountSpec
from bdgw.model import Fix, FixKind
from bdgw.ntrip.account import Account
from bdgw.ntrip.address import CasterAddress
from bdgw.ntrip.asking import fetch_sourcetable
from bdgw.ntrip.request import NtripVersion
from bdgw.ntrip.runner import NtripClient
from bdgw.ntrip.spec import NtripClientSpec
from tests.caster.rig import PASSWORD, USER, Rig, frame, until

FIX = Fix(kind=FixKind.SINGLE, lat_deg=39.9, lon_deg=116.4, alt_msl_m=50.0, tod_utc_ns=0)


def client_of(rig: Rig, mount: str, got: list[bytes], **more: object) -> NtripClient:
    context = more.pop("ssl_context", None)
    assert context is None or isinstance(context, ssl.SSLContext)
    address = CasterAddress(host="localhost", port=rig.port, is_tls=context is not None)
    spec = NtripClientSpec(
        address=address,
        mount=mount,
        account=Account(USER, PASSWORD),
        **more,  # type: ignore[arg-type]
    )
    return NtripClient(
        spec,
        on_body=lambda data, _now: got.append(data),
        on_state=lambda _state: None,
        position=lambda: FIX,
        clock=rig.clock,
        rng=random.Random(1),
        ssl_context=context,
    )


@pytest.mark.parametrize("version", [NtripVersion.V1, NtripVersion.V2])
@pytest.mark.parametrize("is_tls", [False, True])
async def test_our_client_gets_every_byte_from_our_caster(rig, certificates, version, is_tls):
    server, own = None, None
    if is_tls:
        server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server.load_cert_chain(*certificates.server("good"))
        own = ssl.create_default_context(cafile=str(certificates.ca))
    made = await rig(ssl_context=server)
    got: list[bytes] = []
    client = client_of(made, "BASE", got, version=version, ssl_context=own, needs_gga=False)
    task = asyncio.create_task(client.run())
    await made.has_clients(1)
    assert made.clients()[0].dialect == ("v1" if version is NtripVersion.V1 else "v2")
    frames = [frame(number, 700) for number in range(40)]
    for each in frames:
        made.feed("BASE", each)
        await asyncio.sleep(0.001)
    expected = b"".join(frames)
    await until(lambda: len(b"".join(got)) >= len(expected))
    assert b"".join(got) == expected
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_our_client_is_placed_by_our_near_mount(rig):
    mounts = (
        MountSpec(name="BJ", kind=MountKind.LOCAL, lat_deg=39.9, lon_deg=116.4),
        MountSpec(name="SH", kind=MountKind.LOCAL, lat_deg=31.2, lon_deg=121.5),
        MountSpec(name="NEAR", kind=MountKind.NEAR),
    )
    made = await rig(*mounts)
    got: list[bytes] = []
    client = client_of(made, "NEAR", got, needs_gga=True)
    task = asyncio.create_task(client.run())
    await until(lambda: [each.source for each in made.clients()] == ["BJ"])
    made.feed("SH", frame(1))
    made.feed("BJ", frame(2))
    await until(lambda: b"".join(got) == frame(2))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("version", [NtripVersion.V1, NtripVersion.V2])
async def test_our_client_reads_our_table(rig, version):
    made = await rig()
    address = CasterAddress(host="127.0.0.1", port=made.port)
    table = await fetch_sourcetable(address, clock=made.clock, version=version)
    assert [stream.mount for stream in table.streams] == ["BASE", "OPEN", "PUSH"]
    assert (table.is_complete, table.n_damaged) == (True, 0)
