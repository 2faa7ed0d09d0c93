"""What a caller does with messages: encode its own, and be refused with a reason."""

import datetime as dt
import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.errors import DecodeError, EncodeError
from bdgw.rtcm import decode, encode
from bdgw.rtcm.antenna import StationEquipment
from bdgw.rtcm.bits import BitReader, BitWriter
from bdgw.rtcm.ephemeris import GlonassEphemeris, toe_gpst_ns
from bdgw.rtcm.field import sign_magnitude, signed, unsigned
from bdgw.rtcm.frame import frame_rtcm3, seal_rtcm3
from bdgw.rtcm.head import RawEpoch, TimeScale
from bdgw.rtcm.message import Unsupported
from bdgw.rtcm.notice import GlonassBias, StationText, SystemParameters
from bdgw.rtcm.observation import Observations
from bdgw.rtcm.signal import SIGNALS, glonass_frequency_hz, satellite_name, signal_of
from bdgw.rtcm.station import StationPosition
from bdgw.timescale import gpst_from_utc
from tests.conftest import shared_data
from tests.rtcm import expected
from tests.rtcm.corpus import frames_of
from tests.rtcm.sealing import frame_of, sealed

C_M_S = 299_792_458.0


def observations(**changes) -> Observations:
    """Two BeiDou satellites on B1I, the second also on B3I, as a caller would make them."""
    values: dict[str, Any] = {
        "number": 1127,
        "station": 7,
        "system": "C",
        "epoch": RawEpoch(TimeScale.BDT, 318_931_000),
        "satellites": ("C12", "C19"),
        "signals": (signal_of("C", 2), signal_of("C", 8)),
        "satellite_index": np.array([0, 1, 1]),
        "signal_index": np.array([0, 0, 1]),
        "pseudorange_m": np.array([26_571_254.3977, 22_496_335.8324, math.nan]),
        "phase_range_m": np.array([26_571_250.0, 22_496_330.0, 22_496_331.5]),
        "phase_rate_m_s": np.array([-494.6245, 54.226, math.nan]),
        "lock_s": np.array([1.0, 0.5, math.nan]),
        "cn0_dbhz": np.array([34.8125, 53.25, math.nan]),
        "frequency_hz": np.array([1561.098e6, 1561.098e6, 1268.52e6]),
        "is_half_cycle": np.array([False, True, False]),
    }
    return Observations(**(values | changes))


def close(first, second, tolerance: float) -> bool:
    return bool(np.allclose(first, second, rtol=0, atol=tolerance, equal_nan=True))


@pytest.mark.parametrize(
    ("number", "range_m", "phase_m"),
    [(1124, 0.009, 0.0003), (1125, 0.009, 0.0003), (1126, 0.0003, 0.0001), (1127, 0.0003, 0.0001)],
)
def test_observations_of_a_caller_come_back_within_half_a_step(number, range_m, phase_m):
    """Half of 2^-24 and 2^-29 ms of light, and of 2^-29 and 2^-31 ms."""
    before = observations(number=number)
    after = decode(encode(before))
    assert isinstance(after, Observations)
    assert after.satellites == before.satellites
    assert after.signals == before.signals
    assert close(after.pseudorange_m, before.pseudorange_m, range_m)
    assert close(after.phase_range_m, before.phase_range_m, phase_m)
    if number in (1125, 1127):
        assert close(after.phase_rate_m_s, before.phase_rate_m_s, 0.00005)
        assert close(after.doppler_hz, -before.phase_rate_m_s * before.frequency_hz / C_M_S, 0.0003)
    else:
        assert np.isnan(after.phase_rate_m_s).all()
    assert after.lock_s[2] == 0.0
    assert (after.lock_s <= np.array([1.0, 0.5, 0.0])).all()
    assert close(after.cn0_dbhz, before.cn0_dbhz, 0.5)
    assert after.is_half_cycle is not None
    assert after.is_half_cycle.tolist() == [False, True, False]


