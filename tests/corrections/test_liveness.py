"""A stream of which no epoch can be read is live by what arrives, and says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.corrections import source as source_module
from bdgw.corrections.base_guard import BaseGuard, BaseJump
from bdgw.corrections.datum import Datum
from bdgw.corrections.liveness import Liveness, Sign
from bdgw.corrections.source import SourceState, SourceStream, StreamLimits
from bdgw.wire.checksum import crc24q
from tests.corrections.material import cut, number_of, opinions_at, str17
from tests.corrections.rig import Rig, epoch_bytes, local

BY_ARRIVAL = "age judged by arrival: no readable epoch"


def frame_of(number, n_bytes=40):
    """A whole frame of a message that nobody knows."""
    payload = number.to_bytes(2, "big") + bytes(n_bytes)
    payload = (number << 4).to_bytes(2, "big") + payload[2:]
    body = bytes([0xD3, len(payload) >> 8, len(payload) & 255]) + payload
    return body + crc24q(body).to_bytes(3, "big")


UNKNOWN = frame_of(4090)
SHORT_MSM = frame_of(1077, 1)
"""Too short for its epoch."""


def new():
    return SourceStream(
        datum=Datum.of("WGS84", None, owner="s"),
        limits=StreamLimits(),
        guard=BaseGuard(jump=BaseJump.STOP),
        began_s=0.0,
    )


def clock(now):
    return opinions_at(str17()[0][0] + round(now * 1_000_000_000), now)


def give(source, data, first, last):
    for i in range(first, last):
        now = i + 0.2
        source.receive(data(i) if callable(data) else data, now, clock(now))
        source.tick(now, clock(now))
    return source.state


@pytest.mark.parametrize("frame", [UNKNOWN, SHORT_MSM, frame_of(1060)])
def test_a_rover_gets_a_stream_without_any_epoch(frame):
    rig = Rig([local("base")], [("a", "base")])
    for i in range(60):
        rig.tick(i + 0.1)
        rig.give("base", frame, i + 0.2)
    rig.tick(60.3)
    got = b"".join(rig.written["a"])
    assert cut(got) == [frame] * len(cut(got))
    assert len(cut(got)) >= 52
    assert rig.alarms == []
    source = rig.source("base")
    assert source.state is SourceState.LIVE
    assert source.reason == BY_ARRIVAL
    assert BY_ARRIVAL in source.remarks
    assert source.age_basis == "arrival"
    assert source.epoch_age_s == pytest.approx(1.1)
    assert rig.outlet("a").frame == "CGCS2000"


def test_a_reader_of_heads_that_always_fails_stops_nothing(monkeypatch):
    def fail(_frame):
        raise RuntimeError("a mistake")

    monkeypatch.setattr(source_module, "read_head", fail)
    rig = Rig([local("base")], [("a", "base")])
    for i in range(30):
        rig.tick(i + 0.1)
        rig.give("base", epoch_bytes(i), i + 0.2)
    rig.tick(30.3)
    assert rig.written["a"][-1] == epoch_bytes(29)
    assert rig.source("base").reason == BY_ARRIVAL
    assert rig.source("base").last_failure == "RuntimeError: a mistake"


def test_what_describes_a_base_is_no_sign_of_observations():
    source = new()
    other = [f for _, group in str17() for f in group if number_of(f) in (1006, 1033, 1230, 1019)]
    assert give(source, other[0], 0, 60) is SourceState.WAITING
    assert source.reason(60.0) == "frames come, but no observations among them"
    assert {number_of(f) for f in other} >= {1006, 1033, 1230}


def test_an_epoch_is_waited_for_before_arrival_counts():
    source = new()
    assert give(source, UNKNOWN, 0, 5) is SourceState.WAITING
    assert source.reason(4.3) == "frames come, and no epoch could be read in them yet"
    assert give(source, UNKNOWN, 5, 6) is SourceState.LIVE


def test_a_stream_that_is_late_is_not_saved_by_unknown_messages_in_it():
    source = new()
    for i in range(60):
        now = i + 30.0
        source.receive(UNKNOWN + epoch_bytes(i), now, clock(now))
        source.tick(now, clock(now))
    assert source.state is SourceState.STALE
    assert source.dropped["stale"] > 0


def test_the_first_epoch_ends_the_judgement_by_arrival_even_if_it_is_stale():
    source = new()
    assert give(source, UNKNOWN, 0, 20) is SourceState.LIVE
    source.receive(b"".join(str17()[0][1]), 40.0, clock(40.0))
    source.tick(40.0, clock(40.0))
    assert source.state is SourceState.STALE
    assert BY_ARRIVAL not in source.remarks(40.0)


def test_unknown_messages_beside_observations_do_not_hide_that_these_have_ended():
    source = new()
    assert give(source, lambda i: UNKNOWN + b"".join(str17()[i][1]), 0, 20) is SourceState.LIVE
    assert give(source, UNKNOWN, 20, 70) is SourceState.LOST
    assert [news.kind for news in source.news()] == ["correction_lost"]


def test_a_new_connection_may_bring_another_format():
    source = new()
    give(source, lambda i: b"".join(str17()[i][1]), 0, 20)
    source.restart(20.0, clock(20.0))
    assert give(source, UNKNOWN, 21, 60) is SourceState.LIVE
    assert source.reason(60.0) == BY_ARRIVAL


def test_a_stream_by_arrival_is_lost_when_nothing_arrives():
    source = new()
    give(source, UNKNOWN, 0, 20)
    assert give(source, b"", 20, 60) is SourceState.LOST
    assert source.reason(60.0) == "no frame for 41 s"


@given(
    st.lists(
        st.tuples(st.sampled_from(list(Sign)), st.booleans(), st.floats(0.0, 20.0)), max_size=40
    )
)
def test_only_what_is_fresh_makes_live(reads):
    """Whatever comes: nothing fresh, nothing live; and arrival never counts beside an epoch."""
    liveness, now, fresh_s, epoch_s = Liveness(), 0.0, None, None
    for sign, is_fresh, pause_s in reads:
        now += pause_s
        liveness.seen(sign, is_fresh=is_fresh, now=now, break_s=10.0)
        fresh_s = now if is_fresh and sign is not Sign.NONE else fresh_s
        epoch_s = now if sign is Sign.EPOCH else epoch_s
        assert liveness.fresh_s is None or (fresh_s is not None and liveness.fresh_s <= fresh_s)
        if epoch_s is not None and now - epoch_s < 5.0:
            assert not liveness.is_by_arrival
        assert (liveness.live_since_s or 0.0) <= now
