"""What sentences of families 2.1 and 3 mean in the words of all families.

Source: RDSS digest, 5 and 6.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from bdgw.shortmsg.family import bd2_sentence as bd2
from bdgw.shortmsg.family import bd3_sentence as bd3
from bdgw.shortmsg.family.addressee import addressee
from bdgw.shortmsg.family.angle import latitude_deg, longitude_deg
from bdgw.shortmsg.family.bd1_event import NO_CARD_ADDRESS, faults_of, power_codes, self_check
from bdgw.shortmsg.family.feedback import BD2_INHIBITS, BD3_REASONS, read_mmss
from bdgw.shortmsg.family.line_content import from_line
from bdgw.shortmsg.family.row import OtherSentence, SentenceFrame
from bdgw.shortmsg.vocabulary import (
    Accepted,
    Card,
    CardRead,
    Form,
    NoCard,
    PositionSeen,
    ReceiptSeen,
    Received,
    RefusalReason,
    Refused,
    SelfCheckSeen,
    Service,
    SignalSeen,
    TerminalEvent,
    TimeSeen,
    VendorFrame,
    VersionSeen,
)

__all__ = ["BD2_FORMS", "BD3_ENCODINGS", "GLOBAL_FREQUENCY_POINT", "sentence_events"]

BD2_FORMS = {Form.HANZI: 0, Form.CODE: 1, Form.MIXED: 2}
BD3_ENCODINGS = {Form.HANZI: 1, Form.CODE: 2, Form.MIXED: 3}
"""4 and 5 are compressed by a method that is not public."""
GLOBAL_FREQUENCY_POINT = 5
"""Lf4."""

_FORM_BY_BD2 = {code: form for form, code in BD2_FORMS.items()}
_FORM_BY_BD3 = {code: form for form, code in BD3_ENCODINGS.items()}
_LEVEL_READ_AS = {0: 5}  # (R): level 0 is the top level
_NO_TIME = "000000"
STATE_FAULTS = {0x04: "channel", 0x08: "antenna", 0x10: "crypto", 0x20: "prm"}
"""Bits of ZTI; 0x01 and 0x02 say how the terminal is powered."""

Events = tuple[TerminalEvent, ...]


def _bd2_card(frame: bd2.CardReport, _: Card | None) -> Events:
    if frame.card_id in (0, NO_CARD_ADDRESS):
        return (NoCard(),)
    card = Card(
        address=int(frame.card_id),
        broadcast=int(frame.broadcast_id) if frame.broadcast_id else None,
        interval_s=int(frame.service_interval_s),
        level=int(frame.comm_level),
        is_encrypted=frame.is_encrypted,
        user_class=_int(frame.user_class),
        n_subordinates=_int(frame.subordinate_count),
    )
    return (CardRead(card=card),)


def _bd3_card(frame: bd3.CardReport, _: Card | None) -> Events:
    if not frame.card_id or frame.service_interval_s is None or frame.comm_level is None:
        return (NoCard(),)
    has_global = bool(frame.global_flag)
    level = int(frame.comm_level)
    card = Card(
        address=int(frame.card_id),
        broadcast=int(frame.broadcast_id) if frame.broadcast_id else None,
        interval_s=int(frame.service_interval_s),
        level=_LEVEL_READ_AS.get(level, level),
        is_encrypted=None if frame.confidential is None else frame.confidential != "N",
        user_class=_int(frame.user_flag),
        n_subordinates=_int(frame.subordinate_count),
        global_interval_s=_int(frame.global_interval) if has_global else None,
        global_level=_int(frame.global_level) if has_global else None,
    )
    return (CardRead(card=card),)


def _int(value: int | None) -> int | None:
    return None if value is None else int(value)


def _bd2_message(frame: bd2.MessageReport, _: Card | None) -> Events:
    form = _FORM_BY_BD2.get(frame.form)
    if form is None:
        return (VendorFrame(name=f"BDTXR form {frame.form}", raw=frame.raw),)
    line = from_line(form, frame.content or b"")
    received = Received(
        sender=int(frame.sender),
        form=form,
        content=line.content,
        n_bits=line.n_bits,
        raw=frame.raw,
        terminal_time=frame.time_hhmm,
        is_intact=None if line.is_whole else False,
    )
    return (received,)


def _bd3_message(frame: bd3.MessageReport, card: Card | None) -> Events:
    form = _FORM_BY_BD3.get(frame.encoding)
    if form is None:
        return (VendorFrame(name=f"BDTCI encoding {frame.encoding}", raw=frame.raw),)
    line = from_line(form, frame.content or b"")
    is_global = frame.frequency_point == GLOBAL_FREQUENCY_POINT
    received = Received(
        sender=int(frame.sender),
        form=form,
        content=line.content,
        n_bits=line.n_bits,
        raw=frame.raw,
        to=addressee(_int(frame.receiver), card),
        service=Service.GLOBAL if is_global else Service.REGIONAL,
        terminal_time=frame.time,
        is_intact=None if line.is_whole else False,
    )
    return (received,)


def _bd2_feedback(frame: bd2.Feedback, _: Card | None) -> Events:
    wait_s = read_mmss(frame.wait) if frame.wait else None
    inhibited = BD2_INHIBITS.get(frame.inhibit or 0)
    # An inhibit of unknown number is passed on; alone it does not undo "executed".
    if frame.is_executed and inhibited is None:
        return (Accepted(command=frame.command),)
    reason = inhibited or (RefusalReason.TOO_EARLY if wait_s else RefusalReason.UNKNOWN)
    refused = Refused(
        command=frame.command,
        reason=reason,
        wait_s=wait_s or None,
        raw_reason=_int(frame.inhibit),
    )
    return (refused,)


def _bd3_feedback(frame: bd3.Feedback, _: Card | None) -> Events:
    code = int(frame.reason or 0)
    if frame.is_ok and code == 0:
        return (Accepted(command=frame.type),)
    wait_s = _int(frame.remaining_s) or None
    reason = BD3_REASONS.get(code, RefusalReason.UNKNOWN)
    if code == 0 and wait_s:
        reason = RefusalReason.TOO_EARLY
    return (Refused(command=frame.type, reason=reason, wait_s=wait_s, raw_reason=code),)


def _bd2_beams(frame: bd2.BeamReport, _: Card | None) -> Events:
    return (SignalSeen(codes=_codes(frame.beam_power)),)


def _codes(codes: tuple[int | None, ...]) -> tuple[tuple[int, int], ...]:
    return power_codes(tuple(-1 if code is None else int(code) for code in codes))


def _bd3_signal(frame: bd3.SignalReport, _: Card | None) -> Events:
    cn0_dbhz = tuple(
        (beam.beam, float(beam.s2c_d_dbhz))
        for beam in frame.beams
        if beam.s2c_d_dbhz and beam.beam <= bd3.N_BEAMS
    )
    seen = SignalSeen(cn0_dbhz=cn0_dbhz)
    if frame.time is None or frame.time.startswith(_NO_TIME):
        return (seen,)
    return (seen, TimeSeen(text=frame.time))


def _bd3_cn0(frame: bd3.Cn0Report, _: Card | None) -> Events:
    cn0_dbhz = tuple(
        (beam, float(value)) for beam, value in enumerate(frame.beam_cn0, start=1) if value
    )
    return (SignalSeen(cn0_dbhz=cn0_dbhz),)


def _state(frame: bd2.StateReport, _: Card | None) -> Events:
    battery = _int(frame.battery_percent)
    seen = SelfCheckSeen(
        battery_percent=battery if battery is None or battery <= 100 else None,
        faults=faults_of(frame.state, STATE_FAULTS),
    )
    return (seen,)


def _self_check(frame: bd2.SelfCheckReport, _: Card | None) -> Events:
    states = self_check(
        frame.ic_status, frame.hardware_status, int(frame.battery), frame.inbound_status
    )
    return (*states, SignalSeen(codes=_codes(frame.beam_power)))


def _receipts(frame: bd2.ReceiptReport, _: Card | None) -> Events:
    texts = tuple(time or "" for time in frame.times)
    times = tuple(zip(texts[::2], texts[1::2], strict=True))
    return (ReceiptSeen(address=int(frame.address), times=times),)


def _position(frame: bd2.PositionReport | bd2.AreaReport, _: Card | None) -> Events:
    seen = PositionSeen(
        address=_int(frame.user),
        lat_deg=latitude_deg(frame.lat, frame.lat_ns),
        lon_deg=longitude_deg(frame.lon, frame.lon_ew),
        height_m=_float(frame.height_m),
        terminal_time=frame.time_utc,
    )
    return (seen,)


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _version(frame: bd2.VersionReport, _: Card | None) -> Events:
    return (VersionSeen(text=",".join(text or "" for text in frame.texts)),)


def _time(frame: bd2.TimeReport, _: Card | None) -> Events:
    if frame.time_utc is None:
        return ()
    date = (frame.year, frame.month, frame.day)
    if None in date:
        return (TimeSeen(text=frame.time_utc),)
    year, month, day = date
    return (TimeSeen(text=f"{year:04d}-{month:02d}-{day:02d} {frame.time_utc}"),)


_MEANINGS: dict[type[SentenceFrame], Callable[[Any, Card | None], Events]] = {
    bd2.CardReport: _bd2_card,
    bd2.MessageReport: _bd2_message,
    bd2.Feedback: _bd2_feedback,
    bd2.BeamReport: _bd2_beams,
    bd2.StateReport: _state,
    bd2.SelfCheckReport: _self_check,
    bd2.ReceiptReport: _receipts,
    bd2.PositionReport: _position,
    bd2.AreaReport: _position,
    bd2.VersionReport: _version,
    bd2.TimeReport: _time,
    bd3.CardReport: _bd3_card,
    bd3.SignalReport: _bd3_signal,
    bd3.Cn0Report: _bd3_cn0,
    bd3.MessageReport: _bd3_message,
    bd3.Feedback: _bd3_feedback,
}


def sentence_events(frame: SentenceFrame, card: Card | None) -> Events:
    """Say what a sentence means."""
    if isinstance(frame, bd2.SubordinateReport):
        return ()  # Codec.subordinates gives it
    meaning = _MEANINGS.get(type(frame))
    if meaning:
        return meaning(frame, card)
    name = frame.address if isinstance(frame, OtherSentence) else frame.raw[1:6].decode("ascii")
    return (VendorFrame(name=name, raw=frame.raw),)