def test_the_sign_of_doppler_is_that_of_approach():
    """A satellite that comes nearer has a negative rate of range and a higher frequency."""
    message = observations(phase_rate_m_s=np.array([-100.0, 100.0, 0.0]))
    assert message.doppler_hz[0] == pytest.approx(100 * 1561.098e6 / C_M_S)
    assert message.doppler_hz[1] < 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"satellites": ("C19", "C12")}, "not in the order"),
        ({"satellites": ("G12", "C19")}, "no satellite of system C"),
        ({"satellites": ("C12", "C99")}, "no place"),
        ({"satellite_index": np.array([1, 0, 1])}, "not in the order"),
        ({"system": "G"}, "does not carry system G"),
        ({"epoch": RawEpoch(TimeScale.GPST, 0)}, "bdt, not in gpst"),
        ({"epoch": RawEpoch(TimeScale.BDT, 1 << 30)}, "does not fit"),
        ({"pseudorange_m": np.array([2e7, 22_496_335.8, math.nan])}, "does not fit"),
        ({"pseudorange_m": np.array([math.inf, 2.2e7, 1.0])}, "not finite"),
        ({"phase_range_m": np.full(3, 1e9)}, "does not fit"),
        ({"cn0_dbhz": np.array([70.0, 1.0, 1.0])}, "does not fit"),
        ({"station": 4096}, "does not fit"),
        ({"number": 1042}, "is no Observations"),
        ({"number": 1001}, "does not carry system C"),
        ({"number": 1128}, "is no Observations"),
    ],
)
def test_observations_that_do_not_fit_are_refused_with_the_reason(changes, words):
    with pytest.raises(EncodeError, match=words):
        encode(observations(**changes))


def test_an_msm_of_too_many_places_is_refused_both_ways():
    satellites = tuple(f"C{i:02d}" for i in range(1, 34))
    with pytest.raises(EncodeError, match="33 satellites times 2 signals"):
        encode(observations(satellites=satellites))
    masks = ((64, (1 << 33) - 1), (32, 3), (66, 0))
    frame = frame_of((12, 1124), (61, 0), *masks, (2000, 0))
    with pytest.raises(DecodeError, match="33 satellites times 2 signals"):
        decode(frame)


def test_a_message_without_cells_is_a_message():
    frame = frame_of((12, 1127), (12, 3), (30, 5000), (115, 0), padding=2)
    message = decode(frame)
    assert isinstance(message, Observations)
    assert (message.n_cells, message.satellites, message.signals) == (0, (), ())
    assert message.n_unknown_signals == message.n_unknown_frequencies == 0
    assert len(message.phase_cycles) == len(message.doppler_hz) == 0
    assert encode(message)[3:-3] == frame[3:-5]


def test_unknown_signals_keep_their_cells_and_are_counted():
    unknown = signal_of("C", 5)
    assert unknown.code is None
    before = observations(
        signals=(signal_of("C", 2), unknown),
        frequency_hz=np.array([1561.098e6, 1561.098e6, math.nan]),
    )
    after = decode(encode(before))
    assert isinstance(after, Observations)
    assert (after.n_cells, after.n_unknown_signals, after.n_unknown_frequencies) == (3, 1, 1)
    assert np.isnan(after.phase_cycles).tolist() == [False, False, True]
    assert after.phase_range_m[2] == pytest.approx(22_496_331.5, abs=1e-3)
    assert encode(after) == encode(before)


