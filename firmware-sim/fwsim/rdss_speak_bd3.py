"""A terminal of the family bd3: what its sentences mean and how it answers. Pure."""

import math
from collections.abc import Callable, Mapping, Sequence

from fwsim.rdss_card import Card, Form
from fwsim.rdss_manner import Manner
from fwsim.rdss_sentence import bodies, sentence
from fwsim.rdss_speak_bd2 import Bd2Speaker, content_text, read_content, time_fields
from fwsim.rdss_speak_bd2 import read_request as read_bd2
from fwsim.rdss_word import (
    AskReport,
    AskVersion,
    AskWait,
    Delivery,
    Feedback,
    Fix,
    Hush,
    Other,
    Outcome,
    ReadCard,
    Receipts,
    Report,
    Request,
    Send,
    Status,
)

N_BEAMS = 21
PILOT_BELOW_DB = 7
FORMS: Mapping[bytes, Form] = {b"1": Form.HANZI, b"2": Form.CODE, b"3": Form.MIXED}
FORM_DIGITS: Mapping[Form, str] = {Form.HANZI: "1", Form.CODE: "2", Form.MIXED: "3"}
REGIONAL_POINTS = (b"1", b"2", b"3", b"4")
GLOBAL_POINT = b"5"
REASONS: Mapping[Outcome, int] = {
    Outcome.ACCEPTED: 0,
    Outcome.TOO_EARLY: 1,
    Outcome.SUPPRESSED: 2,
    Outcome.SILENT: 3,
    Outcome.NO_LOCK: 4,
    Outcome.NO_CARD: 5,
    Outcome.PERMISSION: 6,
    Outcome.BATTERY: 6,
    Outcome.FAILED: 11,
    Outcome.CRC: 11,
}
REPORTS: Mapping[bytes, Report] = {
    b"PWI": Report.POWER,
    b"SNR": Report.LEVELS,
    b"ZDA": Report.TIME,
}
# The fields of BDICP in their order, with what real civil cards say (RDSS digest 6.1).
ICP_FIELDS: Mapping[str, int | str] = {
    "card_id": 0,
    "broadcast_id": 0,
    "enable_type": 0,
    "user_flag": 3,
    "service_flag": 0,
    "confidential": "N",
    "terminal_type": 2,
    "sar": "N",
    "mil_civ": 1,
    "mil_civ_interaction": 0,
    "ally": 0,
    "priority": 3,
    "regional_service": 1,
    "service_interval_s": 60,
    "comm_level": 2,
    "global_flag": 0,
    "global_interaction": 0,
    "global_interval": 0,
    "global_level": 0,
    "subordinate_count": 0,
    "group_right": 0,
    "own_groups": 0,
    "joined_groups": 0,
}
NO_CARD_FIELDS: Mapping[str, int | str] = {
    key: value if isinstance(value, str) else 0 for key, value in ICP_FIELDS.items()
}


class Bd3Speaker:
    """Hears and says sentences; as a box it also hears and says those of 2.1."""

    def __init__(self, manner: Manner) -> None:
        """Begin with nothing heard."""
        self.n_bad = 0
        self._manner = manner
        self._older = Bd2Speaker(manner)
        self._buffer = bytearray()

    def hear(self, data: bytes) -> list[Request]:
        """Take bytes of the host; return the commands that are whole now."""
        self._buffer += data
        found, bad = bodies(self._buffer)
        self.n_bad += bad
        return [self._read(body) for body in found]

    def forget(self) -> bool:
        """Drop half a command."""
        had = bool(self._buffer)
        self._buffer.clear()
        return had

    def card(self, request: str, card: Card | None) -> bytes:
        """Say BDICP, and BDICI too where both are spoken."""
        fields = NO_CARD_FIELDS if card is None else icp_fields(card, self._manner.confidential)
        said = self._say("BDICP", *(str(value) for value in fields.values()))
        return said + self._older.card(request, card) if self._manner.answers_both else said

    def subordinates(self, card: Card, page: int | None) -> bytes:
        """Say BDICZ where 2.1 is spoken; the form of BD3 is not public."""
        return self._older.subordinates(card, page) if self._manner.answers_both else b""

    def feedback(self, feedback: Feedback) -> bytes:
        """Say BDFKI in the form of BD3, or of 2.1 for its commands."""
        if feedback.name in {"TXA", "DWA", "CXA"}:
            return self._older.feedback(feedback)
        reason = REASONS[feedback.outcome]
        is_yes = reason == 0 or (self._manner.yes_with_reason and reason == 5)
        return self._say(
            "BDFKI",
            f"{feedback.at_utc:%H%M%S}",
            feedback.name,
            "Y" if is_yes else "N",
            str(reason),
            str(math.ceil(feedback.wait_s)),
        )

    def message(self, delivery: Delivery, address: int) -> bytes:
        """Say BDTCI, or BDTXR."""
        if self._manner.delivers_as == "TXR":
            return self._older.message(delivery, address)
        return self._say(
            "BDTCI",
            str(delivery.sender),
            str(delivery.to),
            "5" if delivery.is_global else "2",
            f"{delivery.at_utc:%H%M%S}",
            FORM_DIGITS[delivery.content.form],
            "0",
            content_text(delivery.content),
        )

    def receipts(self, receipts: Receipts, address: int) -> bytes:
        """Say BDHZR, the answer to a question in 2.1."""
        return self._older.receipts(receipts, address)

    def fix(self, fix: Fix) -> bytes:
        """Say BDDWR, the answer to a question in 2.1."""
        return self._older.fix(fix)

    def report(self, report: Report, status: Status) -> bytes:
        """Say BDPWI, BDSNR or BDZDA."""
        if report is Report.POWER:
            return self._say("BDPWI", *pwi_fields(status, self._manner.pwi_fourth))
        if report is Report.LEVELS:
            levels = (str(status.beams.get(beam, 0)) for beam in range(1, N_BEAMS + 1))
            return self._say("BDSNR", *levels)
        if report is Report.TIME:
            return self._say("BDZDA", *time_fields(status.at_utc))
        return b""

    def version(self, text: str, serial: int, *, is_serial: bool) -> bytes:
        """Say BDVXX."""
        del is_serial
        return self._say("BDVXX", "FWSIM", "RDSS", f"HW{serial}", text)

    def wait(self, seconds: float) -> bytes:
        """Say BDTTC."""
        return self._say("BDTTC", str(math.ceil(seconds)))

    def _read(self, body: bytes) -> Request:
        request = read_request(body)
        if not isinstance(request, Other):
            return request
        older = read_bd2(body)
        # Every module obeys the commands that no host may send.
        return older if self._manner.answers_both or body[2:5] in _DANGEROUS else request

    def _say(self, name: str, *fields: str | bytes) -> bytes:
        return sentence(name, *fields, lower=self._manner.lower_checksum)


