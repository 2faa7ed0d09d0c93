"""A load generator: very many devices in one process, for measuring a gateway.

Everything that stays the same is rendered once; an epoch then costs a join and a table look-up.
Positions stand still. All devices share the epochs of the UTC grid and send with evenly spread
phases, device ``i`` of ``N`` at ``i/N`` of the period.
"""

import asyncio
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from functools import reduce
from operator import xor

from fwsim.constellation import System
from fwsim.dialect import DIALECTS
from fwsim.nmea import Writer
from fwsim.ports import Port, count_loss
from fwsim.receiver import Behaviour, Receiver
from fwsim.scene import NS_PER_S, EpochGrid, Place, State, Static
from fwsim.simulator import wait
from fwsim.truth import Epoch, Fix, iso_ms, rounded_utc

KINDS = ("GGA", "RMC", "VTG", "GST", "GLL", "GNS", "GSA")
WAKE_S = 0.005
# Dialling all at once would overflow the accept queue of the listener.
TICKS_PER_WAKE = 20
SPACING_DEG = 0.001
# An instant that no rendered field can be mistaken for: 12:34:56.78 on the last day of 1999.
TEMPLATE_UTC_NS = 946_643_696_780_000_000
TEMPLATE_TIME = b"123456.78"
TEMPLATE_DATE = b"311299"
HEX = tuple(b"%02X\r\n" % value for value in range(256))

Say = Callable[[dict[str, object]], None]
Stamp = Callable[[str, str, int], None]


@dataclass(frozen=True, slots=True)
class Template:
    """A sentence without its time: what stands before, between and after, and its checksum."""

    head: bytes
    middle: bytes
    tail: bytes
    n_times: int
    n_dates: int
    check: int

    def render(self, time_text: bytes, date_text: bytes, time_check: int, date_check: int) -> bytes:
        """Return the sentence of an instant."""
        check = self.check
        if not self.n_times:
            return self.head + HEX[check]
        check ^= time_check
        if not self.n_dates:
            return self.head + time_text + self.middle + HEX[check]
        return self.head + time_text + self.middle + date_text + self.tail + HEX[check ^ date_check]


def checksum(data: bytes) -> int:
    """Return the XOR of all bytes."""
    return reduce(xor, data, 0)


def template_of(sentence: bytes) -> Template:
    """Cut the template instant out of a sentence."""
    body = sentence[: sentence.rindex(b"*") + 1]
    head, found_time, rest = body.partition(b"," + TEMPLATE_TIME + b",")
    if not found_time:
        return Template(body, b"", b"", 0, 0, checksum(body[1:-1]))
    head += b","
    middle, found_date, tail = rest.partition(b"," + TEMPLATE_DATE + b",")
    middle = b"," + middle + (b"," if found_date else b"")
    tail = b"," + tail if found_date else b""
    fixed = checksum((head + middle + tail)[1:-1])
    return Template(head, middle, tail, 1, int(bool(found_date)), fixed)


def place_of(index: int) -> Place:
    """Return the place of a device: a grid of 100 columns, about 100 m apart."""
    row, column = divmod(index, 100)
    return Place(lat_deg=31.0 + row * SPACING_DEG, lon_deg=121.0 + column * SPACING_DEG)


def templates_of(count: int, n_sentences: int) -> list[tuple[Template, ...]]:
    """Render the templates of all devices: one sky, one place each.

    Raises:
        ValueError: more sentences than there are kinds.
    """
    if not 1 <= n_sentences <= len(KINDS):
        msg = f"sentences must be 1 to {len(KINDS)}"
        raise ValueError(msg)
    systems = (System.GPS, System.BEIDOU)
    receiver = Receiver(
        name="load",
        track=Static(place=place_of(0)),
        grid=EpochGrid(rate_hz=Fraction(100), start_utc_ns=TEMPLATE_UTC_NS),
        dialect=replace(DIALECTS["4.11"], gsa_is_split=False),
        order="ublox",
        kinds=(),
        systems=systems,
        behaviour=Behaviour(quality=((0.0, Fix.RTK_FIXED),)),
    )
    writer = Writer(replace(DIALECTS["4.11"], gsa_is_split=False), systems)
    epoch = receiver.epoch(0)
    return [
        tuple(
            template_of(sentence.data)
            for sentence in writer.write(_moved(epoch, place_of(i)), KINDS)[:n_sentences]
        )
        for i in range(count)
    ]


def _moved(epoch: Epoch, place: Place) -> Epoch:
    state = State(
        lat_deg=place.lat_deg,
        lon_deg=place.lon_deg,
        alt_hae_m=place.alt_hae_m,
        speed_m_s=0.0,
        course_deg=0.0,
    )
    return replace(epoch, state=state)


@dataclass(frozen=True, slots=True)
class Instant:
    """What all devices of one epoch share."""

    time_text: bytes
    date_text: bytes
    time_check: int
    date_check: int
    t_utc: str

    @classmethod
    def of(cls, utc_ns: int) -> "Instant":
        """Prepare an epoch."""
        utc: datetime = rounded_utc(utc_ns, 2).astimezone(UTC)
        time_text = (utc.strftime("%H%M%S") + f".{utc.microsecond // 10_000:02d}").encode()
        date_text = utc.strftime("%d%m%y").encode()
        return cls(time_text, date_text, checksum(time_text), checksum(date_text), iso_ms(utc))


