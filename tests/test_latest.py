"""The newest fix of silent devices goes out once more. The time is the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from bdgw.history import HistoryError
from bdgw.latest import renew_latest
from bdgw.model import DeviceFix
from tests.store.history_rig import fix


class Rig:
    """A history, devices that may speak, and what was sent."""

    def __init__(self) -> None:
        self.known = {device: fix(7, device=device) for device in "abc"}
        self.spoken: set[str] = set()
        self.sent: list[DeviceFix] = []
        self.slept_s: list[float] = []
        self.on_sleep: Callable[[], None] = lambda: None
        self.on_read: Callable[[str], None] = lambda _device: None
        self.is_connected = asyncio.Event()

    def run(self, devices: str = "abc") -> Awaitable[None]:
        return renew_latest(
            devices,
            is_connected=self.is_connected,
            newest=self._newest,
            has_spoken=self.spoken.__contains__,
            send=self.sent.append,
            sleep=self._sleep,
        )

    async def _newest(self, device: str) -> DeviceFix | None:
        self.on_read(device)
        return self.known.get(device)

    async def _sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.on_sleep()


async def test_nothing_is_sent_before_the_broker_is_there():
    rig = Rig()
    task = asyncio.ensure_future(rig.run())
    for _ in range(5):
        await asyncio.sleep(0)
    assert rig.slept_s == []
    rig.is_connected.set()
    await task
    assert [each.device for each in rig.sent] == ["a", "b", "c"]
    assert all(each.seq == 7 for each in rig.sent)


async def test_a_device_that_speaks_meanwhile_needs_no_help():
    rig = Rig()
    rig.is_connected.set()
    rig.on_sleep = lambda: rig.spoken.add("a")
    rig.on_read = rig.spoken.add  # while the answer is on its way
    await rig.run("ab")
    assert rig.sent == []


async def test_a_device_of_which_nothing_is_kept():
    rig = Rig()
    rig.is_connected.set()
    await rig.run("xa")
    assert [each.device for each in rig.sent] == ["a"]


async def test_a_history_that_is_away_is_asked_again():
    rig = Rig()
    rig.is_connected.set()
    n_asked = 0

    def away(_device: str) -> None:
        nonlocal n_asked
        n_asked += 1
        if n_asked < 3:
            raise HistoryError("the server is away")

    rig.on_read = away
    await rig.run("a")
    assert len(rig.sent) == 1
    assert len(rig.slept_s) == 3
