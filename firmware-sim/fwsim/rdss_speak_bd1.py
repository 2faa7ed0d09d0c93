"""A terminal of the family bd1-4.0: what its commands mean and how it answers. Pure."""

import math
from collections.abc import Callable, Mapping
from datetime import datetime

from fwsim.rdss_bd1 import Bd1Frame, Field, encode, take_frame
from fwsim.rdss_card import MIXED_MARK, Card, Content, Form
from fwsim.rdss_manner import Manner
from fwsim.rdss_word import (
    AskMessages,
    AskReport,
    AskVersion,
    Delivery,
    Feedback,
    Fix,
    Harm,
    Hush,
    Locate,
    Other,
    Outcome,
    Query,
    ReadCard,
    Receipts,
    Report,
    Request,
    Send,
    Status,
)

N_BEAMS = 6
PAGE_ADDRESSES = 100
FLAGS: Mapping[Outcome, int] = {
    Outcome.ACCEPTED: 0,
    Outcome.FAILED: 1,
    Outcome.NO_LOCK: 2,
    Outcome.BATTERY: 3,
    Outcome.TOO_EARLY: 4,
    Outcome.CRC: 6,
    Outcome.SUPPRESSED: 7,
    Outcome.SILENT: 8,
    Outcome.NO_CARD: 1,
    Outcome.PERMISSION: 1,
}
QUERIES: Mapping[int, Query] = {0x70: Query.NEWEST, 0x74: Query.BY_SENDER, 0x78: Query.RECEIPT}
REPORTS: Mapping[str, tuple[Report, str]] = {
    "GLJC": (Report.POWER, "interval"),
    "XTZJ": (Report.SELF_CHECK, "interval_s"),
    "SJSC": (Report.TIME, "interval_s"),
}
STOPS: Mapping[bytes, Report] = {name.encode(): report for name, (report, _) in REPORTS.items()}
FATAL_MAGIC = bytes.fromhex("55aaaa55")
FORBIDDEN = ("JJZH", "ZHSQ", "GXZR", "GXZX", "LZSZ", "JMSZ")