class Load:
    """The run: ports, templates, schedule, counters."""

    def __init__(
        self,
        names: Sequence[str],
        ports: Sequence[Port],
        *,
        rate_hz: Fraction,
        n_sentences: int,
        stamp: Stamp | None,
    ) -> None:
        """``stamp`` gets name, instant and CLOCK_MONOTONIC ns after the last byte of an epoch.

        Raises:
            ValueError: more sentences than there are kinds.
        """
        self._names = names
        self._ports = ports
        self._templates = templates_of(len(ports), n_sentences)
        self._rate_hz = rate_hz
        self._stamp = stamp
        self._ticked = 0
        self.epochs_written = 0
        self.epochs_lost = 0
        self.late_max_s = 0.0

    async def run(
        self,
        stop: asyncio.Event,
        say: Say,
        *,
        wait_readers_s: float,
        max_epochs: int | None,
        max_s: float,
        hold_s: float,
    ) -> dict[str, object]:
        """Open, wait for the readers, send, and sum up.

        Raises:
            OSError: a port cannot be opened.
        """
        _raise_descriptor_limit()
        try:
            for port in self._ports:
                port.open()
            say({"event": "ready", "count": len(self._ports)})
            n_heard = await self._wait_for_readers(stop, wait_readers_s)
            say({"event": "started", "readers": n_heard})
            cpu_s, begin_s = time.process_time(), time.monotonic()
            await self._loop(stop, max_epochs=max_epochs, max_s=max_s)
            cpu_s, took_s = time.process_time() - cpu_s, time.monotonic() - begin_s
            await self._flush(stop, hold_s)
        finally:
            for port in self._ports:
                port.close()
        return self._summary(cpu_s, took_s)

    async def _wait_for_readers(self, stop: asyncio.Event, wait_s: float) -> int:
        until_s = time.monotonic() + wait_s
        while True:
            now_s = time.monotonic()
            self._tick_some(now_s)
            n_heard = sum(port.is_heard() for port in self._ports)
            if n_heard == len(self._ports) or now_s >= until_s or stop.is_set():
                return n_heard
            await wait(stop, WAKE_S)

    async def _loop(self, stop: asyncio.Event, *, max_epochs: int | None, max_s: float) -> None:
        """Send device after device; the count of sendings is the clock."""
        n_ports = len(self._ports)
        mono_s, utc_ns = time.monotonic(), time.time_ns()
        grid = EpochGrid(rate_hz=self._rate_hz, start_utc_ns=-(-utc_ns // NS_PER_S) * NS_PER_S)
        start_s = mono_s + (grid.start_utc_ns - utc_ns) / NS_PER_S
        step_s = float(1 / (self._rate_hz * n_ports))
        limit = n_ports * min(
            max_epochs if max_epochs is not None else 1 << 60,
            round(max_s * self._rate_hz) if max_s < 1e9 else 1 << 60,
        )
        sent = 0
        instant = Instant.of(grid.utc_ns(0))
        while sent < limit and not stop.is_set():
            now_s = time.monotonic()
            due = min(limit, int((now_s - start_s) / step_s) + 1 if now_s >= start_s else 0)
            if due > sent:
                self.late_max_s = max(self.late_max_s, now_s - start_s - sent * step_s)
            for number in range(sent, due):
                k, i = divmod(number, n_ports)
                if i == 0:
                    instant = Instant.of(grid.utc_ns(k))
                self._send(i, instant, now_s)
            sent = max(sent, due)
            self._tick_some(now_s)
            await wait(stop, WAKE_S)

    def _send(self, i: int, instant: Instant, now_s: float) -> None:
        port = self._ports[i]
        port.tick(now_s)
        data = b"".join(
            template.render(
                instant.time_text, instant.date_text, instant.time_check, instant.date_check
            )
            for template in self._templates[i]
        )
        taken = port.write(data)
        mono_ns = time.monotonic_ns()
        if taken == len(data):
            self.epochs_written += 1
            if self._stamp is not None:
                self._stamp(self._names[i], instant.t_utc, mono_ns)
        else:
            self.epochs_lost += 1
            count_loss(port.counters, len(data) - taken, is_heard=port.is_heard())

    def _tick_some(self, now_s: float) -> None:
        for _ in range(min(TICKS_PER_WAKE, len(self._ports))):
            self._ticked = (self._ticked + 1) % len(self._ports)
            port = self._ports[self._ticked]
            # Whoever is connected is ticked with every epoch; only the others need it here.
            if not port.is_heard():
                port.tick(now_s)

    async def _flush(self, stop: asyncio.Event, hold_s: float) -> None:
        until_s = time.monotonic() + hold_s
        last_s = max(until_s, time.monotonic() + 2.0)
        while not stop.is_set():
            now_s = time.monotonic()
            is_read = not any(port.unread_bytes() for port in self._ports)
            if now_s >= last_s or (is_read and now_s >= until_s):
                return
            for port in self._ports:
                port.tick(now_s)
            await wait(stop, 0.05)

    def _summary(self, cpu_s: float, took_s: float) -> dict[str, object]:
        counters = [port.counters for port in self._ports]
        return {
            "event": "summary",
            "count": len(self._ports),
            "epochs_written": self.epochs_written,
            "epochs_lost": self.epochs_lost,
            "bytes_written": sum(c.bytes_written for c in counters),
            "bytes_overrun": sum(c.bytes_overrun for c in counters),
            "bytes_unheard": sum(c.bytes_unheard for c in counters),
            "bytes_from_gateway": sum(c.bytes_from_gateway for c in counters),
            "connects": sum(c.n_connects for c in counters),
            "late_max_s": round(self.late_max_s, 4),
            "elapsed_s": round(took_s, 3),
            "cpu_s": round(cpu_s, 3),
        }


def _raise_descriptor_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
