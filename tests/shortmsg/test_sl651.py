"""Public frames of SL 651, packets written by hand, and damage of every kind."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.errors import DecodeError
from bdgw.shortmsg.sl651 import HydrologyFrame, crc16_modbus, decode_frame
from bdgw.shortmsg.sl651_element import ELEMENTS, decode_elements
from tests.conftest import shared_data

TEST_REPORT = (
    "7E7E010012345678123430002B020003591011154947F1F1001234567848F0F05910111549"
    "20190000052619000005392300000127381211150320FA"
)
TIMED_REPORT = (
    "7E7E05001122334403E832002B020034170718110016F1F1001122334448F0F01707181100"
    "201900004026190000403923000104903812109903A421"
)
DOWN = "7E7E00123456780112343080080200035910111549471B75D4"


def _crc(data: bytes) -> int:
    """Compute CRC-16/MODBUS bit by bit, apart from the library."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def _sealed(frame: str) -> bytes:
    data = bytes.fromhex(frame)
    return data + _crc(data).to_bytes(2)


def _values(frame: HydrologyFrame) -> dict[str, str | None]:
    assert frame.report is not None
    return {str(one.mnemonic): one.value for one in frame.report.elements}


def test_check_value_of_the_checksum():
    assert crc16_modbus(b"123456789") == 0x4B37


@given(st.binary(max_size=100))
def test_the_checksum_agrees_with_a_bitwise_one(data):
    assert crc16_modbus(data) == _crc(data)


def test_every_public_frame_decodes():
    frames = json.loads(shared_data("vectors", "jt808_sl651.json").read_text("utf-8"))
    public = frames["sl651"]["frames"]
    for row in public:
        data = bytes.fromhex(row["hex"])
        frame = decode_frame(data)
        assert frame.raw == data
        assert f"{frame.function:02X}" == row["func"]
        for name in ("center", "station", "password", "serial"):
            if name in row:
                assert getattr(frame, name) == row[name], name
        if "dir" in row:
            assert frame.is_uplink == (row["dir"] == "up")
        if "len" in row:
            assert len(frame.body) == row["len"]
        if "etx" in row:
            assert frame.end == {"03": "ETX", "1B": "ESC"}[row["etx"]]
        if "time" in row:
            assert frame.sent == "20" + row["time"].replace(" ", "T")
        if "elements" in row:
            assert frame.report is not None
            by_id = {f"{one.identifier:02X}": one for one in frame.report.elements}
            for identifier, expected in row["elements"].items():
                value, _, unit = expected.partition(" ")
                assert by_id[identifier].value == value
                assert unit in ("", by_id[identifier].unit)
    assert len(public) == 5


def test_frames_that_came_over_real_terminals():
    """Two reports inside frames of a recorded BD1 session, with their public reading."""
    n = 0
    for line in shared_data("rdss", "frames.jsonl").read_text("utf-8").splitlines():
        fields = json.loads(line)["fields"]
        payload = fields.get("payload", {})
        if not payload.get("protocol", "").startswith("SL651"):
            continue
        frame = decode_frame(bytes.fromhex(fields["content_hex"]))
        assert (frame.center, frame.station, frame.password, frame.serial) == (
            payload["center"],
            payload["station"],
            payload["password"],
            payload["serial"],
        )
        assert len(frame.body) == payload["body_length"]
        assert frame.sent is not None
        assert (
            frame.sent.replace("-", "").replace("T", "").replace(":", "")[2:]
            == (payload["time_bcd"])
        )
        assert frame.report is not None
        assert frame.report.station_class_name == "水库(湖泊)"
        assert frame.report.observed is None  # the station wrote zeros
        assert [one.mnemonic for one in frame.report.elements] == ["PJ", "PT", "Z1", "VT"]
        n += 1
    assert n == 2


def test_a_report_field_by_field():
    frame = decode_frame(bytes.fromhex(TEST_REPORT))
    assert (frame.is_uplink, frame.center, frame.station) == (True, 1, "0012345678")
    assert (frame.function_name, frame.end, frame.serial) == ("测试报", "ETX", 3)
    assert frame.sent == "2059-10-11T15:49:47"
    assert frame.is_last_packet
    report = frame.report
    assert report is not None
    assert (report.station, report.station_class_name) == ("0012345678", "河道")
    assert report.observed == "2059-10-11T15:49"
    assert report.rest == b""
    assert _values(frame) == {"PJ": "0.5", "PT": "0.5", "Z": "0.127", "VT": "11.15"}
    assert [one.unit for one in report.elements] == ["mm", "mm", "m", "V"]
    assert _values(decode_frame(bytes.fromhex(TIMED_REPORT)))["Z"] == "10.490"


def test_downlink_has_the_station_before_the_center():
    frame = decode_frame(bytes.fromhex(DOWN))
    assert (frame.is_uplink, frame.center, frame.station, frame.end) == (
        False,
        1,
        "0012345678",
        "ESC",
    )
    assert frame.report is None


@pytest.mark.parametrize("counted", [0, 3])
def test_packets_that_belong_together(counted):
    """Total 5, packet 2; a length that counts the packet marks or does not."""
    frame = decode_frame(
        _sealed(f"7E7E010012345678123436{4 + counted:04X}16005002" + "F3F3FFD8" + "17")
    )
    assert (frame.n_packets, frame.packet, frame.end) == (5, 2, "ETB")
    assert not frame.is_last_packet
    assert frame.body == bytes.fromhex("F3F3FFD8")
    assert (frame.serial, frame.sent, frame.report) == (None, None, None)


