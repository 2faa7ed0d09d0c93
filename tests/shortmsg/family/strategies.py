"""Frames of every kind, built field by field."""

from typing import Any

from hypothesis import strategies as st

from bdgw.shortmsg.family import bd1_frame as bd1
from bdgw.shortmsg.family import bd2_sentence as bd2
from bdgw.shortmsg.family import bd3_sentence as bd3
from bdgw.shortmsg.vocabulary import Form, OutgoingFrame

U8, U16, U24, U32 = (st.integers(0, (1 << bits) - 1) for bits in (8, 16, 24, 32))
SIX = st.tuples(*[U8] * 6)
CONTENT = st.binary(min_size=1, max_size=210)
ANGLE = (st.integers(0, 59), st.integers(0, 59), st.integers(0, 9))

BD1_FIELDS: dict[type[Any], dict[str, st.SearchStrategy[Any]]] = {
    bd1.CardQuery: {"frame_no": U8},
    bd1.SubordinateReport: {
        "frame_no": st.integers(1, 255),
        "addresses": st.lists(U24, max_size=100).map(tuple),
    },
    bd1.CardReport: {
        "broadcast_id": U24,
        "user_class": U8,
        "service_interval_s": U16,
        "comm_level": U8,
        "encryption_flag": U8,
        "subordinate_count": U16,
    },
    bd1.SelfCheckQuery: {"interval_s": U16},
    bd1.SelfCheckReport: {
        "ic_status": U8,
        "hardware_status": U8,
        "battery": U8,
        "inbound_status": U8,
        "beam_power": SIX,
    },
    bd1.PowerQuery: {"interval": U8},
    bd1.PowerReport: {"beam_power": SIX},
    bd1.MessageQuery: {"info": st.integers(0x60, 0x7F), "peer_address": U24},
    bd1.SendRequest: {
        "info": st.integers(0x40, 0x5F),
        "peer_address": U24,
        "length_bits": U16,
        "ack_flag": U8,
        "content": CONTENT,
    },
    bd1.MessageReport: {
        "info": U8,
        "sender_address": U24,
        "send_hour": U8,
        "send_minute": U8,
        "length_bits": U16,
        "content": CONTENT,
        "crc_flag": U8,
    },
    bd1.ReceiptReport: {
        "address": U24,
        "receipts": st.lists(st.tuples(U8, U8, U8, U8), max_size=5).map(tuple),
    },
    bd1.Feedback: {"flag": U8, "extra": st.binary(min_size=4, max_size=4)},
    bd1.PositionRequest: {
        "info": U8,
        "height_raw": U16,
        "antenna_height_raw": U16,
        "pressure_temperature_raw": U32,
        "interval_s": U16,
    },
    bd1.PositionReport: {
        "info": U8,
        "address": U24,
        "hour": st.integers(0, 23),
        "minute": st.integers(0, 59),
        "second": st.integers(0, 59),
        "centisecond": st.integers(0, 99),
        "lon": st.tuples(st.integers(0, 180), *ANGLE),
        "lat": st.tuples(st.integers(0, 90), *ANGLE),
        "height_raw": U16,
        "anomaly_raw": U16,
    },
    bd1.TimeQuery: {"interval_s": U16},
    bd1.TimeReport: {
        "year": U16,
        "month": U8,
        "day": U8,
        "hour": U8,
        "minute": U8,
        "second": U8,
    },
    bd1.VersionQuery: {},
    bd1.VersionReport: {"text": st.binary(max_size=60)},
    bd1.SerialNumberQuery: {},
    bd1.SerialNumberReport: {"serial_number": U32},
    bd1.RateSetting: {"rate_code": st.integers(0, 7)},
    bd1.StopRequest: {"target": st.binary(min_size=3, max_size=4)},
    bd1.OtherFrame: {
        "name": st.sampled_from(["FCXX", "BSSZ", "GNPS", "KLSB", "QLXX"]),
        "information": st.binary(max_size=100),
    },
}

