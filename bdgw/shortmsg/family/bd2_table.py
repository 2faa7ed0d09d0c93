"""Sentences of family 2.1 as rows: which field stands where.

Source: RDSS digest, 5. Numbers of one source, and how they are read, are said there.
"""

from __future__ import annotations

from bdgw.shortmsg.family import bd2_sentence as s
from bdgw.shortmsg.family.column import (
    CONTENT,
    DECIMAL,
    REPORT_CONTENT,
    TEXT,
    Column,
    hexadecimal,
    number,
    switch,
)
from bdgw.shortmsg.family.row import Row

__all__ = ["BD2_ROWS"]

ADDRESS = number(7)
_YES = switch("Y", "N")
_URGENT = switch("A", "V")
_WAIT_DIGITS = 4
_TXR_FIELDS = 5


def _with_time(fields: list[bytes]) -> list[bytes]:
    """A terminal that leaves out the time must not lose the content."""
    return [*fields[:3], b"", *fields[3:]] if len(fields) == _TXR_FIELDS - 1 else fields


def _with_inhibit(fields: list[bytes]) -> list[bytes]:
    """Some terminals leave the inhibit field out: four digits there are the waiting time."""
    if len(fields) == 4 and len(fields[3]) == _WAIT_DIGITS:
        return [*fields[:3], b"", fields[3]]
    return fields


_POSITION = (
    Column("lat", TEXT, is_required=True),
    Column("lat_ns", TEXT, is_required=True),
    Column("lon", TEXT, is_required=True),
    Column("lon_ew", TEXT, is_required=True),
    Column("height_m", DECIMAL),
    Column("height_unit", TEXT),
)
_AREA = (
    Column("type", number()),
    Column("interval_s", number()),
    Column("user", ADDRESS, is_required=True),
    Column("time_utc", TEXT),
    *_POSITION,
)

BD2_ROWS = (
    Row("CCICA", s.CardQuery, (Column("type", number()), Column("page", number(2)))),
    Row(
        "BDICI",
        s.CardReport,
        (
            Column("card_id", ADDRESS, is_required=True),
            Column("serial", number(8)),
            Column("broadcast_id", ADDRESS),
            Column("user_class", number()),
            Column("service_interval_s", DECIMAL, is_required=True),
            Column("comm_level", number(), is_required=True),
            Column("is_encrypted", switch("E", "N")),
            Column("subordinate_count", number(3)),
        ),
    ),
    Row(
        "BDICZ",
        s.SubordinateReport,
        (Column("total", number(), is_required=True),),
        Column("addresses", ADDRESS, is_required=True),
    ),
    Row(
        "CCTXA",
        s.SendRequest,
        (
            Column("receiver", ADDRESS, is_required=True),
            Column("category", number(), is_required=True),
            Column("form", number(), is_required=True),
            Column("content", CONTENT, is_rest=True),
        ),
    ),
    Row(
        "BDTXR",
        s.MessageReport,
        (
            Column("info_type", number()),
            Column("sender", ADDRESS, is_required=True),
            Column("form", number(), is_required=True),
            Column("time_hhmm", TEXT),
            Column("content", REPORT_CONTENT, is_rest=True),
        ),
        repair=_with_time,
    ),
    Row(
        "BDFKI",
        s.Feedback,
        (
            Column("command", TEXT, is_required=True),
            Column("is_executed", _YES, is_required=True),
            Column("is_interval_ok", _YES),
            Column("inhibit", number()),
            Column("wait", TEXT),
        ),
        repair=_with_inhibit,
    ),
    Row(
        "BDBSI",
        s.BeamReport,
        (Column("response_beam", number(2)), Column("time_diff_beam", number(2))),
        Column("beam_power", number()),
    ),
    Row(
        "CCBSS",
        s.BeamSetting,
        (Column("response_beam", number(2)), Column("time_diff_beam", number(2))),
    ),
    Row(
        "CCRMO",
        s.OutputSetting,
        (
            Column("target", TEXT),
            Column("mode", number(), is_required=True),
            Column("interval_s", DECIMAL),
        ),
    ),
    Row(
        "BDZTI",
        s.StateReport,
        (
            Column("state", hexadecimal(), is_required=True),
            Column("battery_percent", number()),
            Column("left_min", number()),
        ),
    ),
    Row(
        "BDZJX",
        s.SelfCheckReport,
        (
            Column("ic_status", hexadecimal(), is_required=True),
            Column("hardware_status", hexadecimal(), is_required=True),
            Column("battery", number(), is_required=True),
            Column("inbound_status", hexadecimal(), is_required=True),
        ),
        Column("beam_power", number()),
    ),
    Row("BDSBX", s.VersionReport, (), Column("texts", TEXT)),
    Row(
        "CCCXA",
        s.CentreQuery,
        (
            Column("category", number(), is_required=True),
            Column("mode", number(), is_required=True),
            Column("address", ADDRESS),
        ),
    ),
    Row(
        "BDHZR",
        s.ReceiptReport,
        (
            Column("address", ADDRESS, is_required=True),
            Column("count", number(), is_required=True),
        ),
        Column("times", TEXT),
    ),
    Row(
        "CCDWA",
        s.PositionRequest,
        (
            Column("user", ADDRESS, is_required=True),
            Column("is_urgent", _URGENT, is_required=True),
            Column("height_mode", number(), is_required=True),
            Column("height_type", TEXT, is_required=True),
            Column("height_m", DECIMAL),
            Column("antenna_m", DECIMAL),
            Column("pressure_pa", DECIMAL),
            Column("temperature_c", DECIMAL),
            Column("interval_s", DECIMAL),
        ),
    ),
    Row(
        "BDDWR",
        s.PositionReport,
        (
            Column("type", number()),
            Column("user", ADDRESS),
            Column("time_utc", TEXT),
            *_POSITION,
            Column("height_anomaly_m", DECIMAL),
            Column("anomaly_unit", TEXT),
            Column("precision", number()),
            Column("is_urgent", _URGENT),
            Column("is_multi_value", _URGENT),
            Column("height_type", TEXT),
        ),
    ),
    Row("BDWAA", s.AreaReport, _AREA),
    Row("CCWAA", s.AreaSend, _AREA),
    Row(
        "CCWBA",
        s.CentreReportRequest,
        (
            Column("user", ADDRESS, is_required=True),
            Column("height_type", TEXT, is_required=True),
            Column("antenna_m", DECIMAL),
            Column("interval_s", DECIMAL),
        ),
    ),
    *(
        Row(
            f"{talker}ZDA",
            s.TimeReport,
            (
                Column("time_utc", TEXT),
                Column("day", number(2)),
                Column("month", number(2)),
                Column("year", number(4)),
                Column("zone_h", TEXT),
                Column("zone_min", TEXT),
            ),
        )
        for talker in ("BD", "GB", "GN", "GP")
    ),
)
