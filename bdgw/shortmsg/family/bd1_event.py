"""What frames of family 4.0 mean in the words of all families.

Source: RDSS digest, 3.2 to 3.11.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bdgw.shortmsg.family import bd1_frame as f
from bdgw.shortmsg.family.addressee import addressee
from bdgw.shortmsg.family.feedback import BD1_FLAGS, read_too_early
from bdgw.shortmsg.vocabulary import (
    Accepted,
    Card,
    CardRead,
    NoCard,
    PositionSeen,
    ReceiptSeen,
    Received,
    RefusalReason,
    Refused,
    SelfCheckSeen,
    SignalSeen,
    TerminalEvent,
    TimeSeen,
    VendorFrame,
    VersionSeen,
)

__all__ = ["NO_CARD_ADDRESS", "bd1_events", "power_codes"]

NO_CARD_ADDRESS = 0x1FFFFF
"""All 21 bits: how 4.0 and 2.1 terminals without a card call themselves."""

_MAX_POWER_CODE = 4
_MAX_BATTERY_PERCENT = 100

IC_FAULTS = {
    0x02: "card_processing",
    0x04: "card_number",
    0x08: "card_checksum",
    0x10: "card_serial_number",
    0x40: "card_data_incomplete",
    0x80: "card_damaged",
}
"""Bits of IC卡状态; bits 0 and 5 name its kind. Bit 0 is the lowest, which real frames confirm."""
HARDWARE_FAULTS = {0x01: "antenna", 0x02: "channel", 0x04: "mainboard"}
_NO_CARD_BITS = 0x08 | 0x80  # modules show a missing card as a wrong checksum
_SUPPRESSED_BIT = 0x01
_NOT_SILENT_BIT = 0x02


def faults_of(status: int, table: dict[int, str]) -> tuple[str, ...]:
    """Name the bits that are set."""
    return tuple(name for bit, name in table.items() if status & bit)


def power_codes(codes: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Pair beams, from 1, with their power codes; what is no code (0-4) is left out."""
    return tuple(
        (beam, code) for beam, code in enumerate(codes, start=1) if 0 <= code <= _MAX_POWER_CODE
    )


def self_check(
    ic_status: int, hardware_status: int, battery: int, inbound_status: int
) -> tuple[TerminalEvent, ...]:
    """Read the four states that ZJXX and ZJX share."""
    seen = SelfCheckSeen(
        is_suppressed=bool(inbound_status & _SUPPRESSED_BIT),
        is_silent=not inbound_status & _NOT_SILENT_BIT,
        battery_percent=battery if battery <= _MAX_BATTERY_PERCENT else None,
        faults=faults_of(ic_status, IC_FAULTS) + faults_of(hardware_status, HARDWARE_FAULTS),
    )
    return (seen, NoCard()) if ic_status & _NO_CARD_BITS else (seen,)


def _card(frame: f.CardReport, _: Card | None) -> tuple[TerminalEvent, ...]:
    if frame.user_address in (0, NO_CARD_ADDRESS):
        return (NoCard(),)
    card = Card(
        address=frame.user_address,
        broadcast=frame.broadcast_id or None,
        interval_s=frame.service_interval_s,
        level=frame.comm_level,
        is_encrypted=bool(frame.encryption_flag),
        user_class=frame.user_class,
        n_subordinates=frame.subordinate_count,
    )
    return (CardRead(card=card),)


def _self_check(frame: f.SelfCheckReport, _: Card | None) -> tuple[TerminalEvent, ...]:
    states = self_check(frame.ic_status, frame.hardware_status, frame.battery, frame.inbound_status)
    return (*states, SignalSeen(codes=power_codes(frame.beam_power)))


def _power(frame: f.PowerReport, _: Card | None) -> tuple[TerminalEvent, ...]:
    return (SignalSeen(codes=power_codes(frame.beam_power)),)


