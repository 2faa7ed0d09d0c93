"""A platform of JT/T 808: takes terminals in, answers them, keeps what they report.

It reads and writes the frames by itself and misbehaves on request: it may leave messages without
an answer, refuse, hang up, or ask for what no terminal here can do.

Source: JT/T 808-2013 and -2019, clauses 4.4 and 8.
"""

import asyncio
import contextlib
import dataclasses
import functools
import operator
from typing import Any

REGISTER, AUTHENTICATE, HEARTBEAT, TERMINAL_REPLY = 0x0100, 0x0102, 0x0002, 0x0001
LOCATION, BATCH = 0x0200, 0x0704
GENERAL, REGISTERED = 0x8001, 0x8100


@dataclasses.dataclass(frozen=True)
class Message:
    """A message of a terminal."""

    number: int
    phone: str
    serial: int
    is_2019: bool
    body: bytes


def _checksum(data: bytes | bytearray) -> int:
    return functools.reduce(operator.xor, data, 0)


def pack(number: int, phone: str, serial: int, body: bytes, *, is_2019: bool) -> bytes:
    """Write a frame as a platform sends it."""
    digits = phone.rjust(20 if is_2019 else 12, "0")
    head = number.to_bytes(2, "big") + (len(body) + (0x4000 if is_2019 else 0)).to_bytes(2, "big")
    if is_2019:
        head += b"\x01"
    plain = head + bytes.fromhex(digits) + serial.to_bytes(2, "big") + body
    out = bytearray(b"\x7e")
    for byte in (*plain, _checksum(plain)):
        out += {0x7E: b"\x7d\x02", 0x7D: b"\x7d\x01"}.get(byte, bytes([byte]))
    return bytes(out) + b"\x7e"


def unpack(frame: bytes) -> Message:
    """Read a frame from flag to flag.

    Raises:
        ValueError: anything about it is wrong.
    """
    if len(frame) < 15 or frame[0] != 0x7E or frame[-1] != 0x7E:
        raise ValueError("no frame")
    plain = bytearray()
    source = iter(frame[1:-1])
    for byte in source:
        if byte == 0x7E:
            raise ValueError("a flag inside")
        plain.append({1: 0x7D, 2: 0x7E}[next(source)] if byte == 0x7D else byte)
    if _checksum(plain):
        raise ValueError("checksum")
    props = int.from_bytes(plain[2:4], "big")
    is_2019 = bool(props & 0x4000)
    if is_2019 and plain[4] != 1:
        raise ValueError("protocol version")
    begin, end = (5, 15) if is_2019 else (4, 10)
    body = bytes(plain[end + 2 : -1])
    if props & 0x3C00 or len(body) != props & 0x3FF:
        raise ValueError("properties")
    return Message(
        number=int.from_bytes(plain[:2], "big"),
        phone=plain[begin:end].hex(),
        serial=int.from_bytes(plain[end : end + 2], "big"),
        is_2019=is_2019,
        body=body,
    )


def read_location(body: bytes) -> dict[str, Any]:
    """Read a location report.

    Raises:
        ValueError: it is cut, or an extra does not fit.
    """
    if len(body) < 28:
        raise ValueError("cut")
    status = int.from_bytes(body[4:8], "big")
    lat, lon = (int.from_bytes(body[at : at + 4], "big") / 1e6 for at in (8, 12))
    time = body[22:28].hex()
    if not time.isdecimal():
        raise ValueError("time")
    extras = {}
    rest = body[28:]
    while rest:
        if len(rest) < 2 or len(rest) < 2 + rest[1]:
            raise ValueError("extra")
        extras[rest[0]] = rest[2 : 2 + rest[1]]
        rest = rest[2 + rest[1] :]
    return {
        "alarm": int.from_bytes(body[:4], "big"),
        "status": status,
        "is_positioned": bool(status & 2),
        "lat": -lat if status & 4 else lat,
        "lon": -lon if status & 8 else lon,
        "height": int.from_bytes(body[16:18], "big"),
        "speed_km_h": int.from_bytes(body[18:20], "big") / 10,
        "direction": int.from_bytes(body[20:22], "big"),
        "beijing": time,
        "extras": extras,
    }


