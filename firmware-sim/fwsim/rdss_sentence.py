"""Sentences of the families bd2-2.1 and bd3: framing and checksum. Pure.

``$`` body ``*`` two hex digits CR LF, XOR over the body (RDSS digest 4). A body may hold ``*``
and ``$`` inside Chinese text, so a sentence is a line with the star that is third from its end.
"""

from collections.abc import Sequence

from fwsim.rdss_bd1 import xor

MAX_LINE_BYTES = 8192


def sentence(name: str, *fields: str | bytes, lower: bool = False) -> bytes:
    """Build a sentence; text fields are ASCII, bytes go in as they are."""
    parts = [name.encode()]
    parts += [field.encode() if isinstance(field, str) else field for field in fields]
    body = b",".join(parts)
    digits = f"{xor(body):02x}" if lower else f"{xor(body):02X}"
    return b"$" + body + b"*" + digits.encode() + b"\r\n"


def bodies(buffer: bytearray) -> tuple[Sequence[bytes], int]:
    """Take all whole lines; return the bodies with a right checksum and how many had none."""
    found: list[bytes] = []
    bad = 0
    while (end := buffer.find(b"\n")) >= 0:
        line = bytes(buffer[:end]).rstrip(b"\r")
        del buffer[: end + 1]
        body = _body(line)
        if body is not None:
            found.append(body)
        elif line:
            bad += 1
    if len(buffer) > MAX_LINE_BYTES:
        buffer.clear()
        bad += 1
    return found, bad


def _body(line: bytes) -> bytes | None:
    if len(line) < 4 or line[-3:-2] != b"*":
        return None
    try:
        said = int(line[-2:], 16)
    except ValueError:
        return None
    # Junk may stand before the sentence: every dollar is tried.
    begin = line.find(b"$")
    while begin >= 0:
        body = line[begin + 1 : -3]
        if xor(body) == said and body[:2] == b"CC":
            return body
        begin = line.find(b"$", begin + 1)
    return None