def test_the_first_packet_has_serial_and_time():
    frame = decode_frame(
        _sealed("7E7E010012345678123436000A16002001" + "0007260102030405" + "AABB17")
    )
    assert (frame.n_packets, frame.packet, frame.serial) == (2, 1, 7)
    assert frame.sent == "2026-01-02T03:04:05"


@pytest.mark.parametrize("marks", ["000000", "002003", "002000"])
def test_impossible_packet_numbers(marks):
    with pytest.raises(DecodeError, match="packet"):
        decode_frame(_sealed(f"7E7E010012345678123436000016{marks}17"))


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        ("7E7E010012345678123430100802" + "0003591011154947" + "03", "direction"),
        ("7E7E010012345678123430000702" + "0003591011154947" + "03", "announced"),
        ("7E7E010012345678123430000904" + "0003591011154947AA" + "03", "begin mark"),
        ("7E7E010012345678123430000802" + "0003591011154947" + "09", "end mark"),
    ],
)
def test_what_is_wrong_is_said(frame, why):
    with pytest.raises(DecodeError, match=why):
        decode_frame(_sealed(frame))


def test_every_single_bit_error_is_found():
    good = bytes.fromhex(TEST_REPORT)
    for bit in range(8 * len(good)):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DecodeError):
            decode_frame(bytes(bad))
    for n in range(len(good)):
        with pytest.raises(DecodeError):
            decode_frame(good[:n])


def _only(hexed: str):
    elements, rest = decode_elements(bytes.fromhex(hexed))
    assert rest == b""
    assert len(elements) == 1
    return elements[0]


def test_values():
    # Definition byte: length in the upper five bits, decimals in the lower three.
    assert _only("0219FF0052").value == "-5.2"
    assert _only("3923AAAAAAAA").value is None
    assert _only("3923FFFFFFFF").value is None
    assert _only("390812").value == "12"
    assert _only("38130000").value == "0.000"
    assert _only("390B12").value == "0.012"
    assert _only("452000010203").value == "00010203"
    assert _only("0418000100").value == "000100"
    unknown = _only("EE0A12")
    assert (unknown.mnemonic, unknown.unit, unknown.value) == (None, None, "0.12")


def test_series_of_an_hour():
    rain = _only("F460" + "00050AFF" + "00" * 8)
    assert rain.series == ("0.0", "0.5", "1.0", None, *["0.0"] * 8)
    level = _only("F5C0" + "0000" + "007B" + "FFFF" + "0000" * 9)
    assert level.series == ("0.00", "1.23", None, *["0.00"] * 9)
    assert (rain.unit, level.unit, rain.value) == ("mm", "m", None)


def test_what_does_not_fit_is_kept_as_rest():
    elements, rest = decode_elements(bytes.fromhex("2019000005" + "3923000001"))
    assert ([one.value for one in elements], rest.hex()) == (["0.5"], "3923000001")
    elements, rest = decode_elements(bytes.fromhex("2000AA"))
    assert (elements, rest.hex()) == ((), "2000aa")
    picture = _only("F3F3FFD8FFE0")
    assert picture.raw.hex() == "ffd8ffe0"


def test_the_table_of_identifiers():
    """Spot checks across the table; a shifted row would move one of these."""
    for identifier, mnemonic, unit in (
        (0x01, "AC", "m2"),
        (0x0E, "H", "m"),
        (0x1F, "PD", "mm"),
        (0x28, "Q1", "m3/s"),
        (0x2F, "Q8", "m3/s"),
        (0x3C, "Z1", "m"),
        (0x43, "Z8", "m"),
        (0x46, "pH", None),
        (0x4C, "NH4N", "mg/L"),
        (0x57, "CHLA", "mg/L"),
        (0x5F, "WP8", "kPa"),
        (0x67, "SYL8", "m3"),
        (0x6F, "SBL8", "m3/h"),
        (0x75, "VIC", "A"),
        (0xFC, "DRZ8", "m"),
    ):
        assert (ELEMENTS[identifier].mnemonic, ELEMENTS[identifier].unit) == (mnemonic, unit)


@given(st.binary(max_size=300))
def test_elements_of_any_bytes_lose_nothing(data):
    elements, rest = decode_elements(data)
    assert sum(len(one.raw) + 1 for one in elements) + len(rest) <= len(data)
    assert data.endswith(rest)


@given(
    body=st.binary(max_size=200),
    function=st.integers(0, 255),
    word=st.sampled_from((0, 8)),
    end=st.sampled_from((0x03, 0x17, 0x05, 0x04, 0x06, 0x15, 0x1B)),
)
def test_any_body_inside_a_whole_frame_is_kept(body, function, word, end):
    head = bytes.fromhex("7E7E0100123456781234") + bytes([function])
    length = (word << 12 | len(body)).to_bytes(2)
    data = head + length + b"\x02" + body + bytes([end])
    frame = decode_frame(data + _crc(data).to_bytes(2))
    assert (frame.body, frame.function, frame.is_uplink) == (body, function, word == 0)