class Bd1Speaker:
    """Hears and says frames."""

    def __init__(self, manner: Manner) -> None:
        """Begin with nothing heard."""
        self.n_bad = 0
        self._manner = manner
        self._buffer = bytearray()

    def hear(self, data: bytes) -> list[Request]:
        """Take bytes of the host; return the commands that are whole now."""
        self._buffer += data
        found: list[Request] = []
        while True:
            frame, junk = take_frame(self._buffer)
            self.n_bad += junk
            if frame is None:
                return found
            found.append(read_request(frame))

    def forget(self) -> bool:
        """Drop half a command."""
        had = bool(self._buffer)
        self._buffer.clear()
        return had

    def card(self, request: str, card: Card | None) -> bytes:
        """Say ICXX; without a card the command fails, or nothing is said."""
        if card is not None:
            return self._frame("ICXX", card.address, card_fields(card))
        if self._manner.no_card_answer == "failed" and request:
            return self._frame("FKXX", 0, {"flag": 1, "extra": request.encode()})
        return b""

    def subordinates(self, card: Card, page: int | None) -> bytes:
        """Say one page of at most a hundred, numbered from 1."""
        number = page or 1
        some = card.subordinates[(number - 1) * PAGE_ADDRESSES : number * PAGE_ADDRESSES]
        addresses = b"".join(address.to_bytes(3, "big") for address in some)
        return self._frame("ICXX", card.address, {"frame_no": number, "addresses": addresses})

    def feedback(self, feedback: Feedback) -> bytes:
        """Say FKXX."""
        extra = feedback.name.encode().ljust(4)[:4]
        if feedback.outcome is Outcome.TOO_EARLY:
            extra = wait_bytes(feedback.wait_s, self._manner.wait_reading)
        fields: dict[str, Field] = {"flag": FLAGS[feedback.outcome], "extra": extra}
        return self._frame("FKXX", feedback.address, fields)

    def message(self, delivery: Delivery, address: int) -> bytes:
        """Say TXXX; a copy carries the address of the subordinate that it was for."""
        content = delivery.content
        info = 0x40 | self._manner.info_low_bits
        info |= 0x20 if content.form is not Form.HANZI else 0
        info |= 0x08 if delivery.query is not None else 0
        has_time = delivery.query is not None or self._manner.stamps_messages
        fields: dict[str, Field] = {
            "info": info,
            "sender_address": delivery.sender,
            "send_hour": delivery.sent_utc.hour if has_time else 0,
            "send_minute": delivery.sent_utc.minute if has_time else 0,
            "length_bits": content.n_bits,
            "content": self._padded(content),
            "crc_flag": int(delivery.is_damaged),
        }
        own = address if delivery.is_broadcast else delivery.to
        return self._frame("TXXX", own, fields)

    def receipts(self, receipts: Receipts, address: int) -> bytes:
        """Say TXHZ."""
        times = b"".join(
            bytes([sent.hour, sent.minute, got.hour, got.minute]) for sent, got in receipts.times
        )
        fields: dict[str, Field] = {
            "peer_address": receipts.address,
            "count": len(receipts.times),
            "times": times,
        }
        return self._frame("TXHZ", address, fields)

    def fix(self, fix: Fix) -> bytes:
        """Say DWXX."""
        return self._frame("DWXX", fix.address, fix_fields(fix))

    def report(self, report: Report, status: Status) -> bytes:
        """Say GLZK, ZJXX or SJXX."""
        power = bytes(status.beams.get(beam, 0) for beam in range(1, N_BEAMS + 1))
        if report is Report.POWER:
            return self._frame("GLZK", status.address, {"beam_power": power})
        if report is Report.TIME:
            return self._frame("SJXX", status.address, time_fields(status.at_utc))
        if report is not Report.SELF_CHECK:
            return b""
        fields: dict[str, Field] = {
            "ic_status": 0x01 if status.card is not None else 0x08,
            "hardware_status": status.hardware_faults,
            "battery": status.battery_percent,
            "inbound_status": status.is_suppressed | (not status.is_silent) << 1,
            "beam_power": power,
        }
        return self._frame("ZJXX", status.address, fields)

    def version(self, text: str, serial: int, *, is_serial: bool) -> bytes:
        """Say BBXX or XHXX."""
        if is_serial:
            return self._frame("XHXX", 0, {"serial": serial})
        return self._frame("BBXX", 0, {"text": text.encode()})

    def wait(self, seconds: float) -> bytes:
        """Say nothing: the family has no such frame."""
        del seconds
        return b""

    def _padded(self, content: Content) -> bytes:
        """Return the content; what fills an odd last nibble is the terminal's own."""
        if content.n_bits % 8 != 4:
            return content.data
        return content.data[:-1] + bytes([content.data[-1] & 0xF0 | self._manner.odd_nibble])

    def _frame(self, name: str, address: int, fields: Mapping[str, Field]) -> bytes:
        frame = encode(name, address, fields)
        return frame + b"\r\n" if self._manner.adds_crlf else frame


def card_fields(card: Card) -> dict[str, Field]:
    """Return the fields of ICXX."""
    return {
        "frame_no": 0,
        "broadcast_id": card.broadcast,
        "user_class": card.user_class,
        "service_interval_s": card.interval_s,
        "comm_level": card.level,
        "encryption_flag": int(card.is_encrypted),
        "subordinate_count": len(card.subordinates),
    }


