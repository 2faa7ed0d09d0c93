"""Peers that no device claims, and floods of them: turned away or kept, within bounds."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import time
from pathlib import Path

from structlog.testing import capture_logs

from bdgw.receivers import (
    ListenerSpec,
    RegistrationRule,
    UnknownPolicy,
)
from tests.receivers.modem import ANY_PORT, device, dialled
from tests.receivers.rig import Rig, running

QUARANTINE = ListenerSpec(endpoint=ANY_PORT, unknown=UnknownPolicy.QUARANTINE, max_quarantined=2)


async def test_unknown_peers_are_refused_and_counted() -> None:
    rig = Rig(device("a", RegistrationRule(data=b"A1")))
    async with running(rig):
        async with dialled(await rig.port_of()) as modem:
            modem.say(b"GET / HTTP/1.1\r\n")
            assert await modem.is_hung_up()
        (shot,) = rig.pool.listener_snapshots()
        assert (shot.n_refused, shot.quarantined, rig.events["a"]) == (1, (), [])


async def test_unknown_peers_are_quarantined_within_bounds() -> None:
    rig = Rig(device("a", RegistrationRule(data=b"A1")), listeners=(QUARANTINE,))
    async with running(rig):
        port = await rig.port_of()
        async with dialled(port) as first, dialled(port) as second, dialled(port) as third:
            for count, modem in enumerate((first, second), start=1):
                modem.say(b"$who" + b"z" * 996)
                await rig.until(
                    lambda count=count: (  # type: ignore[misc] # a default binds the loop variable
                        sum(peer.bytes_in for peer in rig.pool.listener_snapshots()[0].quarantined)
                        == 1000 * count
                    )
                )
            (shot,) = rig.pool.listener_snapshots()
            assert [peer.peer for peer in shot.quarantined] == [first.address, second.address]
            assert shot.quarantined[0].head == b"$who" + b"z" * 124
            third.say(b"?")
            assert await first.is_hung_up()
            (shot,) = rig.pool.listener_snapshots()
            assert [peer.peer for peer in shot.quarantined] == [second.address, third.address]
            assert shot.n_refused == 1
        await rig.until(lambda: rig.pool.listener_snapshots()[0].quarantined == ())
        assert rig.events["a"] == []


async def test_who_says_nothing_is_turned_away_in_time() -> None:
    listener = ListenerSpec(endpoint=ANY_PORT, identify_s=0.1)
    rig = Rig(device("a", RegistrationRule(data=b"A1")), listeners=(listener,))
    async with running(rig):
        async with dialled(await rig.port_of()) as modem:
            assert await modem.is_hung_up()
        assert rig.pool.listener_snapshots()[0].n_refused == 1


async def test_a_flood_of_mute_connections_does_not_lock_devices_out() -> None:
    listener = ListenerSpec(endpoint=ANY_PORT, max_unidentified=4)
    rig = Rig(device("a", RegistrationRule(data=b"A1")), listeners=(listener,))
    async with running(rig), contextlib.AsyncExitStack() as stack:
        port = await rig.port_of()
        for _ in range(20):
            await stack.enter_async_context(dialled(port))
        await rig.until(lambda: rig.pool.listener_snapshots()[0].n_accepted == 20)
        shot = rig.pool.listener_snapshots()[0]
        assert (shot.n_identifying, shot.n_refused) == (4, 16)
        modem = await stack.enter_async_context(dialled(port))
        modem.say(b"A1$one\n")
        await rig.until(lambda: rig.events["a"] == [b"$one"])


async def test_a_port_scan_does_not_push_out_a_device_known_by_address_only() -> None:
    rig = Rig(device("a"))
    async with running(rig):
        port = await rig.port_of()
        async with dialled(port) as modem:
            modem.say(b"$one\n")
            await rig.until(lambda: rig.events["a"] == [b"$one"])
            async with dialled(port):
                await rig.until(lambda: rig.pool.listener_snapshots()[0].n_identifying == 1)
            await rig.until(lambda: rig.pool.listener_snapshots()[0].n_refused == 1)
            modem.say(b"$two\n")
            await rig.until(lambda: rig.events["a"] == [b"$one", b"$two"])
            async with dialled(port) as newer:
                newer.say(b"$three\n")
                await rig.until(lambda: rig.events["a"][-1] == b"$three")


async def test_connections_beyond_the_rate_wait_in_the_kernel() -> None:
    listener = ListenerSpec(endpoint=ANY_PORT, accepts_per_s=20.0)
    rig = Rig(device("a", RegistrationRule(data=b"A1")), listeners=(listener,))
    async with running(rig), contextlib.AsyncExitStack() as stack:
        port = await rig.port_of()
        started_s = time.monotonic()
        for _ in range(28):
            await stack.enter_async_context(dialled(port))
        await rig.until(lambda: rig.pool.listener_snapshots()[0].n_accepted == 28)
        # A second's worth comes at once, the other eight at twenty a second.
        assert time.monotonic() - started_s >= 6 / 20.0


async def test_running_out_of_descriptors_is_survived() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    rig = Rig(device("a"))
    async with running(rig):
        port = await rig.port_of()
        with socket.socket() as modem, capture_logs() as lines:
            modem.setblocking(False)
            used = highest_descriptor()
            resource.setrlimit(resource.RLIMIT_NOFILE, (used, hard))
            fillers = []
            try:
                with contextlib.suppress(OSError):
                    while True:
                        fillers.append(os.dup(modem.fileno()))
                await asyncio.get_running_loop().sock_connect(modem, ("127.0.0.1", port))
                await rig.until(lambda: any(line["event"] == "accept_failed" for line in lines))
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                for filler in fillers:
                    os.close(filler)
            modem.send(b"$one\n")
            await rig.until(lambda: rig.events["a"] == [b"$one"])
            assert rig.pool.listener_snapshots()[0].n_failures == 0


def highest_descriptor() -> int:
    return max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
