"""Frames of the family bd1-4.0: layouts as a table, one encoder, one decoder. Pure.

``$`` and four letters, length in two bytes, user address in three, fields, XOR of all before it
(RDSS digest 3). Numbers are unsigned with the high byte first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HEAD_BYTES = 10
MIN_BYTES = 11
MAX_BYTES = 600
REST = -1

Field = int | bytes
# Name of a field and its bytes; one field at most takes the rest.
LAYOUTS: Mapping[str, Sequence[tuple[str, int]]] = {
    "ICJC": (("frame_no", 1),),
    "XTZJ": (("interval_s", 2),),
    "GLJC": (("interval", 1),),
    "SJSC": (("interval_s", 2),),
    "BBDQ": (),
    "XHDQ": (),
    "CKSC": (("rate_code", 1),),
    "JSZL": (("what", REST),),
    "BSSZ": (("info", REST),),
    "JJZH": (("magic", REST),),
    "ZHSQ": (("magic", REST),),
    "DWSQ": (
        ("info", 1),
        ("height_raw", 2),
        ("antenna_height_raw", 2),
        ("pressure_temperature_raw", 4),
        ("interval_s", 2),
    ),
    "TXSQ": (
        ("info", 1),
        ("peer_address", 3),
        ("length_bits", 2),
        ("ack_flag", 1),
        ("content", REST),
    ),
    "ICXX": (
        ("frame_no", 1),
        ("broadcast_id", 3),
        ("user_class", 1),
        ("service_interval_s", 2),
        ("comm_level", 1),
        ("encryption_flag", 1),
        ("subordinate_count", 2),
    ),
    "ZJXX": (
        ("ic_status", 1),
        ("hardware_status", 1),
        ("battery", 1),
        ("inbound_status", 1),
        ("beam_power", REST),
    ),
    "GLZK": (("beam_power", REST),),
    "TXXX": (
        ("info", 1),
        ("sender_address", 3),
        ("send_hour", 1),
        ("send_minute", 1),
        ("length_bits", 2),
        ("content", REST),
        ("crc_flag", 1),
    ),
    "TXHZ": (("peer_address", 3), ("count", 1), ("times", REST)),
    "FKXX": (("flag", 1), ("extra", 4)),
    "DWXX": (
        ("info", 1),
        ("asked_address", 3),
        ("time", 4),
        ("longitude", 4),
        ("latitude", 4),
        ("height", 2),
        ("anomaly", 2),
    ),
    "SJXX": (
        ("year", 2),
        ("month", 1),
        ("day", 1),
        ("hour", 1),
        ("minute", 1),
        ("second", 1),
    ),
    "BBXX": (("text", REST),),
    "XHXX": (("serial", 4),),
}
# Same names, other lengths: a query has no content, a page of subordinates only addresses.
QUERY_LAYOUT = (("info", 1), ("peer_address", 3))
PAGE_LAYOUT = (("frame_no", 1), ("addresses", REST))


@dataclass(frozen=True, slots=True)
class Bd1Frame:
    """A frame with a right checksum; ``body`` is everything between address and checksum."""

    name: str
    address: int
    body: bytes

    def fields(self) -> dict[str, Field]:
        """Cut the body.

        Raises:
            KeyError: no layout for this name.
            ValueError: the body has another length.
        """
        return cut(layout_of(self.name, self.body), self.body)


def xor(data: bytes) -> int:
    """Return the XOR of all bytes."""
    value = 0
    for byte in data:
        value ^= byte
    return value


def layout_of(name: str, body: bytes) -> Sequence[tuple[str, int]]:
    """Return the layout that holds for a body."""
    if name == "TXSQ" and len(body) == 4 and body[0] >> 5 == 0b011:
        return QUERY_LAYOUT
    if name == "ICXX" and body[:1] != b"\0":
        return PAGE_LAYOUT
    return LAYOUTS[name]


def cut(layout: Sequence[tuple[str, int]], body: bytes) -> dict[str, Field]:
    """Cut a body into its fields.

    Raises:
        ValueError: its length does not fit.
    """
    fixed = sum(size for _, size in layout if size != REST)
    rest = len(body) - fixed
    if rest < 0 or (rest and all(size != REST for _, size in layout)):
        msg = f"{len(body)} bytes do not fit {fixed}"
        raise ValueError(msg)
    found: dict[str, Field] = {}
    at = 0
    for name, size in layout:
        end = at + (rest if size == REST else size)
        part = body[at:end]
        found[name] = part if size == REST else int.from_bytes(part, "big")
        at = end
    return found


def encode(name: str, address: int, fields: Mapping[str, Field] | None = None) -> bytes:
    """Build a frame from its fields.

    Raises:
        KeyError: a field is missing.
        OverflowError: a number does not fit.
    """
    values = fields or {}
    layout = LAYOUTS[name]
    if name == "TXSQ" and "content" not in values:
        layout = QUERY_LAYOUT
    if name == "ICXX" and "addresses" in values:
        layout = PAGE_LAYOUT
    body = b""
    for field, size in layout:
        value = values[field]
        body += value if isinstance(value, bytes) else value.to_bytes(max(size, 1), "big")
    return wrap(name, address, body)


def wrap(name: str, address: int, body: bytes) -> bytes:
    """Put head and checksum around a body."""
    length = HEAD_BYTES + len(body) + 1
    frame = b"$" + name.encode() + length.to_bytes(2, "big") + address.to_bytes(3, "big") + body
    return frame + bytes([xor(frame)])


def take_frame(buffer: bytearray) -> tuple[Bd1Frame | None, int]:
    """Take the first frame out of a buffer; also return how many bytes of junk went before it.

    A head or checksum that is wrong costs one byte, so that a frame inside it is found.
    """
    junk = 0
    while buffer:
        begin = buffer.find(b"$")
        junk += len(buffer) if begin < 0 else begin
        del buffer[: len(buffer) if begin < 0 else begin]
        if not _is_head(buffer):
            if not buffer:
                break
            del buffer[0]
            junk += 1
            continue
        if len(buffer) < 7:
            break
        length = int.from_bytes(buffer[5:7], "big")
        if MIN_BYTES <= length <= MAX_BYTES:
            if len(buffer) < length:
                break
            frame = bytes(buffer[:length])
            if xor(frame) == 0:
                del buffer[:length]
                address = int.from_bytes(frame[7:10], "big")
                return Bd1Frame(frame[1:5].decode(), address, frame[HEAD_BYTES:-1]), junk
        del buffer[0]
        junk += 1
    return None, junk


def _is_head(buffer: bytearray) -> bool:
    """Tell whether what is there may begin a frame."""
    return buffer[:1] == b"$" and all(65 <= byte <= 90 for byte in buffer[1:5])