def test_glonass_carriers_come_from_the_channel_of_the_satellite():
    """Channel -4 on G1 and G2, by the interface control document's own formula."""
    common: dict[str, Any] = {
        "system": "R",
        "epoch": RawEpoch(TimeScale.GLONASS, 43_200_000, 3),
        "satellites": ("R08", "R21"),
        "signals": (signal_of("R", 2), signal_of("R", 8)),
        "frequency_hz": np.full(3, math.nan),
    }
    with_channel = observations(number=1087, extended_info=np.array([13, 3]), **common)
    message = decode(encode(with_channel))
    assert isinstance(message, Observations)
    assert message.frequency_hz.tolist() == [1605.375e6, 1599.75e6, 1244.25e6]
    assert message.frequency_channels == {"R08": 6, "R21": -4}
    assert message.with_channels({"R21": 0}).frequency_hz.tolist() == message.frequency_hz.tolist()

    without = decode(encode(observations(number=1084, **common)))
    assert isinstance(without, Observations)
    assert without.n_unknown_frequencies == 3
    assert without.n_unknown_signals == 0
    assert np.isnan(without.phase_cycles).all()
    assert without.frequency_channels == {}
    filled = without.with_channels({"R21": -4})
    assert filled.n_unknown_frequencies == 1
    assert filled.phase_cycles[1] == pytest.approx(22_496_330.0 * 1599.75e6 / C_M_S, abs=1.0)

    silent = decode(encode(observations(number=1087, **common)))
    assert isinstance(silent, Observations)
    assert silent.extended_info is not None
    assert silent.extended_info.tolist() == [15, 15]
    assert silent.n_unknown_frequencies == 3


def test_other_systems_have_no_channels():
    message = observations()
    assert message.with_channels({"C12": 1}) is message
    assert message.frequency_channels == {}


def test_every_signal_of_the_table_has_the_carrier_of_rinex():
    for system, signals in SIGNALS.items():
        for signal_id, signal in signals.items():
            assert 1 <= signal_id <= 32
            assert signal.id == signal_id
            if system == "R":
                assert signal.frequency_hz is None
                assert glonass_frequency_hz(signal.code, 2) == expected.frequency_hz(
                    "R", signal.code, 2
                )
            else:
                assert signal.frequency_hz == expected.frequency_hz(system, signal.code, None)
    assert len(SIGNALS["C"]) == 18
    assert {SIGNALS["C"][i].code for i in (26, 27)} == {"7P", "7X"}
    assert glonass_frequency_hz("1C", 14) is None
    assert glonass_frequency_hz(None, 0) is None


@pytest.mark.parametrize(
    ("system", "satellite_id", "name"),
    [("S", 1, "S20"), ("S", 39, "S58"), ("J", 1, "J01"), ("C", 63, "C63"), ("I", 9, "I09")],
)
def test_names_of_satellites(system, satellite_id, name):
    assert satellite_name(system, satellite_id) == name