NUMBER = st.integers(0, 10**12)
MAYBE = st.none() | st.integers(0, 9999)
DECIMAL = st.decimals(0, 99999, places=2)
MAYBE_DECIMAL = st.none() | st.decimals(-9999, 9999, places=1)
WORD = st.text("ABCabc012. -/北斗", min_size=1, max_size=8)
MAYBE_WORD = st.none() | WORD
FREE = st.characters(min_codepoint=0x20, max_codepoint=0x7E) | st.sampled_from("北斗，价元")
HANZI = st.text(FREE, min_size=1, max_size=40).map(lambda text: text.encode("gbk"))
HEX = st.text("0123456789ABCDEF", min_size=1, max_size=80).map(str.encode)
FLAG = st.none() | st.booleans()
HHMMSS = st.from_regex(r"[0-9]{6}(\.[0-9]{2})?", fullmatch=True)
HHMM = st.from_regex(r"[0-9]{4}", fullmatch=True)
AREA: dict[str, st.SearchStrategy[Any]] = {
    "type": MAYBE,
    "interval_s": MAYBE,
    "user": NUMBER,
    "time_utc": st.none() | HHMMSS,
    "lat": st.from_regex(r"[0-8][0-9][0-5][0-9]\.[0-9]{1,5}", fullmatch=True),
    "lat_ns": st.sampled_from("NS"),
    "lon": st.from_regex(r"(0[0-9]{2}|1[0-7][0-9])[0-5][0-9]\.[0-9]{1,5}", fullmatch=True),
    "lon_ew": st.sampled_from("EW"),
    "height_m": MAYBE_DECIMAL,
    "height_unit": st.just("M"),
}

SENTENCE_FIELDS: dict[type[Any], dict[str, st.SearchStrategy[Any]]] = {
    bd2.CardQuery: {"type": st.integers(0, 8), "page": st.integers(0, 125)},
    bd2.CardReport: {
        "card_id": NUMBER,
        "serial": MAYBE,
        "broadcast_id": MAYBE,
        "user_class": MAYBE,
        "service_interval_s": DECIMAL,
        "comm_level": st.integers(0, 5),
        "is_encrypted": FLAG,
        "subordinate_count": MAYBE,
    },
    bd2.SubordinateReport: {
        "total": NUMBER,
        "addresses": st.lists(NUMBER, max_size=40).map(tuple),
    },
    bd2.SendRequest: {
        "receiver": NUMBER,
        "category": st.integers(0, 1),
        "form": st.integers(0, 2),
        "content": HEX,
    },
    bd2.MessageReport: {
        "info_type": MAYBE,
        "sender": NUMBER,
        "form": st.integers(0, 2),
        "time_hhmm": st.none() | HHMM,
        "content": HANZI,
    },
    bd2.Feedback: {
        "command": st.sampled_from(["TXA", "DWA", "ICA"]),
        "is_executed": st.booleans(),
        "is_interval_ok": FLAG,
        "inhibit": MAYBE,
        "wait": st.none() | HHMM,
    },
    bd2.BeamReport: {
        "response_beam": MAYBE,
        "time_diff_beam": MAYBE,
        "beam_power": st.tuples(*[st.none() | st.integers(0, 4)] * 10),
    },
    bd2.BeamSetting: {"response_beam": MAYBE, "time_diff_beam": MAYBE},
    bd2.OutputSetting: {
        "target": st.none() | st.sampled_from(["BSI", "GGA"]),
        "mode": st.integers(1, 4),
        "interval_s": MAYBE_DECIMAL,
    },
    bd2.StateReport: {
        "state": st.integers(0, 0xFFFF),
        "battery_percent": MAYBE,
        "left_min": MAYBE,
    },
    bd2.SelfCheckReport: {
        "ic_status": U8,
        "hardware_status": U8,
        "battery": U8,
        "inbound_status": U8,
        "beam_power": st.lists(st.none() | st.integers(0, 9), max_size=10).map(tuple),
    },
    bd2.VersionReport: {"texts": st.lists(WORD, min_size=1, max_size=7).map(tuple)},
    bd2.CentreQuery: {"category": st.integers(0, 1), "mode": st.integers(1, 3), "address": MAYBE},
    bd2.ReceiptReport: {
        "address": NUMBER,
        "times": st.lists(st.tuples(HHMM, HHMM), max_size=5).map(lambda p: sum(p, ())),
    },
    bd2.PositionRequest: {
        "user": NUMBER,
        "is_urgent": st.booleans(),
        "height_mode": st.integers(0, 3),
        "height_type": st.sampled_from("HL"),
        "height_m": MAYBE_DECIMAL,
        "antenna_m": MAYBE_DECIMAL,
        "pressure_pa": MAYBE_DECIMAL,
        "temperature_c": MAYBE_DECIMAL,
        "interval_s": MAYBE_DECIMAL,
    },
    bd2.PositionReport: {
        **{key: value for key, value in AREA.items() if key != "interval_s"},
        "height_anomaly_m": MAYBE_DECIMAL,
        "anomaly_unit": st.just("M"),
        "precision": MAYBE,
        "is_urgent": FLAG,
        "is_multi_value": FLAG,
        "height_type": st.sampled_from("HL"),
    },
    bd2.AreaReport: AREA,
    bd2.AreaSend: AREA,
    bd2.CentreReportRequest: {
        "user": NUMBER,
        "height_type": st.sampled_from("HL"),
        "antenna_m": MAYBE_DECIMAL,
        "interval_s": MAYBE_DECIMAL,
    },
    bd2.TimeReport: {
        "time_utc": st.none() | HHMMSS,
        "day": MAYBE,
        "month": MAYBE,
        "year": MAYBE,
        "zone_h": MAYBE_WORD,
        "zone_min": MAYBE_WORD,
    },
    bd3.CardQuery: {"type": st.integers(0, 3), "page": st.integers(0, 99)},
    bd3.CardReport: {
        "card_id": NUMBER,
        "service_interval_s": st.integers(0, 9999),
        "comm_level": st.integers(0, 5),
        **{
            name: MAYBE_WORD if name in ("confidential", "sar") else MAYBE
            for name in bd3.CardReport.__struct_fields__
            if name not in ("raw", "card_id", "service_interval_s", "comm_level")
        },
    },
    bd3.Cn0Report: {"beam_cn0": st.tuples(*[st.none() | st.integers(0, 60)] * 21)},
    bd3.SendRequest: {
        "receiver": NUMBER,
        "frequency_point": st.integers(1, 5),
        "inbound_ack": st.integers(1, 2),
        "encoding": st.integers(1, 5),
        "content": HEX,
        "interval": MAYBE,
    },
    bd3.MessageReport: {
        "sender": NUMBER,
        "receiver": st.none() | NUMBER,
        "frequency_point": MAYBE,
        "time": st.none() | HHMMSS,
        "encoding": st.integers(1, 5),
        "field6": MAYBE_WORD,
        "content": HANZI,
    },
    bd3.Feedback: {
        "time": st.none() | HHMMSS.filter(str.isdigit),
        "type": st.sampled_from(["TCQ", "LOC"]),
        "is_ok": st.booleans(),
        "reason": MAYBE,
        "remaining_s": MAYBE,
    },
    bd3.MessageQuery: {"card": NUMBER, "type": MAYBE_WORD},
    bd3.PositionReportRequest: {
        "card": NUMBER,
        "texts": st.lists(MAYBE_WORD, max_size=7).map(tuple),
    },
    bd3.OwnPosition: {"texts": st.lists(MAYBE_WORD, min_size=1, max_size=7).map(tuple)},
}


