"""Devices that send datagrams to one port."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from bdgw.model import DeviceStatus
from bdgw.receivers import (
    DeviceSpec,
    ListenerSpec,
    MatchRule,
    PeerRule,
    RegistrationRule,
    SentenceRule,
    UdpListenEndpoint,
    UnknownPolicy,
)
from tests.receivers.rig import Rig, running

ANY_PORT = UdpListenEndpoint(host="127.0.0.1", port=0)


def device(name: str, rule: MatchRule | None = None, **limits: float) -> DeviceSpec:
    return DeviceSpec(id=name, endpoint=ANY_PORT, match=rule, **limits)  # type: ignore[arg-type] # every limit is a float


@contextlib.contextmanager
def sender(host: str = "127.0.0.1") -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        sock.setblocking(False)
        yield sock


async def test_devices_by_registration_in_every_datagram() -> None:
    rig = Rig(device("a", RegistrationRule(data=b"A:")), device("b", RegistrationRule(data=b"B:")))
    async with running(rig):
        to = ("127.0.0.1", await rig.port_of())
        with sender() as sock:
            for i in range(50):
                sock.sendto(b"A:$a%d\n" % i, to)
                sock.sendto(b"B:$b%d\n" % i, to)
            sock.sendto(b"$nobody\n", to)
            await rig.until(lambda: rig.pool.listener_snapshots()[0].n_accepted == 101)
            assert rig.events["a"] == [b"$a%d" % i for i in range(50)]
            assert rig.events["b"] == [b"$b%d" % i for i in range(50)]
            assert rig.pool.listener_snapshots()[0].n_refused == 1


async def test_devices_by_peer_and_the_way_back() -> None:
    rig = Rig(
        device("a", PeerRule(network="127.0.0.2")), device("b", PeerRule(network="127.0.0.3"))
    )
    async with running(rig):
        to = ("127.0.0.1", await rig.port_of())
        await rig.until(lambda: rig.status("a") is rig.status("b") is DeviceStatus.WAITING)
        assert not rig.pool.write("a", b"nobody has called yet")
        with sender("127.0.0.2") as two, sender("127.0.0.3") as three:
            two.sendto(b"$a\n", to)
            three.sendto(b"$b\n", to)
            await rig.until(lambda: rig.events == {"a": [b"$a"], "b": [b"$b"]})
            assert rig.pool.write("a", b"correction")
            assert two.recv(100) == b"correction"
            assert rig.pool.snapshots()[0].peer == f"127.0.0.2:{two.getsockname()[1]}"


async def test_unknown_senders_are_listed_within_bounds() -> None:
    listener = ListenerSpec(endpoint=ANY_PORT, unknown=UnknownPolicy.QUARANTINE, max_quarantined=2)
    rig = Rig(device("a", RegistrationRule(data=b"A")), listeners=(listener,))
    async with running(rig):
        to = ("127.0.0.1", await rig.port_of())
        with sender() as one, sender() as two, sender() as three:
            for sock in (one, one, two, three):
                sock.sendto(b"?" * 100, to)
            await rig.until(lambda: rig.pool.listener_snapshots()[0].n_accepted == 4)
            (shot,) = rig.pool.listener_snapshots()
            ports = [int(peer.peer.rpartition(":")[2]) for peer in shot.quarantined]
            assert ports == [two.getsockname()[1], three.getsockname()[1]]
            assert shot.quarantined[0].bytes_in == 100


async def test_silence_is_shown_and_the_socket_stays() -> None:
    rig = Rig(device("a", silence_s=0.3))
    async with running(rig):
        to = ("127.0.0.1", await rig.port_of())
        with sender() as sock:
            sock.sendto(b"$one\n", to)
            await rig.until(lambda: rig.status("a") is DeviceStatus.SILENT)
            assert rig.pool.snapshots()[0].n_lost == {}
            sock.sendto(b"$two\n", to)
            await rig.until(lambda: rig.status("a") is DeviceStatus.STREAMING)


async def test_a_port_that_is_taken_is_tried_until_it_is_free() -> None:
    with sender() as squatter:
        port = squatter.getsockname()[1]
        endpoint = UdpListenEndpoint(host="127.0.0.1", port=port)
        rig = Rig(DeviceSpec(id="a", endpoint=endpoint))
        async with running(rig):
            await rig.until(lambda: rig.status("a") is DeviceStatus.DOWN)
            assert "in use" in rig.states["a"][-1].reason
            squatter.close()
            await rig.until(lambda: rig.status("a") is DeviceStatus.WAITING)
            with sender() as sock:
                sock.sendto(b"$one\n", ("127.0.0.1", port))
                await rig.until(lambda: rig.events["a"] == [b"$one"])


async def test_a_sentence_cannot_tell_datagrams_apart() -> None:
    with pytest.raises(ValueError, match="peer or registration only"):
        Rig(device("a", SentenceRule(text="$PDTU,1")))
