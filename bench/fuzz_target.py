"""The sessions and decoders that take bytes of others, each with its seeds and its checksum."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from bdgw.errors import DecodeError
from bdgw.ntrip.address import parse_caster_url
from bdgw.ntrip.answer import Refusal
from bdgw.ntrip.client import ClientSession
from bdgw.ntrip.request import Request
from bdgw.ntrip.serving import Asked, ServingSession
from bdgw.ntrip.serving_request import Want
from bdgw.receiver import ReceiverSession
from bdgw.rtcm.frame import seal_rtcm3
from bdgw.shortmsg.compose import open_body
from bdgw.shortmsg.content import recognise_content
from bdgw.shortmsg.inbox import split_joint
from bdgw.shortmsg.jt808 import decode_location_frame
from bdgw.shortmsg.reassembly import Reassembler
from bdgw.shortmsg.reassembly_state import ReassemblyLimits
from bdgw.shortmsg.receipt import parse as parse_receipt
from bdgw.shortmsg.segment import parse
from bdgw.shortmsg.sl651 import crc16_modbus, decode_frame
from bdgw.shortmsg.terminal import TerminalSession, TerminalSpec
from bdgw.shortmsg.transfer import OutgoingTransfer
from bdgw.shortmsg.vocabulary import Family, Form, OutgoingFrame
from bdgw.stream import StreamDecoder
from bdgw.wire.checksum import xor8
from bench.fuzz_seed import Repair, rdss_contents, rdss_frames

__all__ = ["TARGETS", "Fed", "Target"]

_TEXT = OutgoingFrame(to=142019, form=Form.MIXED, content=b"\xa4hello", n_bits=48)


class Fed:
    """Something that bytes go into; a session by the house's contract, drained after each."""

    def __init__(self, session: Any, *, after: Callable[[list[Any], float], None] | None = None):
        self.session = session
        self._after = after

    def feed(self, data: bytes, now: float) -> None:
        """Bytes come."""
        self.session.receive(data, now=now)
        self._drain(now)

    def tick(self, now: float) -> None:
        """Something is due."""
        self.session.tick(now=now)
        self._drain(now)

    def deadline(self) -> float | None:
        """When."""
        due_s: float | None = self.session.deadline()
        return due_s

    def _drain(self, now: float) -> None:
        events = list(self.session.events())
        if self._after is not None:
            self._after(events, now)
        if hasattr(self.session, "data_to_send"):
            self.session.data_to_send()


class _Decoders:
    """Functions without a memory, in the place of a session: they may say no, and nothing else."""

    def __init__(self, *decoders: Callable[[bytes], object]) -> None:
        self._decoders = decoders

    def receive(self, data: bytes, *, now: float) -> None:
        del now
        for decode in self._decoders:
            try:
                decode(data)
            except DecodeError:
                continue

    def tick(self, *, now: float) -> None:
        del now

    def deadline(self) -> None:
        return None

    def events(self) -> list[Any]:
        return []


class _Joined:
    """Long messages of several senders."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        limits = ReassemblyLimits(
            sender_bytes=64 * 1024, total_bytes=128 * 1024, total_messages=64, total_done=512
        )
        self._machine = Reassembler(control_bytes=45, limits=limits)

    def receive(self, data: bytes, *, now: float) -> None:
        self._machine.receive(self._rng.randrange(1, 6), data, now)
        self._machine.controls_due(now, limit=1)
        if self._rng.random() < 0.01:
            self._machine = Reassembler.restore(self._machine.state(now), now, control_bytes=45)

    def tick(self, *, now: float) -> None:
        self._machine.tick(now)
        self._machine.controls_due(now, limit=4)

    def deadline(self) -> float | None:
        return self._machine.deadline()

    def events(self) -> list[Any]:
        return []


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that takes bytes."""

    name: str
    make: Callable[[random.Random], Fed]
    seeds: Callable[[], Sequence[bytes]]
    repair: Repair = bytes


def _terminal(family: Family | None) -> Target:
    def make(rng: random.Random) -> Fed:
        session = TerminalSession(TerminalSpec(family=family), now=1000.0)

        def after(_events: list[Any], now: float) -> None:
            if session.family is not None and not session.is_over and rng.random() < 0.3:
                session.submit(_TEXT, now=now)

        return Fed(session, after=after)

    name = "unknown" if family is None else family.value
    return Target(
        name=f"terminal-{name}",
        make=make,
        seeds=lambda: rdss_frames(None if family is None else family.value),
        repair=_repair_rdss,
    )


