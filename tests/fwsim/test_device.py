"""A device on a port that a test holds in its hand; time is a number."""

import math
from fractions import Fraction

import pytest

from fwsim.capture import CaptureSource
from fwsim.constellation import System
from fwsim.device import Device, ReceiverSource
from fwsim.dialect import DIALECTS
from fwsim.faults import Fault, FaultLine
from fwsim.ports import Counters
from fwsim.receiver import Behaviour, Receiver
from fwsim.scene import Circle, EpochGrid, Place
from fwsim.uart import Uart


class HandPort:
    """A port whose room and cable the test controls."""

    def __init__(self, room=math.inf):
        self.counters = Counters()
        self.data = b""
        self.writes = []
        self.room = room
        self.is_plugged = True
        self.cable = []

    address = "hand"

    def open(self):
        pass

    def tick(self, now_s):
        return b""

    def is_heard(self):
        return self.is_plugged

    def write(self, data):
        taken = len(data) if self.room >= len(data) else int(self.room)
        taken = taken if self.is_plugged else 0
        self.room -= taken
        self.data += data[:taken]
        self.writes.append(data[:taken])
        self.counters.bytes_written += taken
        return taken

    def unread_bytes(self):
        return 0

    def unplug(self):
        self.is_plugged = False
        self.cable.append("out")

    def replug(self):
        self.is_plugged = True
        self.cable.append("in")

    def close(self):
        pass


def receiver(rate_hz=2):
    return Receiver(
        name="r",
        track=Circle(place=Place(lat_deg=31.3, lon_deg=121.5)),
        grid=EpochGrid(rate_hz=Fraction(rate_hz), start_utc_ns=0),
        dialect=DIALECTS["4.11"],
        order="ublox",
        kinds=("GGA", "RMC"),
        systems=(System.BEIDOU,),
        behaviour=Behaviour(),
    )


def device(port, *faults, source=None, epochs=10, **settings):
    told: dict[str, list[dict[str, object]]] = {"written": [], "damaged": []}
    made = Device(
        name="r",
        source=source or ReceiverSource(receiver(), max_epochs=epochs),
        port=port,
        faults=FaultLine(faults, seed="0"),
        on_written=told["written"].append,
        on_damaged=told["damaged"].append,
        **settings,
    )
    return made, told


def run(made, until_s=60.0, step_s=0.01):
    """Step on a grid of time as a clock would."""
    now_s = 0.0
    while made.due_s() is not None and now_s < until_s:
        made.step(now_s)
        now_s += step_s
    return now_s


def test_epochs_leave_when_they_are_due_and_not_before():
    port = HandPort()
    made, told = device(port, source=ReceiverSource(receiver(), latency_s=0.1, max_epochs=3))
    assert made.due_s() == pytest.approx(0.1)
    made.step(0.09)
    assert port.data == b""
    made.step(0.1)
    assert port.data == receiver().render(0).data
    made.step(0.59)
    assert len(told["written"]) == 1
    made.step(5.0)
    assert made.due_s() is None
    assert port.data == b"".join(receiver().render(n).data for n in range(3))
    assert [record["n"] for record in told["written"]] == [0, 1, 2]
    assert told["written"][0] == {"name": "r"} | receiver().render(0).truth


def test_seconds_bound_the_number_of_epochs():
    made, told = device(HandPort(), source=ReceiverSource(receiver(), max_s=2.0))
    run(made)
    assert len(told["written"]) == 4


def test_bytes_that_do_not_fit_are_an_overrun_and_the_epoch_is_not_whole():
    size = len(receiver().render(0).data)
    port = HandPort(room=size + 10)
    made, told = device(port, epochs=3)
    run(made)
    assert [record["n"] for record in told["written"]] == [0]
    assert [record["n"] for record in told["damaged"]] == [1, 2]
    assert port.counters.bytes_overrun == sum(len(receiver().render(n).data) for n in range(3)) - (
        size + 10
    )
    assert port.counters.bytes_unheard == 0
    assert made.counts()["epochs_damaged"] == 2


def test_a_lossless_device_waits_for_its_reader():
    port = HandPort(room=100)
    made, told = device(port, epochs=3, is_lossless=True)
    made.step(math.inf)
    assert made.is_blocked
    assert len(port.data) == 100
    assert told["written"] == []
    port.room = math.inf
    made.step(math.inf)
    assert not made.is_blocked
    assert port.data == b"".join(receiver().render(n).data for n in range(3))
    assert len(told["written"]) == 3
    assert port.counters.bytes_overrun == 0


def test_unplug_happens_at_its_hour_even_between_epochs():
    port = HandPort()
    made, told = device(port, Fault(kind="unplug", from_s=1.2, to_s=2.7), epochs=8)
    made.step(1.19)
    assert port.cable == []
    assert made.due_s() == pytest.approx(1.2)
    made.step(1.2)
    assert port.cable == ["out"]
    made.step(2.69)
    made.step(2.7)
    assert port.cable == ["out", "in"]
    run(made)
    # Epochs come every half second: 1.5, 2.0 and 2.5 fell into the gap.
    assert [record["n"] for record in told["damaged"]] == [3, 4, 5]
    assert [record["n"] for record in told["written"]] == [0, 1, 2, 6, 7]
    assert port.counters.bytes_unheard > 0
    assert made.faults.applied == {"unplug": 1}


def test_unplug_takes_the_same_epochs_as_fast_as_possible():
    made, told = device(HandPort(), Fault(kind="unplug", from_s=1.2, to_s=2.7), is_lossless=True)
    while made.due_s() is not None:
        made.step(math.inf)
    assert [record["n"] for record in told["damaged"]] == [3, 4, 5]


def test_a_replay_goes_on_after_an_unplug():
    data = bytes(range(100))
    made, _ = device(
        HandPort(),
        Fault(kind="unplug", from_s=0.25, to_s=0.55),
        source=CaptureSource(data, byte_rate=100.0),
        is_lossless=True,
    )
    run(made)
    assert made.port.data == data[:25] + data[55:]


def test_damaged_epochs_are_told_apart_from_whole_ones():
    port = HandPort()
    made, told = device(port, Fault(kind="silence", from_s=1.0, to_s=2.0))
    run(made)
    assert [record["n"] for record in told["damaged"]] == [2, 3]
    assert len(told["written"]) == 8
    clean = b"".join(receiver().render(n).data for n in range(10) if n not in (2, 3))
    assert port.data == clean


def test_baud_lets_the_bytes_trickle():
    port = HandPort()
    made, told = device(port, epochs=2, uart=Uart(9600))
    size = len(receiver().render(0).data)
    made.step(0.0)
    assert port.data == b""
    made.step(size * 10 / 9600 / 2)
    assert 0 < len(port.data) < size
    assert told["written"] == []
    made.step(size * 10 / 9600 + 1e-6)
    assert len(port.data) == size
    assert len(told["written"]) == 1
    assert len(port.writes) > 10


def test_same_seed_same_bytes_through_all_faults():
    def play():
        port = HandPort()
        made, _ = device(
            port,
            Fault(kind="drop", p=0.01),
            Fault(kind="flip", p=0.001),
            Fault(kind="cut", p=0.1),
            Fault(kind="duplicate", p=0.1),
            Fault(kind="delay", jitter_s=0.5),
            uart=Uart(115_200),
            epochs=20,
        )
        run(made)
        return port.writes, made.counts(), made.faults.applied

    assert play() == play()
    assert len(play()[0]) > 20
