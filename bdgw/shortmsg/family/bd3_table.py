"""Sentences of BD3 modules as rows: which field stands where.

Source: RDSS digest, 6. A BD3 box also speaks family 2.1, so the tables are used together
and this one comes first: its FKI is told apart by its first field.
"""

from __future__ import annotations

from bdgw.shortmsg.family import bd3_sentence as s
from bdgw.shortmsg.family.column import CONTENT, REPORT_CONTENT, TEXT, Column, number, switch
from bdgw.shortmsg.family.row import Row

__all__ = ["BD3_ROWS"]

_YES_OR_NO = (b"Y", b"N")
_TCI_FIELDS = 7


def _is_bd3_feedback(fields: list[bytes]) -> bool:
    """BD3 has a time first, which may be empty, and Y or N in the third field."""
    first, second, *_ = *fields, b""
    return first.isdigit() or (not first and second not in _YES_OR_NO)


def _with_sixth(fields: list[bytes]) -> list[bytes]:
    """A terminal that leaves out the sixth field must not make content of it."""
    return [*fields[:5], b"", *fields[5:]] if len(fields) == _TCI_FIELDS - 1 else fields


ADDRESS = number()

BD3_ROWS = (
    Row("CCICR", s.CardQuery, (Column("type", number()), Column("page", number(2)))),
    Row(
        "BDICP",
        s.CardReport,
        (
            Column("card_id", ADDRESS, is_required=True),
            Column("broadcast_id", ADDRESS),
            Column("enable_type", number()),
            Column("user_flag", number()),
            Column("service_flag", number()),
            Column("confidential", TEXT),
            Column("terminal_type", number()),
            Column("sar", TEXT),
            Column("mil_civ", number()),
            Column("mil_civ_interaction", number()),
            Column("ally", number()),
            Column("priority", number()),
            Column("regional_service", number()),
            Column("service_interval_s", number()),
            Column("comm_level", number()),
            Column("global_flag", number()),
            Column("global_interaction", number()),
            Column("global_interval", number()),
            Column("global_level", number()),
            Column("subordinate_count", number()),
            Column("group_right", number()),
            Column("own_groups", number()),
            Column("joined_groups", number()),
        ),
    ),
    Row("BDPWI", s.SignalReport, (Column("time", TEXT),), Column("fields", TEXT)),
    Row("BDSNR", s.Cn0Report, (), Column("beam_cn0", number())),
    Row(
        "CCTCQ",
        s.SendRequest,
        (
            Column("receiver", ADDRESS, is_required=True),
            Column("frequency_point", number(), is_required=True),
            Column("inbound_ack", number(), is_required=True),
            Column("encoding", number(), is_required=True),
            Column("content", CONTENT, is_rest=True),
            Column("interval", number()),
        ),
    ),
    Row(
        "BDTCI",
        s.MessageReport,
        (
            Column("sender", ADDRESS, is_required=True),
            Column("receiver", ADDRESS),
            Column("frequency_point", number()),
            Column("time", TEXT),
            Column("encoding", number(), is_required=True),
            Column("field6", TEXT),
            Column("content", REPORT_CONTENT, is_rest=True),
        ),
        repair=_with_sixth,
    ),
    Row(
        "BDFKI",
        s.Feedback,
        (
            Column("time", TEXT),
            Column("type", TEXT, is_required=True),
            Column("is_ok", switch("Y", "N"), is_required=True),
            Column("reason", number()),
            Column("remaining_s", number()),
        ),
        applies=_is_bd3_feedback,
    ),
    Row(
        "CCQRQ",
        s.MessageQuery,
        (Column("card", ADDRESS, is_required=True), Column("type", TEXT)),
    ),
    Row(
        "CCEPQ",
        s.PositionReportRequest,
        (Column("card", ADDRESS, is_required=True),),
        Column("texts", TEXT),
    ),
    Row("CCNPS", s.OwnPosition, (), Column("texts", TEXT)),
)
