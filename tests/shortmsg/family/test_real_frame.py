"""All recorded frames: what they say, that they are written again, what is refused and why."""

from decimal import Decimal
from typing import Any

import pytest

from bdgw.errors import DecodeError
from bdgw.shortmsg.family import PORT_FRAMER, codec_of
from bdgw.shortmsg.family import bd1_frame as bd1
from bdgw.shortmsg.family import bd2_sentence as bd2
from bdgw.shortmsg.family import bd3_sentence as bd3
from bdgw.shortmsg.family.angle import latitude_deg, longitude_deg
from bdgw.shortmsg.family.bd1_frame import OtherFrame
from bdgw.shortmsg.family.feedback import read_mmss
from bdgw.shortmsg.family.frame import WrittenInt
from bdgw.shortmsg.family.line_content import from_line
from bdgw.shortmsg.family.row import OtherSentence
from bdgw.shortmsg.vocabulary import Family, Form, NoCard, Received, SignalSeen, VendorFrame
from bdgw.wire.splitter import Frame, Skipped, Splitter
from tests.shortmsg.family.real import data_of, on_the_line, real_frames

REFUSED = {
    "2454585351001200000046000000000c0072": (
        "12 bits of content are announced and none follows",
        "the reference says: refuse",
    ),
}
"""Right checksum, yet no message in it."""

OTHER_VALUE = {
    ("2454585351001d0000004603c930000b00a4c4e3bac34142433132330a", "content_hex"): (
        "a4c4e3bac3414243313233",
        "the length field counts bytes; the content is taken from the frame, not cut to 11 bits",
    ),
}
"""Fields that are read otherwise than in the file, and why."""

LEFT_TO_OTHERS = {
    "payload": "what stands in a message is recognised by bdgw.shortmsg.content",
}

DIALECT = {
    "CCTTC": "DM229 dialect: passed on as a vendor's frame, counted",
    "CCMSG": "DM229 dialect; also a command of GNSS chips",
    "BDMXX": "DM229 dialect",
    "BDTTC": "DM229 dialect",
}

NEGATIVE = {
    ("bd1-4.0", "TXXX", 37): {"bad_checksum"},
    ("bd1-4.0", "TXXX", 18): {"incomplete"},
    ("bd2-2.1", "CCTXA", 42): {"bad_checksum"},
    ("bd2-2.1", "CCTXA", 131): {"bad_checksum"},
    ("bd2-2.1", "BDBSI", 21): {"bad_checksum"},
    ("bd2-2.1", "BDBSI", 35): {"bad_checksum"},
    ("bd2-2.1", "BDTXR", 99): {"bad_checksum"},
    ("bd3", "BDTCI", 940): {"bad_checksum"},
}
"""Family, type and bytes of each bad frame -> the reasons it may be skipped for."""

_FORM = {Form.HANZI: "hanzi", Form.CODE: "code", Form.MIXED: "mixed"}
_BD2_FORM = {0: Form.HANZI, 1: Form.CODE, 2: Form.MIXED}
_BD3_FORM = {1: Form.HANZI, 2: Form.CODE, 3: Form.MIXED}
_SENT_IN_BD1 = (bd1.SendRequest, bd1.MessageReport)


def _form(frame) -> Form:
    if isinstance(frame, _SENT_IN_BD1):
        return frame.form
    table = _BD3_FORM if isinstance(frame, bd3.SendRequest | bd3.MessageReport) else _BD2_FORM
    return table[frame.encoding if hasattr(frame, "encoding") else frame.form]


def _text(frame) -> Any:
    content = frame.content
    if not isinstance(frame, _SENT_IN_BD1):
        content = from_line(_form(frame), content).content
    return content[_form(frame) is Form.MIXED :].decode("gbk")


def _beams(frame) -> list[Any]:
    return [
        {"beam": b.beam, "s2c_d_cn0": b.s2c_d_dbhz, "s2c_p_cn0": b.s2c_p_dbhz, "fourth": b.fourth}
        for b in frame.beams
    ]


