"""What a supervisor does around the link: who speaks first, timers, bugs, and the log."""

from __future__ import annotations

import asyncio
import os

import pytest
from structlog.testing import capture_logs

from bdgw.errors import LinkError
from bdgw.model import DeviceStatus
from bdgw.receivers import DeviceSpec, ListenerSpec, TcpListenEndpoint, parse_endpoint
from tests.receivers.rig import LineSession, Rig, running, terminals


class TalkingSession(LineSession):
    """Speaks first, and sends once more when its deadline passes."""

    def __init__(self) -> None:
        super().__init__()
        self._out = b"hello"
        self._due_s: float | None = 0.0

    def tick(self, *, now: float) -> None:
        self._out += b" again"
        self._due_s = None

    def data_to_send(self) -> bytes:
        out, self._out = self._out, b""
        return out

    def deadline(self) -> float | None:
        return self._due_s


class BrokenSession(LineSession):
    """Raises on the first bytes."""

    error: Exception = RuntimeError("a bug in the session")

    def receive(self, data: bytes, *, now: float) -> None:
        if data:
            raise self.error


class RefusingSession(BrokenSession):
    error = LinkError("the device refused")


async def test_a_session_may_speak_first_and_have_timers() -> None:
    with terminals(1) as (terminal,):
        endpoint = parse_endpoint(terminal.url)
        rig = Rig(DeviceSpec(id="a", endpoint=endpoint), new_session=lambda _: TalkingSession())
        async with running(rig):
            await rig.until(lambda: rig.pool.snapshots()[0].bytes_out == len(b"hello again"))
            assert os.read(terminal.master, 100) == b"hello again"


async def test_a_bug_ends_the_pool_and_is_not_swallowed() -> None:
    with terminals(1) as (terminal,):
        endpoint = parse_endpoint(terminal.url)
        rig = Rig(DeviceSpec(id="a", endpoint=endpoint), new_session=lambda _: BrokenSession())
        task = asyncio.create_task(rig.pool.run())
        await rig.until(lambda: rig.status("a") is DeviceStatus.WAITING)
        terminal.say(b"x")
        with pytest.raises(ExceptionGroup) as caught:
            await asyncio.wait_for(task, 10.0)
        assert caught.group_contains(RuntimeError, match="a bug in the session")


async def test_a_link_error_of_a_session_is_a_lost_link() -> None:
    with terminals(1) as (terminal,):
        endpoint = parse_endpoint(terminal.url)
        rig = Rig(DeviceSpec(id="a", endpoint=endpoint), new_session=lambda _: RefusingSession())
        async with running(rig):
            await rig.until(lambda: rig.status("a") is DeviceStatus.WAITING)
            terminal.say(b"x")
            await rig.until(lambda: rig.status("a") is DeviceStatus.DOWN)
            assert rig.states["a"][-1].reason.startswith("the device refused; next attempt in")


async def test_one_log_line_a_change_and_a_summary_of_the_rest() -> None:
    with capture_logs() as lines, terminals(1) as (terminal,):
        endpoint = parse_endpoint(terminal.url)
        spec = DeviceSpec(id="a", endpoint=endpoint, backoff_floor_s=0.001, backoff_cap_s=0.002)
        rig = Rig(spec, new_session=lambda _: RefusingSession())

        def has_failed_often() -> bool:
            terminal.say(b"x")
            return rig.statuses("a").count(DeviceStatus.DOWN) >= 10

        async with running(rig):
            await rig.until(lambda: rig.status("a") is DeviceStatus.WAITING)
            await rig.until(has_failed_often)
    down = [line for line in lines if line.get("status") is DeviceStatus.DOWN]
    written = [line for line in down if line["event"] == "device_state"]
    summed = [line["count"] for line in down if line["event"] == "device_state_again"]
    assert len(written) == 3
    assert 3 + sum(summed) == rig.statuses("a").count(DeviceStatus.DOWN)
    assert all(line["device"] == "a" for line in down)


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        (["serial:///dev/a?baud=9600", "serial:///dev/a?baud=4800"], "both use serial:///dev/a"),
        (["tcp://h:1", "tcp://h:1"], "both use tcp://h:1"),
        (["tcp-listen://:1", "tcp-listen://:1"], "needs a match rule"),
    ],
)
async def test_two_devices_on_one_link_are_refused(devices: list[str], message: str) -> None:
    specs = [DeviceSpec(id=f"d{i}", endpoint=parse_endpoint(u)) for i, u in enumerate(devices)]
    with pytest.raises(ValueError, match=message):
        Rig(*specs)


async def test_other_mistakes_are_refused() -> None:
    spec = DeviceSpec(id="a", endpoint=parse_endpoint("tcp://h:1"))
    with pytest.raises(ValueError, match="two devices have the id 'a'"):
        Rig(spec, spec)
    with pytest.raises(ValueError, match="no device uses the listener tcp-listen://h:1"):
        Rig(spec, listeners=(ListenerSpec(endpoint=TcpListenEndpoint(host="h", port=1)),))
    with pytest.raises(KeyError):
        Rig(spec).pool.write("b", b"x")