def read_batch(body: bytes) -> tuple[int, list[dict[str, Any]]]:
    """Read kind and reports of a batch.

    Raises:
        ValueError: lengths or count do not fit.
    """
    count, kind, rest = int.from_bytes(body[:2], "big"), body[2], body[3:]
    found = []
    while rest:
        length = int.from_bytes(rest[:2], "big")
        if len(rest) < 2 + length:
            raise ValueError("a report that is cut")
        found.append(read_location(rest[2 : 2 + length]))
        rest = rest[2 + length :]
    if len(found) != count:
        raise ValueError("count")
    return kind, found


class Platform:
    """One platform on a port of this host."""

    def __init__(self, *, code: str = "code-1", port: int = 0) -> None:
        self.port = port
        self.code = code
        self.received: list[Message] = []
        self.reports: list[dict[str, Any]] = []
        self.n_batches = 0
        self.batch_kinds: set[int] = set()
        self.n_bad = 0
        self.connections: set[asyncio.StreamWriter] = set()
        # What goes wrong.
        self.register_result = 0
        self.batch_result = 0
        self.location_result = 0
        self.is_mute = False
        self.hang_up_at = 0
        """Close the connection instead of answering this many reports."""
        self._server: asyncio.Server | None = None
        self._serial = 0

    async def __aenter__(self) -> "Platform":
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        self.hang_up()

    def hang_up(self) -> None:
        """Close all connections."""
        for writer in tuple(self.connections):
            writer.transport.abort()

    def ask(self, number: int, body: bytes = b"") -> None:
        """Say something to every terminal."""
        for writer in self.connections:
            phone, is_2019 = self.received[-1].phone, self.received[-1].is_2019
            self._serial += 1
            writer.write(pack(number, phone, self._serial, body, is_2019=is_2019))

    def count(self, number: int) -> int:
        """Tell how many messages of a kind have come."""
        return sum(message.number == number for message in self.received)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.add(writer)
        try:
            while True:
                piece = await reader.readuntil(b"\x7e")
                if piece == b"\x7e":
                    continue
                try:
                    message = unpack(b"\x7e" + piece)
                except (ValueError, KeyError, StopIteration):
                    self.n_bad += 1
                    continue
                self._answer(message, writer)
        except (EOFError, OSError, asyncio.CancelledError):
            pass
        finally:
            self.connections.discard(writer)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _answer(self, message: Message, writer: asyncio.StreamWriter) -> None:
        self.received.append(message)
        is_report = message.number in (LOCATION, BATCH)
        if is_report and self.hang_up_at:
            self.hang_up_at -= 1
            writer.transport.abort()
            return
        if self.is_mute or message.number == TERMINAL_REPLY:
            return
        if message.number == REGISTER:
            body = message.serial.to_bytes(2, "big") + bytes([self.register_result])
            if self.register_result == 0:
                body += self.code.encode("gbk")
            self._send(writer, REGISTERED, body, message)
            return
        self._send(
            writer,
            GENERAL,
            message.serial.to_bytes(2, "big")
            + message.number.to_bytes(2, "big")
            + bytes([self._result(message)]),
            message,
        )

    def _result(self, message: Message) -> int:
        if message.number == AUTHENTICATE:
            code = self.code.encode("gbk")
            if message.is_2019:
                length = message.body[0]
                is_right = message.body[1 : 1 + length] == code and len(message.body) == (
                    1 + length + 15 + 20
                )
            else:
                is_right = message.body == code
            return 0 if is_right else 1
        if message.number == LOCATION:
            if self.location_result == 0:
                self.reports.append(read_location(message.body))
            return self.location_result
        if message.number == BATCH:
            if self.batch_result == 0:
                self.n_batches += 1
                kind, reports = read_batch(message.body)
                self.batch_kinds.add(kind)
                self.reports += reports
            return self.batch_result
        return 0 if message.number == HEARTBEAT else 3

    def _send(self, writer: asyncio.StreamWriter, number: int, body: bytes, to: Message) -> None:
        self._serial += 1
        writer.write(pack(number, to.phone, self._serial, body, is_2019=to.is_2019))
