"""What frames mean: frames recorded, or written by the offsets and fields of the reference."""

import pytest

from bdgw.errors import DecodeError
from bdgw.shortmsg.vocabulary import (
    Card,
    CardRead,
    NoCard,
    PositionSeen,
    ReceiptSeen,
    SelfCheckSeen,
    SignalSeen,
    TimeSeen,
    VendorFrame,
    VersionSeen,
)
from tests.shortmsg.family.event_reading import (
    BD1,
    BD2,
    BD3,
    CARD_2,
    CARD_3,
    CARD_4,
    events,
    text_events,
)
from tests.shortmsg.family.writer import bd1, line


def test_cards_are_read():
    icxx = bytes.fromhex("2449435858001602adf70000000b06003c0300000052")
    assert events(BD1, icxx) == (CardRead(card=CARD_4),)
    ici = b"$BDICI,0166166,02097151,0000011,6,40,3,N,000*33"
    icp = b"$BDICP,4238473,0,0,3,0,N,2,N,1,0,0,3,1,60,2,0,0,0,0,21,0,0,0*48"
    for codec in (BD2, BD3):
        assert events(codec, ici) == (CardRead(card=CARD_2),)
        assert events(codec, icp) == (CardRead(card=CARD_3),)


def test_a_card_with_global_service_says_so():
    icp = "BDICP,15240507,2032472,1,3,0,Y,1,Y,1,0,0,3,1,1,0,1,1,2,2,500,100,10,10"
    (read,) = text_events(icp)
    assert read.card == Card(
        address=15240507,
        broadcast=2032472,
        interval_s=1,
        level=5,  # 0 is read as the top level
        is_encrypted=True,
        user_class=3,
        n_subordinates=500,
        global_interval_s=2,
        global_level=2,
    )


@pytest.mark.parametrize(
    "frame",
    [
        bd1("ICXX", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, user_address=0x1FFFFF),
        b"$BDICI,2097151,00000000,2097151,0,9999.0,0,N,0*25",
        b"$BDICP,0,0,0,0,0,N,0,N,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0*40",
        line("BDICP,0"),
    ],
)
def test_a_terminal_without_card_says_so(frame):
    codec = BD1 if frame.startswith(b"$IC") else BD3
    assert events(codec, frame) == (NoCard(),)


def test_lists_of_subordinates_are_given_apart():
    frame = BD1.decode(bd1("ICXX", 1, 2, 0xAD, 0xF7, 0, 0, 11))
    assert BD1.subordinates(frame) == (175607, 11)
    assert BD1.events(frame) == ()
    frame = BD2.decode(line("BDICZ,2,0166166,0166167"))
    assert BD2.subordinates(frame) == (166166, 166167)
    assert BD2.events(frame) == ()
    assert BD2.subordinates(BD2.decode(line("BDICZ,0"))) == ()
    assert BD2.subordinates(BD2.decode(line("BDBSI,1,2,0,0,0,0,0,0,0,0,0,0"))) is None
    with pytest.raises(DecodeError):
        BD1.decode(bd1("ICXX", 1, 2, 0xAD))


def test_receipts():
    frame = bd1("TXHZ", 2, 0xAD, 0xF7, 2, 9, 5, 9, 7, 10, 0, 10, 59)
    times = (("09:05", "09:07"), ("10:00", "10:59"))
    assert events(BD1, frame) == (ReceiptSeen(address=175607, times=times),)
    assert events(BD1, bd1("TXHZ", 0, 0, 1, 0)) == (ReceiptSeen(address=1, times=()),)
    (seen,) = text_events("BDHZR,0166166,2,0905,0907,1000,1059")
    assert seen == ReceiptSeen(address=166166, times=(("0905", "0907"), ("1000", "1059")))


@pytest.mark.parametrize(
    "frame",
    [
        bd1("TXHZ", 0, 0, 1, 2, 9, 5, 9, 7),  # two announced, one there
        bd1("TXHZ", 0, 0, 1, 0, 9, 5, 9, 7),  # none announced, one there
        bd1("TXHZ", 0, 0, 1, 6, *([1] * 24)),  # more than a query ever gives
    ],
)
def test_a_count_of_receipts_is_held_against_the_frame(frame):
    with pytest.raises(DecodeError):
        BD1.decode(frame)


@pytest.mark.parametrize("text", ["BDHZR,1,2,0905,0907", "BDHZR,1,0,0905", "BDHZR,1,1,0905"])
def test_a_count_of_receipts_is_held_against_the_sentence(text):
    with pytest.raises(DecodeError):
        BD2.decode(line(text))


