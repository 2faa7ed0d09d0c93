"""What one device gets: the hand-over, refused writes, a base that is looked at with patience."""

from bdgw.corrections.choice import Facts, FailoverRules, StreamKey
from bdgw.corrections.datum import Datum
from bdgw.corrections.nearest import Nearest, NearestRules
from bdgw.corrections.outlet import NearestSlot, Outlet, Slot
from bdgw.corrections.source import Delivery
from bdgw.geodesy import ecef_from_geodetic
from tests.corrections.material import GPST_NS

A, B = StreamKey("a"), StreamKey("b")
DATUM = Datum.of("CGCS2000", None, owner="a")
LIVE = Facts(datum=DATUM, is_live=True, live_for_s=100.0, systems=frozenset("GC"))
HERE = ecef_from_geodetic(31.0, 121.0, 0.0)
THERE = ecef_from_geodetic(31.3, 121.0, 0.0)


def delivery(data):
    return Delivery(data=data, n_frames=1, stations=(5,), epoch_gpst_ns=GPST_NS)


def taking(written):
    def write(data, _now, done):
        written.append(data)
        done(True)
        return True

    return write


def outlet(write, *slots):
    return Outlet(
        "rover",
        correction="a",
        slots=slots or (Slot(A),),
        rules=FailoverRules(),
        write=write,
        began_s=0.0,
        is_device=True,
    )


def test_nothing_is_written_before_a_choice():
    written: list[bytes] = []
    rover = outlet(taking(written))
    rover.forward(delivery(b"x"), DATUM, 0.0, handover=lambda: b"base")
    assert written == []


def test_the_base_goes_first_with_every_new_stream_and_once():
    written: list[bytes] = []
    rover = outlet(taking(written))
    rover.rank(0.0)
    rover.choose({A: LIVE}, 0.0)
    for data in (b"1", b"2"):
        rover.forward(delivery(data), DATUM, 0.0, handover=lambda: b"base")
    assert written == [b"base1", b"2"]


def test_a_refused_first_write_does_not_swallow_the_base():
    answers = iter([False, True, True])
    written: list[bytes] = []

    def write(data, _now, done):
        written.append(data)
        is_taken = next(answers)
        if is_taken:
            done(True)
        return is_taken

    rover = outlet(write)
    rover.rank(0.0)
    rover.choose({A: LIVE}, 0.0)
    for data in (b"1", b"2", b"3"):
        rover.forward(delivery(data), DATUM, 0.0, handover=lambda: b"base")
    assert written == [b"base1", b"base2", b"3"]
    assert rover.dropped == {"refused": 1}
    assert rover.n_writes == 2
    assert rover.bytes_out == len(b"base23")


def test_a_link_that_breaks_while_it_is_written_to_is_a_refusal():
    def write(_data, _now, _done):
        raise BrokenPipeError

    rover = outlet(write)
    rover.rank(0.0)
    rover.choose({A: LIVE}, 0.0)
    rover.forward(delivery(b"1"), DATUM, 0.0, handover=lambda: b"")
    assert rover.dropped == {"refused": 1}
    assert rover.last_forwarded_s is None
    assert rover.chooser.datum is None  # nothing has been had yet


def test_counts_say_what_was_really_written_and_a_base_that_perished_goes_again():
    written: list[bytes] = []
    waiting = []

    def write(data, _now, done):
        written.append(data)
        waiting.append(done)
        return True

    rover = outlet(write)
    rover.rank(0.0)
    rover.choose({A: LIVE}, 0.0)
    rover.forward(delivery(b"1"), DATUM, 0.0, handover=lambda: b"base")
    assert (rover.n_writes, rover.n_frames, rover.bytes_out) == (0, 0, 0)
    assert rover.chooser.datum == DATUM  # what waits may go out: no other frame from now on
    waiting.pop()(False)
    assert rover.dropped == {"perished": 1}
    assert rover.last_forwarded_s is None
    rover.forward(delivery(b"2"), DATUM, 1.0, handover=lambda: b"base")
    waiting.pop()(True)
    rover.forward(delivery(b"3"), DATUM, 2.0, handover=lambda: b"base")
    assert written == [b"base1", b"base2", b"3"]
    assert (rover.n_writes, rover.n_frames, rover.bytes_out) == (1, 1, len(b"base2"))
    assert rover.last_forwarded_s == 1.0


def nearest_slot(places, *, may_leave=True):
    looked = []

    def read():
        looked.append(1)
        return places

    slot = NearestSlot(Nearest(NearestRules()), places=read, may_leave=lambda key: may_leave)
    return slot, looked


def test_thousands_of_bases_are_not_looked_at_with_every_tick():
    slot, looked = nearest_slot({A: HERE})
    for i in range(400):
        assert slot.resolve(HERE, i * 0.25) == A
    assert 20 <= len(looked) <= 21


def test_a_dead_base_is_left_after_its_time_and_another_one_is_found_at_once():
    slot, _ = nearest_slot({A: HERE, B: THERE})
    assert slot.resolve(HERE, 100.0) == A
    dead = Facts(datum=DATUM, is_live=False, quiet_for_s=1e6)
    slot.look({A: dead}, 129.0)
    assert slot.resolve(HERE, 129.0) == A
    slot.look({A: dead}, 130.0)
    assert slot.resolve(HERE, 130.1) == B


def test_a_base_that_is_refused_for_the_account_is_not_left():
    slot, _ = nearest_slot({A: HERE, B: THERE}, may_leave=False)
    assert slot.resolve(HERE, 100.0) == A
    slot.look({A: Facts(datum=DATUM, is_live=False, quiet_for_s=1e6)}, 500.0)
    assert slot.resolve(HERE, 500.1) == A