READ = {
    "length_bytes": lambda f: len(f.raw),
    "priority": lambda f: (
        f.priority if hasattr(f, "priority") else "express" if f.is_express else "normal"
    ),
    "category": lambda f: {0: "express", 1: "normal"}[f.category],
    "encoding": lambda f: _FORM[_form(f)],
    "content_hex": lambda f: f.content.hex(),
    "content_text": _text,
    "content": lambda f: (f.content or b"").decode(),
    "digits": lambda f: f.content.hex().upper()[: f.n_bits // 4],
    "urgent": lambda f: f.is_urgent,
    "kind": lambda f: "query answer" if f.is_query_answer else "message",
    "info_hex": lambda f: f.information.hex(),
    "flag_meaning": lambda f: {0: "success", 2: "signal not locked"}[f.flag],
    "extra_hex": lambda f: f.extra.hex(),
    "frame": lambda f: f.page,
    "executed": lambda f: f.is_executed,
    "interval_ok": lambda f: f.is_interval_ok,
    "wait_s": lambda f: read_mmss(f.wait),
    "encrypted": lambda f: f.is_encrypted,
    "card_present": lambda f: not isinstance(codec_of(Family.BD3).events(f)[0], NoCard),
    "rest": lambda f: [
        "" if value is None else str(value)
        for value in (f.height_m, f.antenna_m, f.pressure_pa, f.temperature_c, f.interval_s)
    ],
    "lat_deg": lambda f: pytest.approx(latitude_deg(f.lat, f.lat_ns), abs=1e-7),
    "lon_deg": lambda f: pytest.approx(longitude_deg(f.lon, f.lon_ew), abs=1e-7),
    "multi_value": lambda f: f.is_multi_value,
    "interval_s": lambda f: f.interval if hasattr(f, "interval") else f.interval_s,
    "interval": lambda f: f.interval if hasattr(f, "interval") else f.interval_s,
    "ok": lambda f: f.is_ok,
    "frequency_point": lambda f: f"Lf{f.frequency_point - 1}",
    "frequency_point_field": lambda f: f.frequency_point,
    "inbound_ack": lambda f: f.inbound_ack == 2,
    "old_beams": lambda f: list(f.old_beams),
    "bd3_beams": _beams,
    "fields": lambda f: [field.decode() for field in f.fields],
}
"""Names of the file that are not those of the value."""


def _plain(value, expected):
    if isinstance(value, WrittenInt) and isinstance(expected, str):
        return value.text
    if isinstance(value, Decimal):
        return float(value)
    return list(value) if isinstance(value, tuple) else value


def _encoding_says(expected: str, form: str) -> bool:
    # The file calls raw bytes without A4 "code or binary" and "binary without A4 prefix".
    return form == expected or (form == "code" and "binary" in expected)


def _split(data: bytes) -> list[Frame | Skipped]:
    splitter = Splitter({"port": PORT_FRAMER})
    splitter.receive(data, now=0.0)
    splitter.receive(b"", now=0.0)
    return list(splitter.events())


GOOD = [entry for entry in real_frames() if entry["checksum_ok"]]
BAD = [entry for entry in real_frames() if not entry["checksum_ok"]]
DECODED = [entry for entry in GOOD if entry["hex"] not in REFUSED]


def _name(entry) -> str:
    return f"{entry['type']}-{entry['hex'][-24:]}"


def test_all_of_them_are_looked_at():
    assert (len(GOOD), len(BAD), len(DECODED)) == (129, 8, 128)


@pytest.mark.parametrize("entry", DECODED, ids=_name)
def test_a_good_frame_says_what_the_file_says(entry):
    frame = codec_of(Family(entry["family"])).decode(on_the_line(entry))
    if entry["type"] in DIALECT:
        assert isinstance(frame, OtherSentence)
        return
    for key, expected in entry["fields"].items():
        if key in LEFT_TO_OTHERS:
            continue
        expected, _why = OTHER_VALUE.get((entry["hex"], key), (expected, ""))
        value = READ[key](frame) if key in READ else getattr(frame, key)
        if key == "encoding":
            assert _encoding_says(expected, value)
        else:
            assert _plain(value, expected) == expected, key


@pytest.mark.parametrize("entry", DECODED, ids=_name)
def test_a_good_frame_is_written_again_byte_for_byte(entry):
    codec = codec_of(Family(entry["family"]))
    assert codec.encode(codec.decode(data_of(entry))) == on_the_line(entry)


@pytest.mark.parametrize("entry", GOOD, ids=_name)
def test_the_port_gives_out_a_good_frame_whole(entry):
    assert _split(on_the_line(entry)) == [Frame("port", 0, on_the_line(entry))]


@pytest.mark.parametrize("entry", [e for e in GOOD if e["hex"] in REFUSED], ids=_name)
def test_a_frame_that_contradicts_itself_is_refused(entry):
    what, _why = REFUSED[entry["hex"]]
    with pytest.raises(DecodeError, match=what):
        codec_of(Family(entry["family"])).decode(data_of(entry))


@pytest.mark.parametrize("entry", BAD, ids=_name)
def test_a_bad_frame_is_skipped_for_its_reason(entry):
    data = on_the_line(entry)
    events = _split(data)
    assert b"".join(event.data for event in events) == data
    assert not [event for event in events if isinstance(event, Frame)]
    reasons = {event.reason for event in events if isinstance(event, Skipped)} - {"noise"}
    assert reasons == NEGATIVE[entry["family"], entry["type"], len(data_of(entry))]
    with pytest.raises(DecodeError):
        codec_of(Family(entry["family"])).decode(data_of(entry))


def test_all_of_them_on_one_port_come_out_in_order_with_text_in_between():
    banner = b"READY FOR TRANSMISSION\r\nTCQ OK!\r\n"
    stream = b"".join(banner + on_the_line(entry) for entry in GOOD)
    found = [event.data for event in _split(stream) if isinstance(event, Frame)]
    assert found == [on_the_line(entry) for entry in GOOD]


def test_good_frames_survive_the_bad_ones_between_them():
    stream = b"".join(on_the_line(b) + on_the_line(g) for b, g in zip(BAD, GOOD, strict=False))
    found = [event.data for event in _split(stream) if isinstance(event, Frame)]
    assert found == [on_the_line(entry) for entry in GOOD[: len(BAD)]]


def test_vendor_frames_are_passed_on_whole():
    vendors = {"FCXX", "BSSZ", "BDHZ", "BDDEF", "BDBTX", "BDZTX", "BDRNX", "BDCNO", "BDCOV"}
    for entry in GOOD:
        if entry["type"] not in vendors | set(DIALECT):
            continue
        codec = codec_of(Family(entry["family"]))
        frame = codec.decode(data_of(entry))
        assert isinstance(frame, OtherFrame | OtherSentence)
        assert codec.events(frame) == (VendorFrame(name=entry["type"], raw=data_of(entry)),)


def test_a_length_in_bytes_is_seen_and_the_content_kept():
    entry = next(e for e in GOOD if "number of BYTES" in e.get("note", ""))
    frame: Any = codec_of(Family.BD1).decode(data_of(entry))
    assert not frame.is_length_consistent
    assert (frame.length_bits, frame.n_bits) == (11, 88)
    assert frame.content[1:].decode("gbk") == "你好ABC123"


def test_hexadecimal_with_other_letters_is_passed_on_as_written_and_marked():
    entry = next(e for e in GOOD if "not pure hexadecimal" in e.get("note", ""))
    codec = codec_of(Family.BD2)
    (received,) = codec.events(codec.decode(data_of(entry)))
    assert isinstance(received, Received)
    assert received.content == b"A4BF0113ECCB13ECCBHELLO"
    assert received.is_intact is False
    assert received.sender == 195817


def test_the_maker_of_the_beams_by_hand_gives_no_beam_51():
    entry = next(e for e in GOOD if e["type"] == "BDPWI" and "note" in e)
    codec = codec_of(Family.BD3)
    (signal,) = codec.events(codec.decode(data_of(entry)))
    assert isinstance(signal, SignalSeen)
    assert signal.cn0_dbhz == ()


def test_bd2_values_are_known_to_the_bd3_codec():
    entry = next(e for e in GOOD if e["type"] == "BDICI")
    assert isinstance(codec_of(Family.BD3).decode(data_of(entry)), bd2.CardReport)