def _repair_rdss(data: bytes) -> bytes:
    if re.match(rb"\$(?:BD|CC|GN)|\$[A-Z]{5},", data):
        return _repair_sentence(data)
    if len(data) < 11:
        return data
    if len(data) < 0xFFFF:
        data = data[:5] + len(data).to_bytes(2, "big") + data[7:]
    return data[:-1] + bytes([xor8(data[:-1])])


def _repair_sentence(data: bytes) -> bytes:
    body = data.rstrip(b"\r\n").removeprefix(b"$").rpartition(b"*")[0] or data[1:]
    return b"$%b*%02X\r\n" % (body, xor8(body))


def _repair_stream(data: bytes) -> bytes:
    if data[:1] == b"\xd3":
        return seal_rtcm3(data[3:-3][:1023])
    return _repair_sentence(data)


_SENTENCES = tuple(
    _repair_sentence(b"$" + body + b"*")
    for body in (
        b"GNGGA,080000.00,3117.96412,N,12130.19875,E,4,31,0.6,10.2,M,8.1,M,0.8,1042",
        b"GNRMC,080000.00,A,3117.96412,N,12130.19875,E,2.76,271.3,221126,,,R,V",
        b"GNGSA,A,3,01,02,03,04,05,06,07,08,,,,,1.2,0.6,1.0,4",
        b"GBGSV,3,1,11,01,40,140,41,02,35,230,40,03,52,190,44,04,28,120,38,1",
        b"GNGST,080000.00,1.1,0.02,0.01,45.0,0.012,0.012,0.021",
        b"GNZDA,080000.00,22,11,2026,00,00",
        b"GNVTG,271.3,T,,M,2.76,N,5.1,K,R",
    )
)
_RTCM = tuple(
    seal_rtcm3(bytes.fromhex(payload))
    for payload in (
        "3ed00003000000000000000000000000000000",
        "43f00000" + "00" * 20,
        "46700000" + "ff" * 60,
        "3fb00000" + "55" * 50,
        "",
    )
)
_CASTER_SAYS = (
    b"ICY 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nNtrip-Version: Ntrip/2.0\r\nContent-Type: gnss/data\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n",
    b"13\r\n\xd3\x00\x0d\x3e\xd0\x00\x03\x8a\x0e\xde\xef\x34\xb4\xbd\x62\xac\r\n0\r\n\r\n",
    b"SOURCETABLE 200 OK\r\nContent-Length: 57\r\n\r\nSTR;M;C;RTCM 3;1005(1);2;GPS;N;CHN;31;121;"
    b"0;0;s;n;B;N;9600;\r\nENDSOURCETABLE\r\n",
    b'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm="a", nonce="b", qop="auth"\r\n'
    b"Content-Length: 3\r\n\r\nno!",
    b"ERROR - Bad Password\r\n",
    b"HTTP/1.1 503 Busy\r\nRetry-After: 99999999999\r\n\r\n",
)
_CLIENTS_SAY = (
    b"GET /BASE HTTP/1.0\r\nUser-Agent: NTRIP x\r\nAuthorization: Basic dTpw\r\n\r\n",
    b"GET /BASE HTTP/1.1\r\nHost: a\r\nNtrip-Version: Ntrip/2.0\r\nUser-Agent: NTRIP x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: NTRIP x\r\n\r\n",
    b"SOURCE pw /UP\r\nSource-Agent: NTRIP x\r\n\r\n",
    b"POST /UP HTTP/1.1\r\nHost: a\r\nNtrip-Version: Ntrip/2.0\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n",
    b"13\r\n\xd3\x00\x0d\x3e\xd0\x00\x03\x8a\x0e\xde\xef\x34\xb4\xbd\x62\xac\r\n",
    b"Ntrip-GGA: $GPGGA,1,2,N,3,E,1,9,1,1,M,1,M,,*00\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00",
)
_SL651 = (
    "7E7E010012345678123430002B020003591011154947F1F1001234567848F0F05910111549"
    "20190000052619000005392300000127381211150320FA",
    "7E7E05001122334403E832002B020034170718110016F1F1001122334448F0F01707181100"
    "201900004026190000403923000104903812109903A421",
    "7E7E00123456780112343080080200035910111549471B75D4",
)
_JT808 = (
    b"\x02\x00\x00\x1c\x01\x38\x00\x13\x80\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x02"
    b"\x01\xdd\x1f\x00\x07\x3e\x00\x00\x00\x10\x00\x20\x00\x5a\x26\x11\x22\x08\x00\x00"
)