def test_station_positions_keep_a_tenth_of_a_millimetre():
    position = StationPosition(
        number=1006,
        station=2,
        ecef_m=(-2_267_000.1234, 5_009_000.0001, -3_220_000.9999),
        antenna_height_m=1.5432,
        is_non_physical=True,
    )
    assert decode(encode(position)) == position
    with pytest.raises(EncodeError, match="1006 has"):
        encode(msgspec.structs.replace(position, number=1005))
    with pytest.raises(EncodeError, match="does not fit 38 bits"):
        encode(msgspec.structs.replace(position, ecef_m=(2e7, 0.0, 0.0)))
    with pytest.raises(EncodeError, match="not finite"):
        encode(msgspec.structs.replace(position, ecef_m=(math.nan, 0.0, 0.0)))
    with pytest.raises(EncodeError, match="cannot be absent"):
        encode(msgspec.structs.replace(position, antenna_height_m=None))


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (StationEquipment(number=1007, station=0, receiver="X"), "no place for receiver"),
        (StationEquipment(number=1008, station=0, antenna="天"), "outside ISO 8859-1"),
        (StationEquipment(number=1008, station=0, antenna="A" * 256), "does not fit"),
        (StationText(number=1029, station=0, mjd=0, sod_s=0, text="a" * 128), "does not fit"),
        (StationText(number=1029, station=0, mjd=0, sod_s=0, text="天" * 86), "does not fit"),
        (GlonassBias(number=1230, station=0, is_aligned=True, bias_m={"5Q": 1.0}), "5Q"),
        (SystemParameters(number=1230, station=0, mjd=0, sod_s=0), "is no SystemParameters"),
        (Unsupported(4095, bytes(1024)), "more than a frame carries"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(message, words):
    with pytest.raises(EncodeError, match=words):
        encode(message)


def test_a_length_beyond_the_payload_is_refused_where_it_stands():
    """The slip that let a crafted 1033 write behind its fields elsewhere."""
    fields = ((12, 1033), (12, 1), (8, 200), (8, 65))
    with pytest.raises(DecodeError, match=r"1033: antenna need 1600 bits, 8 are left") as caught:
        decode(frame_of(*fields))
    assert caught.value.bit == 32
    with pytest.raises(DecodeError, match="31 satellites need"):
        decode(frame_of((12, 1004), (43, 0), (5, 31), (40, 0)))
    with pytest.raises(DecodeError, match="announcements need"):
        decode(frame_of((12, 1013), (12, 0), (33, 0), (5, 31), (8, 18)))


def test_a_text_that_is_not_utf_8_is_refused_where_it_breaks():
    fields = ((12, 1029), (12, 1), (16, 0), (17, 0), (7, 2), (8, 2), (8, 0x41), (8, 0xFF))
    with pytest.raises(DecodeError, match="not UTF-8") as caught:
        decode(frame_of(*fields))
    assert caught.value.bit == 80


@pytest.mark.capture
def test_a_recorded_glonass_ephemeris_is_of_its_day():
    path = shared_data("gnss", "rtcm3", "pyrtcm", "pygpsdata-NTRIP-USCL00CHL0.log")
    ephemeris = next(m for f in frames_of(path) if isinstance(m := decode(f), GlonassEphemeris))
    near = gpst_from_utc(dt.date(2024, 3, 13), 59_727 * 1_000_000_000)
    toe = toe_gpst_ns(ephemeris, near)
    assert toe is not None
    assert abs(toe - near) < 3600 * 1_000_000_000


@given(st.binary(max_size=1023))
def test_a_sealed_payload_is_a_frame(payload):
    assert seal_rtcm3(payload) == sealed(payload)
    assert frame_rtcm3(seal_rtcm3(payload), 0, True) == len(payload) + 6


def test_fields_keep_signs_offsets_and_absence():
    field = sign_magnitude("x", 5, times=0.5)
    assert [field.value(bits) for bits in (0, 1, 15, 16, 31)] == [0.0, 0.5, 7.5, 0.0, -7.5]
    negative_zero = field.value(16)
    assert isinstance(negative_zero, float)
    assert math.copysign(1.0, negative_zero) == -1.0
    assert [field.wire(v, "x") for v in (0.0, -0.0, -7.5)] == [0, 16, 31]
    with pytest.raises(EncodeError):
        field.wire(-8.0, "x")
    channel = unsigned("x", 5, offset=-7, absent=31)
    assert [channel.value(bits) for bits in (0, 13, 31)] == [-7, 6, None]
    assert [channel.wire(v, "x") for v in (-7, 6, None)] == [0, 13, 31]
    with pytest.raises(EncodeError):
        channel.wire(24, "x")  # would be read as absent
    tenth = signed("x", 10, per=10)
    assert tenth.value(tenth.wire(-51.2, "x")) == -51.2
    with pytest.raises(EncodeError):
        tenth.wire(51.2, "x")


@given(st.lists(st.tuples(st.integers(1, 64), st.integers(0, (1 << 64) - 1)), max_size=30))
def test_bits_come_back(pairs):
    writer = BitWriter()
    for width, value in pairs:
        writer.put(width, value & ((1 << width) - 1), "x")
    reader = BitReader(writer.payload())
    for width, value in pairs:
        assert reader.take(width, "x") == value & ((1 << width) - 1)
    assert reader.left < 8
    with pytest.raises(DecodeError, match="ends within more"):
        reader.take(reader.left + 1, "more")
