"""Sentences of BD3 modules as values.

Source: RDSS digest, 6. Numbers are as written; ``None`` is an empty or missing field.
"""

from __future__ import annotations

import msgspec

from bdgw.errors import DecodeError
from bdgw.shortmsg.family.row import SentenceFrame

__all__ = [
    "Beam",
    "CardQuery",
    "CardReport",
    "Cn0Report",
    "Feedback",
    "MessageQuery",
    "MessageReport",
    "OwnPosition",
    "PositionReportRequest",
    "SendRequest",
    "SignalReport",
]

N_BEAMS = 21


class CardQuery(SentenceFrame, frozen=True, kw_only=True):
    """CCICR. Type 0 card, 1 own groups, 2 subordinates, 3 card mode."""

    type: int = 0
    page: int = 0


class CardReport(SentenceFrame, frozen=True, kw_only=True):
    """BDICP: 23 fields, of which the first 15 are always needed where there is a card."""

    card_id: int
    """0: no card."""
    broadcast_id: int | None = None
    enable_type: int | None = None
    user_flag: int | None = None
    service_flag: int | None = None
    confidential: str | None = None
    """Y or N; (R) also names E or N."""
    terminal_type: int | None = None
    sar: str | None = None
    mil_civ: int | None = None
    mil_civ_interaction: int | None = None
    ally: int | None = None
    priority: int | None = None
    regional_service: int | None = None
    service_interval_s: int | None = None
    comm_level: int | None = None
    global_flag: int | None = None
    global_interaction: int | None = None
    global_interval: int | None = None
    global_level: int | None = None
    subordinate_count: int | None = None
    group_right: int | None = None
    own_groups: int | None = None
    joined_groups: int | None = None

    def check(self) -> None:
        """A card without interval or level cannot be scheduled."""
        if self.card_id and (self.service_interval_s is None or self.comm_level is None):
            raise DecodeError("the card has no interval or no level")


class Beam(msgspec.Struct, frozen=True, kw_only=True):
    """One beam of PWI; C/N0 of its data and pilot parts, dB-Hz."""

    beam: int
    s2c_d_dbhz: int | None = None
    s2c_p_dbhz: int | None = None
    fourth: str | None = None
    """``0`` or empty where it is there; None where it is missing."""


class SignalReport(SentenceFrame, frozen=True, kw_only=True):
    """BDPWI. ``fields`` are those behind the time, as written."""

    time: str | None = None
    fields: tuple[str | None, ...]

    def check(self) -> None:
        """The two counts are held against the fields."""
        _beams(self.fields)

    @property
    def old_beams(self) -> tuple[tuple[str | None, ...], ...]:
        """Three fields for each beam of the older service."""
        n_old = _count(self.fields, 0, "old beams")
        return tuple(self.fields[at : at + 3] for at in range(1, 1 + 3 * n_old, 3))

    @property
    def beams(self) -> tuple[Beam, ...]:
        """The beams of BD3."""
        return _beams(self.fields)


class Cn0Report(SentenceFrame, frozen=True, kw_only=True):
    """BDSNR: C/N0 of beams 1 to 21, dB-Hz; 0 is not received."""

    beam_cn0: tuple[int | None, ...]

    def check(self) -> None:
        """21 and no more, or their numbers would be wrong."""
        if len(self.beam_cn0) != N_BEAMS:
            raise DecodeError(f"{len(self.beam_cn0)} beams instead of {N_BEAMS}")


class SendRequest(SentenceFrame, frozen=True, kw_only=True):
    """CCTCQ. Frequency point 1-5 = Lf0-Lf4; confirmation 1 no, 2 yes; interval 0 single."""

    receiver: int
    frequency_point: int
    inbound_ack: int = 1
    encoding: int
    content: bytes | None = None
    interval: int | None = 0


class MessageReport(SentenceFrame, frozen=True, kw_only=True):
    """BDTCI. The sixth field is 0 in all samples; its meaning is not known."""

    sender: int
    receiver: int | None = None
    frequency_point: int | None = None
    time: str | None = None
    encoding: int
    field6: str | None = None
    content: bytes | None = None


class Feedback(SentenceFrame, frozen=True, kw_only=True):
    """BDFKI of BD3: success is Y and reason 0 together."""

    time: str | None = None
    type: str
    is_ok: bool
    reason: int | None = None
    remaining_s: int | None = None


class MessageQuery(SentenceFrame, frozen=True, kw_only=True):
    """CCQRQ; one source, its types are not known."""

    card: int
    type: str | None = None


class PositionReportRequest(SentenceFrame, frozen=True, kw_only=True):
    """CCEPQ: position report or distress call; one source, fields as text."""

    card: int
    texts: tuple[str | None, ...] = ()


class OwnPosition(SentenceFrame, frozen=True, kw_only=True):
    """CCNPS: tells a module without own RNSS where it is; one source, fields as text."""

    texts: tuple[str | None, ...] = ()


_MAX_COUNT_DIGITS = 3


def _number(text: str | None, what: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > _MAX_COUNT_DIGITS:
        raise DecodeError(f"{text!r} is no {what}")
    return int(text)


def _count(fields: tuple[str | None, ...], at: int, what: str) -> int:
    count = _number(fields[at], f"count of {what}") if at < len(fields) else None
    if count is None:
        raise DecodeError(f"there is no count of {what}")
    return count


def _beams(fields: tuple[str | None, ...]) -> tuple[Beam, ...]:
    """Read the BD3 beams; a beam is never 0, so 0 or nothing behind one is its fourth value."""
    at = 1 + 3 * _count(fields, 0, "old beams")
    n_beams = _count(fields, at, "beams")
    at += 1
    beams: list[Beam] = []
    for _ in range(n_beams):
        if at + 3 > len(fields):
            raise DecodeError(f"{n_beams} beams are announced, {len(beams)} are there")
        beam = _number(fields[at], "beam")
        if not beam:
            raise DecodeError("a beam has no number")
        has_fourth = at + 3 < len(fields) and not (fields[at + 3] or "").strip("0")
        beams.append(
            Beam(
                beam=beam,
                s2c_d_dbhz=_number(fields[at + 1], "C/N0"),
                s2c_p_dbhz=_number(fields[at + 2], "C/N0"),
                fourth=(fields[at + 3] or "") if has_fourth else None,
            )
        )
        at += 4 if has_fourth else 3
    return tuple(beams)