def _client(rng: random.Random) -> Fed:
    address, mount = parse_caster_url("ntrip://example.net:2101/AUTO")
    request = Request(address=address, mount=rng.choice((mount, None)))
    return _Renewed(lambda now: ClientSession(request, now=now), lambda one: one.is_over)


class _Renewed(Fed):
    """A session that lives for one connection: after its end the next one begins."""

    def __init__(
        self, make: Callable[[float], Any], is_over: Callable[[Any], bool], **more: Any
    ) -> None:
        super().__init__(make(1000.0), **more)
        self._make = make
        self._is_over = is_over

    def feed(self, data: bytes, now: float) -> None:
        if self._is_over(self.session):
            self.session = self._make(now)
        super().feed(data, now)


def _serving(rng: random.Random) -> Fed:
    fed: list[Fed] = []

    def make(now: float) -> ServingSession:
        return ServingSession(server="NTRIP t/1", http_date=lambda: "today", now=now)

    def answer(events: list[Any], now: float) -> None:
        session: ServingSession = fed[0].session
        for event in events:
            if not isinstance(event, Asked) or not session.is_waiting_for_answer:
                continue
            if rng.random() < 0.2:
                session.refuse(Refusal.BAD_REQUEST, "no")
            elif event.request.want is Want.PUSH:
                session.accept_push(now=now)
            elif event.request.want is Want.STREAM:
                session.accept_stream(now=now)
            else:
                session.send_table(b"ENDSOURCETABLE\r\n")

    fed.append(_Renewed(make, lambda _one: rng.random() < 0.1, after=answer))
    return fed[0]


def _units() -> Sequence[bytes]:
    rng = random.Random(1)
    units: list[bytes] = []
    for number in range(4):
        payload = rng.randbytes(rng.choice((30, 300, 3000)))
        transfer = OutgoingTransfer(number, payload, unit_bytes=rng.choice((20, 45, 77)))
        for at_s in range(60):
            unit = transfer.next_unit(60.0 * at_s)
            if unit is not None:
                units.append(unit)
    return units


def _contents(data: bytes) -> None:
    for form in Form:
        recognise_content(form, data, 8 * len(data))


def _repair_content(data: bytes) -> bytes:
    if data[:1] == b"\x7e" and data[:2] != b"\x7e\x7e":
        return _jt808(data[1:-2])
    return data[:-2] + crc16_modbus(data[:-2]).to_bytes(2, "big")


def _jt808(message: bytes) -> bytes:
    whole = message + bytes([xor8(message)])
    return b"\x7e" + whole.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + b"\x7e"


def _content_seeds() -> Sequence[bytes]:
    return (*map(bytes.fromhex, _SL651), _jt808(_JT808), *rdss_contents(), *_units()[:20])


TARGETS: tuple[Target, ...] = (
    *(_terminal(family) for family in (*Family, None)),
    Target(name="ntrip-client", make=_client, seeds=lambda: _CASTER_SAYS),
    Target(name="ntrip-serving", make=_serving, seeds=lambda: _CLIENTS_SAY),
    Target(
        name="receiver",
        make=lambda _rng: Fed(ReceiverSession()),
        seeds=lambda: (*_SENTENCES, *_RTCM),
        repair=_repair_stream,
    ),
    Target(
        name="splitter",
        make=lambda _rng: Fed(StreamDecoder()),
        seeds=lambda: (*_SENTENCES, *_RTCM, *rdss_frames(None)),
        repair=_repair_stream,
    ),
    Target(
        name="content",
        make=lambda _rng: Fed(
            _Decoders(
                decode_frame,
                decode_location_frame,
                parse,
                parse_receipt,
                split_joint,
                open_body,
                _contents,
            )
        ),
        seeds=_content_seeds,
        repair=_repair_content,
    ),
    Target(name="reassembly", make=lambda rng: Fed(_Joined(rng)), seeds=_units),
)