SIX = ((1, 0), (2, 1), (3, 2), (4, 3), (5, 4), (6, 0))


def test_signals():
    assert events(BD1, bd1("GLZK", 0, 1, 2, 3, 4, 0)) == (SignalSeen(codes=SIX),)
    assert events(BD1, bd1("GLZK", 9, 255, 2, 3, 4, 0)) == (SignalSeen(codes=SIX[2:]),)
    (seen,) = events(BD2, b"$BDBSI,01,03,3,2,2,0,3,0,0,3,0,0*5F")
    assert seen.codes == tuple(enumerate((3, 2, 2, 0, 3, 0, 0, 3, 0, 0), start=1))
    pwi = b"$BDPWI,023628.00,00,04,2,51,44,0,4,50,43,0,11,43,36,0,16,51,44,0*42"
    best = ((2, 51.0), (4, 50.0), (11, 43.0), (16, 51.0))
    assert events(BD3, pwi) == (SignalSeen(cn0_dbhz=best), TimeSeen(text="023628.00"))
    snr = b"$BDSNR,00,00,47,00,43,00,00,00,00,00,00,00,51,00,00,00,44,40,00,00,00*61"
    cn0 = ((3, 47.0), (5, 43.0), (13, 51.0), (17, 44.0), (18, 40.0))
    assert events(BD3, snr) == (SignalSeen(cn0_dbhz=cn0),)


@pytest.mark.parametrize(
    ("text", "cn0"),
    [
        ("BDPWI,000000.00,00,00", ()),
        ("BDPWI,000000.00,0,2,2,51,44,4,50,43", ((2, 51.0), (4, 50.0))),
        ("BDPWI,000000.00,0,2,2,51,44,,4,50,43,", ((2, 51.0), (4, 50.0))),
        ("BDPWI,000000.00,1,1,40,38,1,7,50,43", ((7, 50.0),)),
        ("BDPWI,000000.00,0,1,2,,44", ()),
    ],
)
def test_the_fourth_value_of_a_beam_may_be_missing(text, cn0):
    assert text_events(text) == (SignalSeen(cn0_dbhz=cn0),)


@pytest.mark.parametrize(
    "text",
    [
        "BDPWI,000000.00",
        "BDPWI,000000.00,,",
        "BDPWI,000000.00,999,1",
        "BDPWI,000000.00,0,3,2,51,44",
        "BDPWI,000000.00,0,1,0,51,44",
        "BDPWI,000000.00,0,99999999999999999999",
        "BDBSI,02,03,2,4,3",
        "BDSNR,0,0,47",
    ],
)
def test_a_count_of_beams_is_held_against_the_sentence(text):
    with pytest.raises(DecodeError):
        BD3.decode(line(text))


def test_self_checks():
    zjxx = bytes.fromhex("245a4a58580015022ac401006402020402000402a8")
    seen, signal = events(BD1, zjxx)
    assert seen == SelfCheckSeen(is_suppressed=False, is_silent=False, battery_percent=100)
    assert signal.codes == ((1, 2), (2, 4), (3, 2), (4, 0), (5, 4), (6, 2))
    bad = bd1("ZJXX", 0b1000, 0b101, 200, 1, 0, 0, 0, 0, 0, 0)
    seen, no_card, _ = events(BD1, bad)
    assert seen == SelfCheckSeen(
        is_suppressed=True, is_silent=True, faults=("card_checksum", "antenna", "mainboard")
    )
    assert no_card == NoCard()
    assert text_events("BDZTI,0A,87,300") == (
        SelfCheckSeen(battery_percent=87, faults=("antenna",)),
    )
    seen, signal = text_events("BDZJX,01,00,100,02,1,2,3,4,0,0,0,0,0,")
    assert seen == SelfCheckSeen(is_suppressed=False, is_silent=False, battery_percent=100)
    assert signal.codes == tuple(enumerate((1, 2, 3, 4, 0, 0, 0, 0, 0), start=1))


def test_clock_and_version():
    frame = bd1("SJXX", 0x07, 0xDF, 4, 30, 11, 10, 14)
    assert events(BD1, frame) == (TimeSeen(text="2015-04-30 11:10:14"),)
    assert text_events("GNZDA,085241.00,21,06,2017,00,00") == (
        TimeSeen(text="2017-06-21 085241.00"),
    )
    assert text_events("BDZDA,085241.00,,,,,") == (TimeSeen(text="085241.00"),)
    assert text_events("BDZDA,,,,,,") == ()
    assert events(BD1, bd1("BBXX", *b"V1.2 ", *"终端".encode("gbk"), 0)) == (
        VersionSeen(text="V1.2 终端"),
    )
    assert text_events("BDSBX,maker,type,1.0,,2.1,77,8") == (
        VersionSeen(text="maker,type,1.0,,2.1,77,8"),
    )