@st.composite
def bd1_frames(draw) -> Any:
    kind = draw(st.sampled_from(list(BD1_FIELDS)))
    fields = {name: draw(strategy) for name, strategy in BD1_FIELDS[kind].items()}
    return kind(user_address=draw(U24), **fields)


@st.composite
def signal_reports(draw) -> bd3.SignalReport:
    n_old, n_beams = draw(st.integers(0, 3)), draw(st.integers(0, 6))
    value = st.none() | st.integers(1, 60).map(str)
    fields: list[str | None] = [f"{n_old:02d}", *draw(st.tuples(*[value] * (3 * n_old)))]
    fields.append(f"{n_beams:02d}")
    for _ in range(n_beams):
        beam = str(draw(st.integers(1, 21)))
        fields += [beam, draw(value), draw(value), *draw(st.sampled_from([(), ("0",), (None,)]))]
    return bd3.SignalReport(time=draw(HHMMSS), fields=tuple(fields))


@st.composite
def sentences(draw):
    kind = draw(st.sampled_from([*SENTENCE_FIELDS, bd3.SignalReport]))
    if kind is bd3.SignalReport:
        return draw(signal_reports())
    fields = {name: draw(strategy) for name, strategy in SENTENCE_FIELDS[kind].items()}
    if kind is bd2.ReceiptReport:
        fields["count"] = len(fields["times"]) // 2
    return kind(**fields)


def _form_of(draw) -> OutgoingFrame:
    form = draw(st.sampled_from(Form))
    if form is Form.CODE:
        digits = draw(st.text("0123456789ABCDEF", min_size=1, max_size=100))
        content = bytes.fromhex(digits + "0" * (len(digits) % 2))
        return OutgoingFrame(to=7, form=form, content=content, n_bits=4 * len(digits))
    text = draw(st.text(FREE.filter(lambda c: c not in "$*,"), min_size=1, max_size=40))
    content = text.encode("gbk")
    if form is Form.MIXED:
        content = b"\xa4" + content + draw(st.binary(max_size=8))
    return OutgoingFrame(to=7, form=form, content=content, n_bits=8 * len(content))


outgoing = st.composite(lambda draw: _form_of(draw))()