def _message(frame: f.MessageReport, card: Card | None) -> tuple[TerminalEvent, ...]:
    time = f"{frame.send_hour:02d}:{frame.send_minute:02d}" if frame.is_query_answer else None
    received = Received(
        sender=frame.sender_address,
        form=frame.form,
        content=_without_filler(frame.content, frame.n_bits),
        n_bits=frame.n_bits,
        raw=frame.raw,
        to=addressee(frame.user_address, card),
        terminal_time=time,
        is_intact=frame.crc_flag == 0,
    )
    return (received,)


def _without_filler(content: bytes, n_bits: int) -> bytes:
    """An odd number of digits leaves a half byte: 0 or F, depending on the sender."""
    return content if n_bits % 8 != 4 else content[:-1] + bytes((content[-1] & 0xF0,))


def _receipts(frame: f.ReceiptReport, _: Card | None) -> tuple[TerminalEvent, ...]:
    times = tuple(
        (f"{sent_hour:02d}:{sent_minute:02d}", f"{hour:02d}:{minute:02d}")
        for sent_hour, sent_minute, hour, minute in frame.receipts
    )
    return (ReceiptSeen(address=frame.address, times=times),)


def _feedback(frame: f.Feedback, _: Card | None) -> tuple[TerminalEvent, ...]:
    command = frame.command
    if frame.flag == 0:
        return (Accepted(command=command or ""),)
    reason = BD1_FLAGS.get(frame.flag, RefusalReason.UNKNOWN)
    wait_s = read_too_early(frame.extra) if reason is RefusalReason.TOO_EARLY else None
    refused = Refused(command=command, reason=reason, wait_s=wait_s, raw_reason=frame.flag)
    return (refused,)


def _degrees(angle: tuple[int, int, int, int]) -> float:
    degrees, minutes, seconds, tenths = angle
    return degrees + minutes / 60 + (seconds + tenths / 10) / 3600


def _position(frame: f.PositionReport, _: Card | None) -> tuple[TerminalEvent, ...]:
    height_m: float | None = None
    if not frame.is_high_altitude:  # the unit of the 24 bits is not known
        magnitude = float(frame.height_raw & 0x3FFF)
        height_m = -magnitude if frame.height_raw >> 14 == 0b01 else magnitude
    seen = PositionSeen(
        address=frame.address,
        lat_deg=_degrees(frame.lat),
        lon_deg=_degrees(frame.lon),
        height_m=height_m,
        terminal_time=(
            f"{frame.hour:02d}:{frame.minute:02d}:{frame.second:02d}.{frame.centisecond:02d}"
        ),
    )
    return (seen,)


def _time(frame: f.TimeReport, _: Card | None) -> tuple[TerminalEvent, ...]:
    day = f"{frame.year:04d}-{frame.month:02d}-{frame.day:02d}"
    return (TimeSeen(text=f"{day} {frame.hour:02d}:{frame.minute:02d}:{frame.second:02d}"),)


def _version(frame: f.VersionReport, _: Card | None) -> tuple[TerminalEvent, ...]:
    return (VersionSeen(text=frame.text.decode("gbk", "replace").strip("\0 \r\n")),)


_MEANINGS: dict[type[f.Bd1Frame], Callable[[Any, Card | None], tuple[TerminalEvent, ...]]] = {
    f.CardReport: _card,
    f.SelfCheckReport: _self_check,
    f.PowerReport: _power,
    f.MessageReport: _message,
    f.ReceiptReport: _receipts,
    f.Feedback: _feedback,
    f.PositionReport: _position,
    f.TimeReport: _time,
    f.VersionReport: _version,
}
_WITHOUT_EVENT = (f.SubordinateReport, f.SerialNumberReport)
"""``Codec.subordinates`` gives the first; no common word is there for the second."""


def bd1_events(frame: f.Bd1Frame, name: str, card: Card | None) -> tuple[TerminalEvent, ...]:
    """Say what a frame means; ``name`` is what an uncomprehended one is counted under."""
    if isinstance(frame, _WITHOUT_EVENT):
        return ()
    meaning = _MEANINGS.get(type(frame))
    return meaning(frame, card) if meaning else (VendorFrame(name=name, raw=frame.raw),)