def test_positions():
    frame = bd1(
        "DWXX", 0, 2, 0xAD, 0xF7, 8, 49, 36, 50, 113, 23, 40, 0, 23, 2, 14, 6, 0x40, 14, 1, 6
    )
    (seen,) = events(BD1, frame)
    assert seen.address == 175607
    assert seen.lat_deg == pytest.approx(23 + 2 / 60 + 14.6 / 3600, abs=1e-9)
    assert seen.lon_deg == pytest.approx(113 + 23 / 60 + 40 / 3600, abs=1e-9)
    assert seen.height_m == -14.0
    assert seen.terminal_time == "08:49:36.50"
    high = bd1("DWXX", 1, 0, 0, 1, 8, 49, 36, 50, 113, 23, 40, 0, 23, 2, 14, 6, 1, 2, 3, 0)
    assert events(BD1, high)[0].height_m is None
    dwr = b"$BDDWR,1,0242407,084936.50,2302.2434,N,11323.6667,E,14,M,-6,M,1,V,V,L*1F"
    (seen,) = events(BD2, dwr)
    assert seen == PositionSeen(
        address=242407,
        lat_deg=23.03739,
        lon_deg=113.394445,
        height_m=14.0,
        terminal_time="084936.50",
    )
    waa = b"$BDWAA,0,,0312194,072236.37,3802.69000,N,11426.16000,E,61,M*05"
    (seen,) = events(BD2, waa)
    assert (seen.address, seen.height_m) == (312194, 61.0)
    assert seen.lat_deg == pytest.approx(38.0448333, abs=1e-7)
    south = text_events("BDWAA,0,,1,,3802.69,S,11426.16,W,,")[0]
    assert (south.lat_deg < 0, south.lon_deg < 0, south.height_m) == (True, True, None)


@pytest.mark.parametrize("at", range(14, 26))
def test_a_position_of_family_4_that_cannot_be_is_refused(at):
    frame = bytearray(
        bd1("DWXX", 0, 0, 0, 1, 8, 49, 36, 50, 113, 23, 40, 0, 23, 2, 14, 6, 0, 14, 1, 6)
    )
    with pytest.raises(DecodeError):
        BD1.decode(bd1("DWXX", *frame[10:at], 200, *frame[at + 1 : -1]))


@pytest.mark.parametrize(
    "angles",
    [
        "9100.0,N,11323.6,E",
        "2360.0,N,11323.6,E",
        "2302.2,X,11323.6,E",
        "2302.2,N,18100.0,E",
        "2302.2,NS,11323.6,E",
        ",N,11323.6,E",
        "-302.2,N,11323.6,E",
        "nan,N,11323.6,E",
    ],
)
def test_a_position_in_a_sentence_that_cannot_be_is_refused(angles):
    with pytest.raises(DecodeError):
        BD2.decode(line(f"BDWAA,0,,1,,{angles},61,M"))


@pytest.mark.parametrize(
    "text",
    [
        "BDICI,,,,,,,,",
        "BDICI,0166166,0,0,6,,3,N,0",
        "BDICI,0166166,0,0,6,nan,3,N,0",
        "BDICP,4238473,0,0",
        "BDTXR,1,,2,,A4",
        "BDTXR,1,x,2,,A4",
        "BDTXR,1,1",
        "BDTCI,1,2,2,000000,,0,AB",
        "BDFKI,TXA",
        "BDFKI,TXA,maybe,Y,0,0000",
        "BDFKI,082920,TCQ,,0,0",
        "BDTCI,-1,2,2,000000,2,0,AB",
        "BDTCI,１２,2,2,000000,2,0,AB",
    ],
)
def test_a_sentence_without_what_it_is_for_is_refused(text):
    with pytest.raises(DecodeError):
        BD3.decode(line(text))


@pytest.mark.parametrize(
    ("codec", "echo"), [(BD1, BD1.read_card()), (BD2, BD2.read_card()), (BD3, BD3.read_card())]
)
def test_an_echo_of_a_request_is_no_answer(codec, echo):
    (event,) = events(codec, echo)
    assert isinstance(event, VendorFrame)


def test_frames_of_another_family_mean_nothing():
    assert BD2.events(BD1.decode(BD1.read_card())) == ()
    assert BD1.events(BD2.decode(BD2.read_card())) == ()