def wait_bytes(wait_s: float, reading: str) -> bytes:
    """Return the waiting time of FKXX flag 4 in one of its four readings, rounded up."""
    seconds = math.ceil(wait_s)
    if reading == "little_endian":
        return seconds.to_bytes(4, "little")
    if reading == "minutes_seconds":
        return (seconds // 60).to_bytes(2, "big") + (seconds % 60).to_bytes(2, "big")
    short = min(seconds, 255)
    return bytes((short, 0, 0, 0) if reading == "first_byte" else (0, 0, 0, short))


def time_fields(at_utc: datetime) -> dict[str, Field]:
    """Return the fields of SJXX."""
    return {
        key: getattr(at_utc, key) for key in ("year", "month", "day", "hour", "minute", "second")
    }


def fix_fields(fix: Fix) -> dict[str, Field]:
    """Return the fields of DWXX: own position, one solution, not high."""
    at = fix.at_utc
    return {
        "info": int(fix.is_coarse) << 3,
        "asked_address": fix.address,
        "time": bytes([at.hour, at.minute, at.second, at.microsecond // 10_000]),
        "longitude": _arc(fix.lon_deg),
        "latitude": _arc(fix.lat_deg),
        "height": (0x4000 if fix.height_m < 0 else 0) | min(abs(fix.height_m), 0x3FFF),
        "anomaly": int(fix.anomaly_m < 0) << 8 | min(abs(fix.anomaly_m), 0xFF),
    }


def _arc(degrees: float) -> bytes:
    """Return degree, minute, second, tenth of a second; hemispheres are not carried."""
    tenths = round(abs(degrees) * 36_000)
    return bytes([tenths // 36_000, tenths // 600 % 60, tenths // 10 % 60, tenths % 10])


def read_request(frame: Bd1Frame) -> Request:
    """Read a command; one that does not fit its layout is one that nobody knows."""
    read = _READERS.get(frame.name)
    if frame.name in FORBIDDEN:
        is_fatal = frame.name in {"JJZH", "ZHSQ"} and FATAL_MAGIC in frame.body
        return Harm(name=frame.name, is_fatal=is_fatal, is_silencing=frame.name == "JMSZ")
    if read is None:
        return Other(name=frame.name)
    try:
        return read(frame.name, frame.fields())
    except ValueError:
        return Other(name=frame.name)


def _number(fields: Mapping[str, Field], key: str) -> int:
    value = fields[key]
    return value if isinstance(value, int) else int.from_bytes(value, "big")


def _bytes(fields: Mapping[str, Field], key: str) -> bytes:
    value = fields[key]
    return value if isinstance(value, bytes) else b""


def _card(name: str, fields: Mapping[str, Field]) -> Request:
    page = _number(fields, "frame_no")
    return ReadCard(name=name, is_subordinates=page > 0, page=page or None)


def _report(name: str, fields: Mapping[str, Field]) -> Request:
    report, key = REPORTS[name]
    return AskReport(name=name, report=report, interval_s=_number(fields, key))


def _stop(name: str, fields: Mapping[str, Field]) -> Request:
    return Hush(name=name, report=STOPS.get(_bytes(fields, "what")))


def _send(name: str, fields: Mapping[str, Field]) -> Request:
    info = _number(fields, "info")
    to = _number(fields, "peer_address")
    if "content" not in fields:
        query = QUERIES.get(info)
        if query is not None:
            return AskMessages(name=name, query=query, address=to)
        return Other(name=name)
    data = _bytes(fields, "content")
    n_bits = _number(fields, "length_bits")
    form = Form.HANZI
    if info & 0x02:
        form = Form.MIXED if data[:1] == bytes([MIXED_MARK]) else Form.CODE
    return Send(
        name=name,
        to=to,
        content=Content(form=form, data=data, n_bits=n_bits),
        is_express=info & 0x0C == 0,
        problem=None if -(-n_bits // 8) == len(data) and data else "length",
    )


_READERS: Mapping[str, Callable[[str, Mapping[str, Field]], Request]] = {
    "ICJC": _card,
    "XTZJ": _report,
    "GLJC": _report,
    "SJSC": _report,
    "JSZL": _stop,
    "TXSQ": _send,
    "BBDQ": lambda name, _: AskVersion(name=name),
    "XHDQ": lambda name, _: AskVersion(name=name, is_serial=True),
    "DWSQ": lambda name, _: Locate(name=name),
}
