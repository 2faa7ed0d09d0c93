"""The simulator's own encoders and decoders against frames of real terminals and hosts."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwsim.rdss_bd1 import LAYOUTS, encode, layout_of, take_frame, xor
from fwsim.rdss_card import Card, Content, Family, Form, capacity_bits
from fwsim.rdss_manner import BARE, PLAIN, Manner
from fwsim.rdss_sentence import bodies, sentence
from fwsim.rdss_speak_bd1 import Bd1Speaker, wait_bytes
from fwsim.rdss_speak_bd2 import Bd2Speaker, read_content
from fwsim.rdss_speak_bd3 import ICP_FIELDS, Bd3Speaker
from fwsim.rdss_terminal import SPEAKERS
from fwsim.rdss_word import (
    AskMessages,
    AskReport,
    Delivery,
    Feedback,
    Fix,
    Locate,
    Other,
    Outcome,
    Query,
    ReadCard,
    Report,
    Send,
    Status,
)
from tests.conftest import shared_data
from tests.fwsim.test_independence import PACKAGE, imported_roots

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def frames(family, *types, is_good=True):
    """Real frames of some types."""
    rows = map(json.loads, shared_data("rdss", "frames.jsonl").read_text().splitlines())
    return [
        row
        for row in rows
        if row["family"] == family and row["checksum_ok"] is is_good and row["type"] in types
    ]


def raw(row):
    return bytes.fromhex(row["hex"])


def line(row):
    return raw(row) + b"\r\n"


def width(text):
    """Digits of a number as it was printed, 0 where it has no leading zeros."""
    return len(text) if text.startswith("0") and text != "0" else 0


def decoded(data):
    buffer = bytearray(data)
    frame, junk = take_frame(buffer)
    assert frame is not None
    assert junk == len(buffer) == 0
    return frame


# -- bd1-4.0 ---------------------------------------------------------------------------------------


def bd1_said(row):
    """Say again, with the words of a terminal, what a real one said."""
    fields, kind = row["fields"], row["type"]
    own = fields["user_address"]
    if kind == "ICXX":
        card = Card(
            address=own,
            broadcast=fields["broadcast_id"],
            interval_s=fields["service_interval_s"],
            level=fields["comm_level"],
            user_class=fields["user_class"],
            is_encrypted=fields["encryption_flag"] == 1,
        )
        return Bd1Speaker(PLAIN).card("ICJC", card)
    if kind == "ZJXX":
        status = Status(
            card=Card(address=own),
            at_utc=NOW,
            beams=dict(enumerate(fields["beam_power"], start=1)),
            battery_percent=fields["battery"],
        )
        return Bd1Speaker(PLAIN).report(Report.SELF_CHECK, status)
    if kind == "FKXX":
        outcome = {0: Outcome.ACCEPTED, 2: Outcome.NO_LOCK}[fields["flag"]]
        feedback = Feedback(name=fields["command"], outcome=outcome, at_utc=NOW, address=own)
        return Bd1Speaker(PLAIN).feedback(feedback)
    forms = {"hanzi": Form.HANZI, "mixed": Form.MIXED}
    content = Content(
        form=forms.get(fields["encoding"], Form.CODE),
        data=bytes.fromhex(fields["content_hex"]),
        n_bits=fields["length_bits"],
    )
    delivery = Delivery(
        sender=fields["sender_address"], to=own, content=content, at_utc=NOW, sent_utc=NOW
    )
    return Bd1Speaker(Manner(info_low_bits=fields["info"] & 3)).message(delivery, own)


def test_bd1_frames_of_real_terminals_are_said_byte_for_byte():
    rows = frames("bd1-4.0", "ICXX", "ZJXX", "FKXX", "TXXX")
    assert len(rows) == 11
    for row in rows:
        assert bd1_said(row) == raw(row), row["hex"]


def test_every_real_bd1_frame_that_is_well_formed_goes_through_the_table_and_back():
    known = 0
    for row in frames("bd1-4.0", *LAYOUTS):
        frame = decoded(raw(row))
        known += 1
        assert frame.address == row["fields"]["user_address"]
        fields = frame.fields()
        for name, value in fields.items():
            if isinstance(value, int) and name in row["fields"]:
                assert value == row["fields"][name], (row["hex"], name)
        assert encode(frame.name, frame.address, fields) == raw(row)
    assert known >= 36


def test_bd1_host_frames_are_understood():
    for row in frames("bd1-4.0", "TXSQ"):
        fields = row["fields"]
        (request,) = Bd1Speaker(PLAIN).hear(raw(row))
        assert isinstance(request, Send)
        assert request.to == fields["peer_address"]
        assert request.is_express is False
        if "note" in row:
            assert request.problem == "length"
            continue
        assert request.problem is None
        assert request.content.n_bits == fields["length_bits"]
        assert request.content.data.hex() == fields["content_hex"]
        words = {"hanzi": Form.HANZI, "mixed": Form.MIXED}
        assert request.content.form is words.get(fields["encoding"], Form.CODE)
    (request,) = Bd1Speaker(PLAIN).hear(
        bytes.fromhex("24445753510016000000040000000000000000000027")
    )
    assert isinstance(request, Locate)


def test_bd1_questions_and_reports_are_understood():
    speaker = Bd1Speaker(PLAIN)
    cases = {
        "2449434a43000c000000002b": ReadCard(name="ICJC"),
        "2449434a43000c000000012a": ReadCard(name="ICJC", is_subordinates=True, page=1),
        "2458545a4a000d000000000035": AskReport(name="XTZJ", report=Report.SELF_CHECK),
        "24474c4a43000c000000012b": AskReport(name="GLJC", report=Report.POWER, interval_s=1),
        "24534a5343000d000000000525": AskReport(name="SJSC", report=Report.TIME, interval_s=5),
    }
    for text, wanted in cases.items():
        assert speaker.hear(bytes.fromhex(text)) == [wanted]
    assert speaker.n_bad == 0


def test_damaged_bd1_frames_are_not_taken():
    for row in frames("bd1-4.0", "TXXX", is_good=False):
        frame, _ = take_frame(bytearray(raw(row)))
        assert frame is None


@pytest.mark.parametrize(
    ("reading", "wanted"),
    [
        ("little_endian", "4a000000"),
        ("first_byte", "4a000000"),
        ("last_byte", "0000004a"),
        ("minutes_seconds", "0001000e"),
    ],
)
def test_the_four_readings_of_too_early(reading, wanted):
    assert wait_bytes(73.2, reading).hex() == wanted


@given(st.lists(st.binary(max_size=40), max_size=6), st.data())
def test_bd1_frames_are_found_in_any_junk_and_any_split(junk, data):
    wanted, stream = [], b""
    for i, part in enumerate(junk):
        # A dollar in junk may promise a frame that swallows what follows, on a real line too.
        clean = part.replace(b"$", b"")
        frame = encode(
            "TXSQ",
            i,
            {
                "info": 70,
                "peer_address": 7,
                "length_bits": 8 * len(part),
                "ack_flag": 0,
                "content": part,
            },
        )
        stream += clean + frame
        wanted.append(part)
    speaker = Bd1Speaker(PLAIN)
    found = []
    while stream:
        n = data.draw(st.integers(1, len(stream)))
        found += speaker.hear(stream[:n])
        stream = stream[n:]
    sent = [request for request in found if isinstance(request, Send)]
    assert [request.content.data for request in sent] == wanted
    assert len(sent) == len(found)


@given(st.sampled_from(list(Family)), st.lists(st.binary(max_size=80), max_size=12))
def test_no_bytes_break_a_speaker(family, parts):
    speaker = SPEAKERS[family](PLAIN)
    for part in parts:
        for request in speaker.hear(part):
            assert request.name


# -- bd2-2.1 ---------------------------------------------------------------------------------------


def bd2_said(row):
    fields, kind = row["fields"], row["type"]
    parts = row["text"].split("*")[0].split(",")
    if kind == "BDICI":
        manner = Manner(
            address_digits=width(fields["card_id"]) or width(fields["broadcast_id"]),
            serial_digits=width(fields["serial"]),
            count_digits=width(parts[8]),
            decimal_interval="." in parts[5],
        )
        card = Card(
            address=int(fields["card_id"]),
            serial=int(fields["serial"]),
            broadcast=int(fields["broadcast_id"]),
            user_class=fields["user_class"],
            interval_s=int(fields["service_interval_s"]),
            level=fields["comm_level"] or 1,
            subordinates=tuple(range(1, fields["subordinate_count"] + 1)),
        )
        has_card = fields.get("card_present", True)
        return Bd2Speaker(manner).card("ICA", card if has_card else None)
    if kind == "BDFKI":
        outcome = Outcome.ACCEPTED if fields["executed"] else Outcome.FAILED
        wait = {"next_s" if fields["executed"] else "wait_s": fields["wait_s"]}
        feedback = Feedback(name=fields["command"], outcome=outcome, at_utc=NOW, **wait)
        return Bd2Speaker(PLAIN).feedback(feedback)
    if kind == "BDBSI":
        beams = dict(enumerate(fields["beam_power"], start=1))
        chosen = (fields["response_beam"], fields["time_diff_beam"])
        status = Status(card=None, at_utc=NOW, beams=beams, chosen=chosen)
        return Bd2Speaker(PLAIN).report(Report.POWER, status)
    content, problem = read_content(
        {"code": Form.CODE, "mixed": Form.MIXED}[fields["encoding"]], fields["content"].encode()
    )
    assert problem is None or fields["content"] == ""
    time = fields["time_hhmm"]
    hour, minute = (int(time[:2]), int(time[2:])) if time else (0, 0)
    delivery = Delivery(
        sender=int(fields["sender"]),
        to=1,
        content=content,
        at_utc=NOW.replace(hour=hour, minute=minute),
        sent_utc=NOW,
    )
    manner = Manner(address_digits=width(fields["sender"]), stamps_messages=time is not None)
    return Bd2Speaker(manner).message(delivery, 1)


def test_bd2_sentences_of_real_terminals_are_said_byte_for_byte():
    rows = [
        row
        for row in frames("bd2-2.1", "BDICI", "BDFKI", "BDBSI", "BDTXR")
        if "not pure hexadecimal" not in row.get("note", "")
    ]
    assert len(rows) == 20
    for row in rows:
        assert bd2_said(row) == line(row), row["text"]


def test_bd2_position_of_a_real_terminal_is_said_byte_for_byte():
    for row in frames("bd2-2.1", "BDDWR"):
        fields = row["fields"]
        time = fields["time_utc"]
        fix = Fix(
            address=int(fields["user"]),
            at_utc=NOW.replace(
                hour=int(time[:2]),
                minute=int(time[2:4]),
                second=int(time[4:6]),
                microsecond=int(time[7:]) * 10_000,
            ),
            lat_deg=fields["lat_deg"],
            lon_deg=fields["lon_deg"],
            height_m=fields["height_m"],
            anomaly_m=fields["height_anomaly_m"],
            is_coarse=fields["precision"] == 1,
        )
        assert Bd2Speaker(PLAIN).fix(fix) == line(row)


def test_bd2_host_sentences_are_understood():
    for row in frames("bd2-2.1", "CCTXA"):
        (request,) = Bd2Speaker(PLAIN).hear(line(row))
        assert isinstance(request, Send)
        fields = row["fields"]
        assert request.to == int(fields["receiver"])
        assert request.content.data.hex().upper() == fields["content"]
        assert request.content.form.value == fields["encoding"]
        assert request.problem is None
    for row in frames("bd2-2.1", "CCICA"):
        assert Bd2Speaker(PLAIN).hear(line(row)) == [ReadCard(name="ICA")]
    for row in frames("bd2-2.1", "CCDWA"):
        assert Bd2Speaker(PLAIN).hear(line(row)) == [Locate(name="DWA")]
    for row in frames("bd2-2.1", "CCTXA", is_good=False):
        speaker = Bd2Speaker(PLAIN)
        assert speaker.hear(line(row)) == []
        assert speaker.n_bad == 1
    (wrong,) = Bd2Speaker(PLAIN).hear(line(frames("bd2-2.1", "CCICI")[0]))
    assert wrong == Other(name="ICI")


def test_chinese_text_with_commas_stars_and_dollars_is_one_content():
    text = "船号,7*3F$CCICA".encode("gbk")
    speaker = Bd2Speaker(PLAIN)
    (request,) = speaker.hear(sentence("CCTXA", "0000007", "1", "0", text))
    assert isinstance(request, Send)
    assert request.content.data == text
    assert request.content.air_bits == 2 * 14 + 11 * 7
    said = speaker.message(
        Delivery(sender=7, to=8, content=request.content, at_utc=NOW, sent_utc=NOW), 8
    )
    assert said.startswith(b"$BDTXR,1,0000007,0,," + text + b"*")


def test_a_left_out_wait_is_never_one_that_counts():
    speaker = Bd2Speaker(BARE)
    early = Feedback(name="TXA", outcome=Outcome.TOO_EARLY, at_utc=NOW, wait_s=75.0)
    assert b"N,Y,0,0075*" in speaker.feedback(early)
    failed = Feedback(name="TXA", outcome=Outcome.FAILED, at_utc=NOW)
    assert b"N,Y,0*" in speaker.feedback(failed)
    assert b"N,Y,0,0115*" in Bd2Speaker(PLAIN).feedback(early)


def test_subordinates_come_in_pages_of_forty():
    card = Card(address=9, subordinates=tuple(range(100, 190)))
    said = Bd2Speaker(PLAIN).subordinates(card, None).decode().splitlines()
    assert [len(row.split(",")) - 2 for row in said] == [40, 40, 10]
    assert said[2].startswith("$BDICZ,90,0000180,")
    page = decoded(Bd1Speaker(PLAIN).subordinates(card, 1))
    assert (page.name, len(page.body)) == ("ICXX", 1 + 270)


# -- bd3 -------------------------------------------------------------------------------------------


def bd3_said(row):
    fields, kind = row["fields"], row["type"]
    if kind == "BDFKI":
        reasons = {0: Outcome.ACCEPTED, 5: Outcome.NO_CARD}
        time = fields["time"]
        at = NOW.replace(hour=int(time[:2]), minute=int(time[2:4]), second=int(time[4:]))
        feedback = Feedback(name=fields["type"], outcome=reasons[fields["reason"]], at_utc=at)
        return Bd3Speaker(Manner(yes_with_reason=True)).feedback(feedback)
    if kind == "BDPWI":
        time = fields["time"]
        at = NOW.replace(hour=int(time[:2]), minute=int(time[2:4]), second=int(time[4:6]))
        beams = {beam["beam"]: beam["s2c_d_cn0"] for beam in fields["bd3_beams"]}
        return Bd3Speaker(PLAIN).report(Report.POWER, Status(card=None, at_utc=at, beams=beams))
    if kind == "BDSNR":
        beams = dict(enumerate(fields["beam_cn0"], start=1))
        return Bd3Speaker(PLAIN).report(Report.LEVELS, Status(card=None, at_utc=NOW, beams=beams))
    content, _ = read_content(Form.CODE, fields["content"].encode())
    time = fields["time"]
    delivery = Delivery(
        sender=int(fields["sender"]),
        to=int(fields["receiver"]),
        content=content,
        at_utc=NOW.replace(hour=int(time[:2]), minute=int(time[2:4]), second=int(time[4:])),
        sent_utc=NOW,
    )
    return Bd3Speaker(PLAIN).message(delivery, 1)


def test_bd3_sentences_of_real_terminals_are_said_byte_for_byte():
    rows = frames("bd3", "BDFKI", "BDPWI", "BDSNR", "BDTCI")
    ours = [
        row
        for row in rows
        # A vendor dialect, two digits for no level, and a time of zero beside a beam.
        if "vendor" not in row.get("note", "")
        and ",00,00,47" not in row["text"]
        and "outside 1-21" not in row.get("note", "")
    ]
    assert len(ours) == 6
    for row in ours:
        assert bd3_said(row) == line(row), row["text"]


def test_bd3_cards_of_real_terminals_are_said_byte_for_byte():
    rows = frames("bd3", "BDICP")
    assert len(rows) == 4
    said = 0
    for row in rows:
        fields = row["fields"]
        assert list(fields)[:-1] == list(ICP_FIELDS)
        if fields["card_id"] == 0:
            assert Bd3Speaker(PLAIN).card("ICR", None) == line(row)
            said += 1
            continue
        card = Card(
            address=fields["card_id"],
            broadcast=fields["broadcast_id"],
            interval_s=fields["service_interval_s"],
            level=fields["comm_level"],
            global_interval_s=fields["global_interval"],
            global_level=fields["global_level"],
            subordinates=tuple(range(1, 1 + fields["subordinate_count"])),
        )
        # What a card says of ranks and groups is not simulated: only civil ones are all equal.
        theirs = row["text"].split("*")[0].split(",")[1:]
        ours = Bd3Speaker(PLAIN).card("ICR", card).decode().split("*")[0].split(",")[1:]
        kept = ("card_id", "broadcast_id", "service_interval_s", "comm_level", "global_interval")
        names = list(ICP_FIELDS)
        for key in (*kept, "global_level", "subordinate_count"):
            assert ours[names.index(key)] == theirs[names.index(key)]
        assert len(ours) == len(theirs) == 23
        said += Bd3Speaker(PLAIN).card("ICR", card) == line(row)
    assert said == 2


def test_bd3_host_sentences_are_understood():
    (row,) = frames("bd3", "CCTCQ")
    (request,) = Bd3Speaker(PLAIN).hear(line(row))
    assert isinstance(request, Send)
    assert (request.to, request.problem, request.is_global) == (4238473, None, False)
    assert request.content.form is Form.MIXED
    assert request.content.data.hex() == row["fields"]["content"]
    assert request.content.air_bits == 960
    (row,) = frames("bd3", "CCICR")
    assert Bd3Speaker(PLAIN).hear(line(row)) == [ReadCard(name="ICR")]


def test_a_bd3_box_speaks_both_and_a_module_does_not():
    card = Card(address=4207733, level=2, user_class=3)
    box = Bd3Speaker(Manner(answers_both=True, address_digits=0, serial_digits=0, count_digits=0))
    assert box.hear(b"$CCICA,0,00*7B\r\n") == [ReadCard(name="ICA")]
    said = box.card("ICA", card)
    assert said.count(b"$BDICP,4207733,") == said.count(b"$BDICI,4207733,0,0,3,60,2,N,0*") == 1
    assert Bd3Speaker(PLAIN).hear(b"$CCICA,0,00*7B\r\n") == [Other(name="ICA")]


# -- all -------------------------------------------------------------------------------------------


def test_capacities_are_those_of_the_table():
    plain = {1: 110, 2: 408, 3: 628, 4: 848}
    for level, bits in plain.items():
        assert capacity_bits(Card(address=1, level=level), Family.BD2) == bits
    secret = Card(address=1, level=4, is_encrypted=True)
    assert capacity_bits(secret, Family.BD1) == 1680
    assert capacity_bits(secret, Family.BD1, is_express=True) == 188
    assert capacity_bits(Card(address=1, level=5), Family.BD3) == 14_000
    assert capacity_bits(Card(address=1, level=2), Family.BD3) == 960
    assert capacity_bits(Card(address=1, level=5), Family.BD3, is_global=True) == 560


def test_sentences_are_cut_out_of_junk_and_kept_until_whole():
    good = sentence("CCICA", "0", "00")
    assert good == b"$CCICA,0,00*7B\r\n"
    buffer = bytearray(b"noise$" + good + b"$CCICA,0,00*7C\r\n" + good.lower() + good[:7])
    found, bad = bodies(buffer)
    assert (found, bad) == ([b"CCICA,0,00"], 2)
    assert buffer == good[:7]
    assert xor(b"CCICA,0,00") == 0x7B


@pytest.mark.parametrize(("nibble", "wanted"), [(0, "1230"), (15, "123f")])
def test_an_odd_number_of_digits_leaves_a_nibble_to_the_terminal(nibble, wanted):
    content, _ = read_content(Form.CODE, b"123")
    delivery = Delivery(sender=1, to=2, content=content, at_utc=NOW, sent_utc=NOW)
    fields = decoded(Bd1Speaker(Manner(odd_nibble=nibble)).message(delivery, 2)).fields()
    assert (fields["content"].hex(), fields["length_bits"]) == (wanted, 12)
    assert b",,123*" in Bd2Speaker(PLAIN).message(delivery, 2)


def test_a_query_is_not_a_message():
    query = encode("TXSQ", 0, {"info": 0x78, "peer_address": 99})
    assert len(query) == 15
    (request,) = Bd1Speaker(PLAIN).hear(query)
    assert request == AskMessages(name="TXSQ", query=Query.RECEIPT, address=99)
    assert layout_of("TXSQ", b"\x78\0\0\x63")[-1] == ("peer_address", 3)


def test_only_server_control_command_and_scenario_know_a_clock_or_a_file():
    outside = {"rdss_server", "rdss_control", "rdss_command", "rdss_scenario"}
    pure = [path for path in PACKAGE.glob("rdss_*.py") if path.stem not in outside]
    assert len(pure) >= 15
    for path in pure:
        roots = imported_roots(path)
        assert not roots & {"time", "asyncio", "socket", "os", "io", "pathlib"}, path.name
