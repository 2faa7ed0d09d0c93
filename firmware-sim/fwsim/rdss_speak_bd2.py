"""A terminal of the family bd2-2.1: what its sentences mean and how it answers. Pure."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from fwsim.rdss_card import Card, Content, Form
from fwsim.rdss_manner import Manner
from fwsim.rdss_sentence import bodies, sentence
from fwsim.rdss_word import (
    AskMessages,
    AskReport,
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

N_BEAMS = 10
PAGE_ADDRESSES = 40
NO_CARD = 0x1FFFFF
LOW_PERCENT = 10
MINUTES_PER_PERCENT = 4
FORMS: Mapping[bytes, Form] = {b"0": Form.HANZI, b"1": Form.CODE, b"2": Form.MIXED}
FORM_DIGITS: Mapping[Form, str] = {Form.HANZI: "0", Form.CODE: "1", Form.MIXED: "2"}
INHIBITS: Mapping[Outcome, int] = {Outcome.SUPPRESSED: 1, Outcome.BATTERY: 2, Outcome.SILENT: 3}
QUERIES: Mapping[bytes, Query] = {b"1": Query.NEWEST, b"2": Query.BY_SENDER, b"3": Query.RECEIPT}
QUERY_TYPES: Mapping[Query, str] = {Query.NEWEST: "4", Query.BY_SENDER: "5"}
REPORTS: Mapping[bytes, Report] = {
    b"BSI": Report.POWER,
    b"ZJX": Report.SELF_CHECK,
    b"ZDA": Report.TIME,
    b"ZTI": Report.STATE,
}
OFF, ON, ALL_OFF = b"1", b"2", b"3"


class Bd2Speaker:
    """Hears and says sentences."""

    def __init__(self, manner: Manner) -> None:
        """Begin with nothing heard."""
        self.n_bad = 0
        self._manner = manner
        self._buffer = bytearray()

    def hear(self, data: bytes) -> list[Request]:
        """Take bytes of the host; return the commands that are whole now."""
        self._buffer += data
        found, bad = bodies(self._buffer)
        self.n_bad += bad
        return [read_request(body) for body in found]

    def forget(self) -> bool:
        """Drop half a command."""
        had = bool(self._buffer)
        self._buffer.clear()
        return had

    def card(self, request: str, card: Card | None) -> bytes:
        """Say BDICI."""
        del request
        manner = self._manner
        interval_s, level = (card.interval_s, card.level) if card is not None else (9999, 0)
        return self._say(
            "BDICI",
            f"{card.address if card else NO_CARD:0{manner.address_digits}d}",
            f"{card.serial if card else 0:0{manner.serial_digits}d}",
            f"{card.broadcast if card else NO_CARD:0{manner.address_digits}d}",
            str(card.user_class if card else 0),
            f"{interval_s:.1f}" if manner.decimal_interval else str(interval_s),
            str(level),
            manner.confidential[not (card is not None and card.is_encrypted)],
            f"{len(card.subordinates) if card else 0:0{manner.count_digits}d}",
        )

    def subordinates(self, card: Card, page: int | None) -> bytes:
        """Say BDICZ: one page of forty, or all of them."""
        pages = range(max(1, -(-len(card.subordinates) // PAGE_ADDRESSES)))
        wanted = pages if page is None else [n for n in pages if n == page - 1]
        said = b""
        for number in wanted:
            begin = number * PAGE_ADDRESSES
            some = card.subordinates[begin : begin + PAGE_ADDRESSES]
            addresses = (self.address(address) for address in some)
            said += self._say("BDICZ", str(len(card.subordinates)), *addresses)
        return said

    def feedback(self, feedback: Feedback) -> bytes:
        """Say BDFKI in the form of 2.1."""
        is_done = feedback.outcome is Outcome.ACCEPTED
        wait_s = feedback.wait_s
        if is_done:
            wait_s = feedback.next_s if self._manner.tells_next else 0.0
        fields = [
            feedback.name,
            "Y" if is_done else "N",
            "Y",
            str(INHIBITS.get(feedback.outcome, 0)),
            wait_digits(wait_s, self._manner.fki_wait),
        ]
        # What waits has to be said; only a wait of zero is ever left out.
        if self._manner.fki_short and not math.ceil(wait_s):
            fields.pop()
        return self._say("BDFKI", *fields)

    def message(self, delivery: Delivery, address: int) -> bytes:
        """Say BDTXR."""
        del address
        kind = "2" if delivery.is_express else "3" if delivery.is_broadcast else "1"
        time = f"{delivery.at_utc:%H%M}" if self._manner.stamps_messages else ""
        if delivery.query is not None:
            kind, time = QUERY_TYPES[delivery.query], f"{delivery.sent_utc:%H%M}"
        form = FORM_DIGITS[delivery.content.form]
        text = content_text(delivery.content)
        return self._say("BDTXR", kind, self.address(delivery.sender), form, time, text)

    def receipts(self, receipts: Receipts, address: int) -> bytes:
        """Say BDHZR."""
        del address
        times = (f"{at:%H%M}" for pair in receipts.times for at in pair)
        count = str(len(receipts.times))
        return self._say("BDHZR", self.address(receipts.address), count, *times)

    def fix(self, fix: Fix) -> bytes:
        """Say BDDWR: own position, 20 m, one solution, not high."""
        return self._say("BDDWR", *fix_fields(fix, self.address(fix.address)))

    def report(self, report: Report, status: Status) -> bytes:
        """Say BDBSI, BDZJX, BDZTI or BDZDA."""
        power = [str(status.beams.get(beam, 0)) for beam in range(1, N_BEAMS + 1)]
        if report is Report.POWER:
            response, difference = status.chosen or strongest(status.beams)
            return self._say("BDBSI", f"{response:02d}", f"{difference:02d}", *power)
        if report is Report.TIME:
            return self._say("BDZDA", *time_fields(status.at_utc))
        if report is Report.STATE:
            return self._say("BDZTI", *state_fields(status))
        if report is not Report.SELF_CHECK:
            return b""
        inbound = status.is_suppressed | (not status.is_silent) << 1
        has_card = "1" if status.card is not None else "8"
        checks = (has_card, str(status.hardware_faults), str(status.battery_percent), str(inbound))
        return self._say("BDZJX", *checks, *power)

    def version(self, text: str, serial: int, *, is_serial: bool) -> bytes:
        """Say BDSBX."""
        del is_serial
        return self._say("BDSBX", "FWSIM", "RDSS", text, "2.1", "2.1", f"{serial:08d}", "0")

    def wait(self, seconds: float) -> bytes:
        """Say nothing: the family has no such sentence."""
        del seconds
        return b""

    def address(self, address: int) -> str:
        """Return an address as this terminal prints it."""
        return f"{address:0{self._manner.address_digits}d}"

    def _say(self, name: str, *fields: str | bytes) -> bytes:
        return sentence(name, *fields, lower=self._manner.lower_checksum)


def strongest(beams: Mapping[int, int]) -> tuple[int, int]:
    """Return the two strongest beams, 0 where there is none."""
    heard = [beam for beam, power in beams.items() if power > 0]
    first, second, *_ = [*sorted(heard, key=lambda beam: (-beams[beam], beam)), 0, 0]
    return first, second


def state_fields(status: Status) -> Sequence[str]:
    """Return the fields of BDZTI: bits as two hex digits, percent, minutes that are left."""
    is_low = status.battery_percent < LOW_PERCENT
    channel, antenna = status.hardware_faults >> 1 & 1, status.hardware_faults & 1
    bits = 0x01 | (not is_low) << 1 | channel << 2 | antenna << 3
    minutes = MINUTES_PER_PERCENT * status.battery_percent
    return f"{bits:02X}", str(status.battery_percent), str(minutes)


def wait_digits(wait_s: float, reading: str) -> str:
    """Return a waiting time in four digits, rounded up."""
    seconds = math.ceil(wait_s)
    return f"{seconds // 60:02d}{seconds % 60:02d}" if reading == "mmss" else f"{seconds:04d}"


def content_text(content: Content) -> bytes:
    """Return the content as it stands in a sentence: raw, or its hex digits."""
    if content.form is Form.HANZI:
        return content.data
    return content.data.hex().upper()[: content.n_bits // 4].encode()


def read_content(form: Form, text: bytes) -> tuple[Content, str | None]:
    """Read the content of a sentence; the second value says what is wrong with it."""
    if form is Form.HANZI:
        problem = None if text else "empty"
        return Content(form=form, data=text, n_bits=8 * len(text)), problem
    digits = text + b"0" if len(text) % 2 else text
    empty = Content(form=form, data=b"", n_bits=0)
    if not text or not all(digit in b"0123456789ABCDEFabcdef" for digit in text):
        return empty, "digits"
    if form is Form.MIXED and len(text) % 2:
        return empty, "odd"
    return Content(form=form, data=bytes.fromhex(digits.decode()), n_bits=4 * len(text)), None


def fix_fields(fix: Fix, address: str) -> Sequence[str]:
    """Return the fields of BDDWR."""
    at = fix.at_utc
    lat, lon = _minutes(abs(fix.lat_deg), 2), _minutes(abs(fix.lon_deg), 3)
    return (
        *("1", address, f"{at:%H%M%S}.{at.microsecond // 10_000:02d}"),
        *(lat, "N" if fix.lat_deg >= 0 else "S", lon, "E" if fix.lon_deg >= 0 else "W"),
        *(str(fix.height_m), "M", str(fix.anomaly_m), "M", str(int(fix.is_coarse))),
        *("V", "V", "L"),
    )


def _minutes(degrees: float, width: int) -> str:
    ten_thousandths = round(degrees * 600_000)
    whole, rest = divmod(ten_thousandths, 600_000)
    return f"{whole:0{width}d}{rest / 10_000:07.4f}"


def time_fields(at: datetime) -> Sequence[str]:
    """Return the fields of ZDA."""
    return (
        *(f"{at:%H%M%S}.{at.microsecond // 10_000:02d}", f"{at:%d}", f"{at:%m}", f"{at:%Y}"),
        *("00", "00"),
    )


def read_request(body: bytes) -> Request:
    """Read a sentence of a host; one that does not make sense is one that nobody knows."""
    name = body[2:5].decode("ascii", "replace")
    read = _READERS.get(body[:6])
    if read is None:
        return Other(name=name)
    try:
        return read(name, body[6:])
    except ValueError:
        return Other(name=name)


def _card(name: str, rest: bytes) -> Request:
    kind, _, page = rest.partition(b",")
    if int(kind) > 1:
        return Other(name=name)
    return ReadCard(name=name, is_subordinates=int(kind) == 1, page=int(page or b"0") or None)


def _send(name: str, rest: bytes) -> Request:
    to, category, form, text = rest.split(b",", 3)
    content, problem = read_content(FORMS.get(form, Form.CODE), text)
    if form not in FORMS:
        problem = "form"
    is_express = category == b"0"
    return Send(name=name, to=int(to), content=content, is_express=is_express, problem=problem)


def _output(name: str, rest: bytes) -> Request:
    target, mode, interval = (*rest.split(b","), b"", b"")[:3]
    report = REPORTS.get(target)
    if mode == ALL_OFF or (mode == OFF and report is not None):
        return Hush(name=name, report=None if mode == ALL_OFF else report)
    if mode != ON or report is None:
        return Other(name=name)
    return AskReport(name=name, report=report, interval_s=float(interval or b"0"))


def _query(name: str, rest: bytes) -> Request:
    category, mode, address = (*rest.split(b","), b"")[:3]
    query = QUERIES.get(mode)
    if category != b"1" or query is None:
        return Other(name=name)
    return AskMessages(name=name, query=query, address=int(address or b"0"))


_READERS: Mapping[bytes, Callable[[str, bytes], Request]] = {
    b"CCICA,": _card,
    b"CCTXA,": _send,
    b"CCRMO,": _output,
    b"CCCXA,": _query,
    b"CCBSS,": lambda name, _: AskReport(name=name, report=Report.POWER),
    b"CCDWA,": lambda name, _: Locate(name=name),
    b"CCZHS,": lambda name, _: Harm(name=name, is_fatal=True),
    b"CCJMS,": lambda name, rest: Harm(name=name, is_silencing=rest[:1] == b"E"),
    b"CCGXM,": lambda name, rest: Harm(name=name) if rest[:1] == b"1" else Other(name=name),
    b"CCLZM,": lambda name, rest: Harm(name=name) if rest[:1] == b"1" else Other(name=name),
}