_DANGEROUS = (b"ZHS", b"JMS", b"GXM", b"LZM")


def icp_fields(card: Card, letters: str = "EN") -> dict[str, int | str]:
    """Return the fields of BDICP."""
    return {
        **ICP_FIELDS,
        "card_id": card.address,
        "broadcast_id": card.broadcast,
        "confidential": letters[not card.is_encrypted],
        "service_interval_s": card.interval_s,
        "comm_level": card.level,
        "global_flag": int(card.global_level > 0),
        "global_interval": card.global_interval_s,
        "global_level": card.global_level,
        "subordinate_count": len(card.subordinates),
    }


def pwi_fields(status: Status, fourth: str | None) -> Sequence[str]:
    """Return the fields of BDPWI; without a beam there is no system time either."""
    at = status.at_utc
    heard = {beam: cn0 for beam, cn0 in sorted(status.beams.items()) if cn0 > 0}
    time = f"{at:%H%M%S}.{at.microsecond // 10_000:02d}" if heard else "000000.00"
    fields = [time, "00", f"{len(heard):02d}"]
    for beam, cn0 in heard.items():
        fields += [str(beam), str(cn0), str(max(0, cn0 - PILOT_BELOW_DB))]
        fields += [] if fourth is None else [fourth]
    return fields


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
    if int(kind) not in (0, 2):
        return Other(name=name)
    return ReadCard(name=name, is_subordinates=int(kind) == 2, page=int(page or b"0") or None)


def _send(name: str, rest: bytes) -> Request:
    to, point, confirm, form, text_and_interval = rest.split(b",", 4)
    text, comma, interval = text_and_interval.rpartition(b",")
    content, problem = read_content(FORMS.get(form, Form.CODE), text)
    is_known = point in (*REGIONAL_POINTS, GLOBAL_POINT) and confirm in (b"1", b"2")
    # Sending by itself at an interval is not simulated: refused like a right one has not.
    if not comma or form not in FORMS or not is_known or int(interval or b"0") != 0:
        problem = "fields"
    is_global = point == GLOBAL_POINT
    return Send(name=name, to=int(to), content=content, is_global=is_global, problem=problem)


def _output(name: str, rest: bytes) -> Request:
    target, mode, interval = (*rest.split(b","), b"", b"")[:3]
    report = REPORTS.get(target)
    if mode == b"3" or (mode == b"1" and report is not None):
        return Hush(name=name, report=None if mode == b"3" else report)
    if mode != b"2" or report is None:
        return Other(name=name)
    return AskReport(name=name, report=report, interval_s=float(interval or b"0"))


_READERS: Mapping[bytes, Callable[[str, bytes], Request]] = {
    b"CCICR,": _card,
    b"CCTCQ,": _send,
    b"CCRMO,": _output,
    b"CCVER,": lambda name, _: AskVersion(name=name),
    b"CCTTC,": lambda name, _: AskWait(name=name),
}
