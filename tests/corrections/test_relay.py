"""The room as a whole: many rovers, failover, frames, accounts, nearest, provenance."""

import asyncio

import pytest

from bdgw.corrections import SessionPolicy
from bdgw.corrections.base_guard import BaseJump
from bdgw.geodesy import ecef_from_geodetic, geodetic_from_ecef
from bdgw.model import FixKind, Provenance
from bdgw.ntrip.account import Account
from bdgw.ntrip.state import ClientState, ClientStatus
from bdgw.ntrip.table_record import Sourcetable, StreamRecord
from tests.corrections.material import cut, number_of, str17
from tests.corrections.rig import (
    CASTER,
    STROMLO,
    STROMLO_DEG,
    Rig,
    epoch_bytes,
    local,
    ntrip,
    position_frame,
    rover_fix,
)

NEXT_DOOR = ecef_from_geodetic(-35.4, 149.0, 700.0)
"""10 km from the base of the capture."""


def play(rig, name, first, last, **change):
    for i in range(first, last):
        rig.tick(i + 0.1)
        rig.give(name, epoch_bytes(i, **change), i + 0.2)


# --- many rovers ----------------------------------------------------------------------------------


def test_a_hundred_rovers_get_the_same_bytes_and_a_blocked_one_hurts_nobody():
    devices = [f"rover-{i}" for i in range(100)]
    rig = Rig([local("base")], [(device, "base") for device in devices])
    rig.blocked.add("rover-42")
    play(rig, "base", 0, 30)
    sent = [epoch_bytes(i) for i in range(30)]
    for device in devices:
        if device == "rover-42":
            assert device not in rig.written
            continue
        # The first read comes before the first choice; what describes the base goes ahead.
        got = rig.written[device]
        assert len(got) == 29
        assert got[0].endswith(sent[1])
        assert got[1:] == sent[2:]
    blocked, other = rig.outlet("rover-42"), rig.outlet("rover-7")
    assert blocked.dropped == {"refused": 29}
    assert blocked.n_writes == 0
    assert other.dropped == {}
    assert other.n_writes == 29
    assert other.n_frames == sum(len(cut(data)) for data in sent[1:])
    assert rig.alarms == []


def test_what_a_blocked_rover_missed_is_never_sent_to_it_later():
    rig = Rig([local("base")], [("a", "base")])
    play(rig, "base", 0, 10)
    rig.blocked.add("a")
    play(rig, "base", 10, 20)
    rig.blocked.clear()
    before = len(rig.written["a"])
    play(rig, "base", 20, 25)
    assert rig.written["a"][before:] == [epoch_bytes(i) for i in range(20, 25)]


def test_one_read_is_one_write_whatever_it_holds():
    rig = Rig([local("base", max_age_s=60.0)], [("a", "base")])
    play(rig, "base", 0, 3)
    before = len(rig.written["a"])
    rig.give("base", b"".join(epoch_bytes(i) for i in range(3, 8)), 8.0)
    assert len(rig.written["a"]) == before + 1


def test_a_relay_gets_what_rovers_get():
    rig = Rig([local("base")], [("a", "base")])
    heard: list[tuple[bytes, float]] = []
    rig.corrections.listen("base", lambda data, now: heard.append((data, now)))
    play(rig, "base", 0, 10)
    assert [data for data, _ in heard] == rig.written["a"]
    assert heard[-1][1] == 9.2
    with pytest.raises(ValueError, match="no correction 'other'"):
        rig.corrections.listen("other", lambda data, now: None)


def test_frames_that_a_false_preamble_held_back_go_out_when_its_time_is_over():
    rig = Rig([local("base")], [("a", "base")])
    play(rig, "base", 0, 5)
    before = len(rig.written["a"])
    rig.give("base", b"\xd3\x03\xff" + str17()[5][1][0][:50], 5.2)
    assert rig.corrections._pause_s(5.2) <= 0.25
    rig.tick(5.3)
    rig.give("base", str17()[5][1][1], 5.4)
    rig.tick(6.1)
    assert len(rig.written["a"]) == before
    rig.tick(6.2)
    assert rig.written["a"][before:] == [str17()[5][1][1]]


# --- clocks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
@pytest.mark.parametrize("has_fixes", [False, True])
def test_a_step_of_the_hosts_clock_stops_no_correction(step_s, has_fixes):
    rig = Rig([local("base")], [("a", "base")])
    for i in range(200):
        if i == 50:
            rig.host_error_s = step_s
        if i == 120:
            rig.host_error_s = 0.0
        rig.tick(i + 0.1)
        if has_fixes:
            rig.corrections.fix_seen("a", rover_fix(i), i + 0.15)
        rig.give("base", epoch_bytes(i), i + 0.2)
    assert rig.source("base").dropped == {}
    assert len(rig.written["a"]) == 199
    assert rig.alarms == []


def test_without_a_clock_a_fix_brings_the_time():
    rig = Rig([local("base")], [("a", "base")])
    rig.has_host_time = False
    for i in range(20):
        rig.tick(i + 0.1)
        rig.corrections.fix_seen("a", rover_fix(i), i + 0.15)
        rig.give("base", epoch_bytes(i), i + 0.2)
    assert rig.source("base").age_basis == "receiver"
    late = b"".join(epoch_bytes(i) for i in range(20, 30))
    before = len(rig.written["a"])
    rig.corrections.fix_seen("a", rover_fix(60.0), 60.1)
    rig.give("base", late, 60.2)
    assert all(number_of(f) not in (1077, 1127) for f in cut(b"".join(rig.written["a"][before:])))


# --- failover -------------------------------------------------------------------------------------


def two(**standby):
    return Rig(
        [local("a", standby=("b",)), local("b", **standby)],
        [("rover", "a")],
    )


def both(rig, first, last, *, a=True, b=True):
    for i in range(first, last):
        rig.tick(i + 0.1)
        if a:
            rig.give("a", epoch_bytes(i), i + 0.2)
        if b:
            data = epoch_bytes(i, station=7, ecef_m=NEXT_DOOR)
            if i % 10 == 0:
                data = position_frame(station=7, ecef_m=NEXT_DOOR) + data
            rig.give("b", data, i + 0.3)


def stations(written):
    return {
        frame[5] | (frame[4] & 15) << 8
        for f in written
        for frame in cut(f)
        if number_of(frame) == 1127
    }


def test_the_standby_takes_over_with_its_base_first_and_gives_back():
    rig = two()
    own = str17()[0][1][0][5] | (str17()[0][1][0][4] & 15) << 8
    both(rig, 0, 40)
    assert stations(rig.written["rover"]) == {own}
    assert rig.outlet("rover").source == "a"
    before = len(rig.written["rover"])
    both(rig, 40, 120, a=False)
    assert rig.outlet("rover").source == "b"
    assert rig.outlet("rover").reason == "gets b, which stands in"
    taken = rig.written["rover"][before:]
    first = cut(taken[0])
    assert number_of(first[0]) == 1006
    assert stations(taken) == {7}
    assert 60 <= len(taken) <= 80  # some ten seconds were lost, not more
    both(rig, 120, 160)
    assert rig.outlet("rover").source == "b"
    both(rig, 160, 200)
    outlet = rig.outlet("rover")
    assert outlet.source == "a"
    assert outlet.reason == "gets a"
    assert outlet.n_switches == 3
    assert outlet.frame == "CGCS2000"
    assert outlet.epoch_year == 2000.0
    assert rig.kinds() == ["correction_lost", "correction_restored"]
    assert rig.source("a").devices == ("rover",)
    assert rig.source("b").devices == ()


def test_frames_are_never_mixed_and_the_refusal_is_told_once():
    rig = two(frame="WGS84")
    both(rig, 0, 40)
    before = len(rig.written["rover"])
    both(rig, 40, 200, a=False)
    assert len(rig.written["rover"]) == before
    refused = [alarm for alarm in rig.alarms if alarm.kind == "frame_mix_refused"]
    assert len(refused) == 1
    assert refused[0].device == "rover"
    assert refused[0].fields == {"correction": "b"}
    assert refused[0].text == (
        "b: frames are not mixed: positions are in CGCS2000 at epoch 2000.0, and it gives WGS84"
    )
    assert "frames are not mixed" in rig.outlet("rover").reason
    both(rig, 200, 202)
    assert rig.outlet("rover").source == "a"


def test_a_standby_in_another_frame_is_not_even_given_to_begin_with():
    rig = two(frame="WGS84")
    both(rig, 0, 60, a=False)
    assert "rover" not in rig.written
    assert rig.kinds().count("frame_mix_refused") == 1
    both(rig, 60, 65)
    assert rig.outlet("rover").source == "a"


def test_a_device_with_the_nearest_of_all_keeps_the_frame_that_it_began_with():
    rig = Rig([local("a"), local("b", frame="WGS84")], [("rover", "nearest")])
    place = geodetic_from_ecef(NEXT_DOOR)
    for i in range(100):
        where = geodetic_from_ecef(STROMLO) if i < 20 else place
        rig.corrections.fix_seen(
            "rover", rover_fix(i, lat_deg=where.lat_deg, lon_deg=where.lon_deg), float(i)
        )
        both(rig, i, i + 1)
        if i == 0:
            rig.give("a", position_frame(), 0.4)
    outlet = rig.outlet("rover")
    assert outlet.source == "a"
    assert "frames are not mixed" in outlet.refusals["b"]


def test_a_base_that_jumps_far_holds_its_stream_and_the_standby_takes_over():
    rig = two()
    both(rig, 0, 40)
    rig.give("a", position_frame(ecef_m=NEXT_DOOR), 40.05)
    assert rig.kinds() == ["base_moved"]
    for i in range(40, 60):
        both(rig, i, i + 1, a=False)
        rig.give("a", epoch_bytes(i, ecef_m=NEXT_DOOR), i + 0.4)
    held = rig.source("a")
    assert held.state == "held"
    assert held.reason.startswith("the base of station 0 has jumped 9.4 km")
    assert held.dropped["base_held"] >= 100
    assert rig.outlet("rover").source == "b"
    assert rig.corrections.accept_base("a")
    assert not rig.corrections.accept_base("a")
    accepted = rig.source("a")
    assert accepted.state == "held"
    assert "until it says its place again" in accepted.reason
    for i in range(60, 160):
        both(rig, i, i + 1, a=False)
        rig.give("a", epoch_bytes(i, ecef_m=NEXT_DOOR), i + 0.4)
    assert rig.source("a").state == "live"
    assert rig.outlet("rover").source == "a"
    assert rig.kinds() == ["base_moved"]


def test_a_base_that_comes_back_by_itself_goes_on():
    rig = two()
    both(rig, 0, 40)
    rig.give("a", position_frame(ecef_m=NEXT_DOOR), 40.05)
    before = len(rig.written["rover"])
    both(rig, 40, 42)
    assert len(rig.written["rover"]) == before
    rig.give("a", position_frame(), 42.05)
    both(rig, 42, 45)
    assert rig.source("a").state == "live"
    assert rig.outlet("rover").source == "a"


def test_a_jump_may_be_configured_to_be_told_only():
    rig = Rig([local("a", base_jump=BaseJump.ALARM)], [("rover", "a")])
    play(rig, "a", 0, 40)
    rig.give("a", position_frame(ecef_m=NEXT_DOOR), 40.05)
    before = len(rig.written["rover"])
    play(rig, "a", 40, 45)
    assert rig.kinds() == ["base_moved"]
    assert len(rig.written["rover"]) == before + 5


# --- provenance -----------------------------------------------------------------------------------


def told(name, station, age_s):
    return Provenance(
        name=name, station=station, age_s=age_s, frame="CGCS2000", frame_epoch_year=2000.0
    )


def test_each_fix_tells_where_its_correction_came_from_across_a_change():
    rig = two()
    own = str17()[0][1][0][5] | (str17()[0][1][0][4] & 15) << 8
    both(rig, 0, 40)

    def ask(at_s, station, age_s, kind=FixKind.RTK_FIXED):
        fix = rover_fix(at_s, kind=kind, corr_station=station, corr_age_s=age_s)
        return rig.corrections.provenance("rover", fix, at_s + 0.3)

    assert ask(39.0, own, 0.9) == told("a", own, 0.9)
    assert ask(39.0, own, 0.9, FixKind.SINGLE) is None
    both(rig, 40, 60, a=False)
    assert ask(59.0, own, 19.0) == told("a", own, 19.0)  # it holds on to the old base
    assert ask(59.0, 7, 1.0) == told("b", 7, 1.0)
    assert ask(59.0, 500, 1.0) == Provenance(station=500, age_s=1.0)
    assert rig.corrections.provenance("nobody", rover_fix(59.0), 59.3) is None


# --- sessions, accounts, nearest: over the network ------------------------------------------------


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


def running(rig):
    return asyncio.create_task(rig.corrections.run())


async def stop(task):
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def streaming(client):
    client.on_state(ClientState(status=ClientStatus.STREAMING, reason="valid frames"))


async def test_one_shared_session_serves_all_and_speaks_for_the_first_device():
    rig = Rig([ntrip("net", "M1")], [("a", "net"), ("b", "net"), ("c", "net")])
    task = running(rig)
    await settle()
    (client,) = rig.clients
    assert client.is_running
    assert client.spec.address == CASTER
    assert client.position() is None
    rig.corrections.fix_seen("b", rover_fix(0.0, lat_deg=-35.0), 0.0)
    assert client.position().lat_deg == -35.0
    rig.corrections.fix_seen("a", rover_fix(1.0, lat_deg=-35.5), 1.0)
    assert client.position().lat_deg == -35.5
    rig.now = 100.0  # a has been silent for long; b speaks
    rig.corrections.fix_seen("b", rover_fix(100.0, lat_deg=-35.1), 100.0)
    assert client.position().lat_deg == -35.1
    client.on_body(epoch_bytes(0), 100.0)
    assert client.n_frames == len(str17()[0][1])
    await stop(task)
    assert client.was_cancelled
    assert rig.source("net").reconnects == {"closed": 2}


async def test_a_configured_position_speaks_for_all():
    fixed = rover_fix(0.0, lat_deg=-30.0, kind=FixKind.MANUAL)
    rig = Rig([ntrip("net", "M1", position=fixed)], [("a", "net")])
    task = running(rig)
    await settle()
    rig.corrections.fix_seen("a", rover_fix(0.0), 0.0)
    assert rig.clients[0].position() is fixed
    await stop(task)


async def test_each_rover_has_its_own_session_and_the_one_too_many_is_told():
    accounts = (Account("one", "x"), Account("two", "y"))
    spec = ntrip("vrs", "AUTO", session=SessionPolicy.PER_DEVICE, accounts=accounts)
    rig = Rig([spec], [("a", "vrs"), ("b", "vrs"), ("c", "vrs")])
    task = running(rig)
    await settle()
    assert [client.spec.account for client in rig.clients] == list(accounts)
    rig.corrections.fix_seen("b", rover_fix(0.0, lat_deg=-35.2), 0.0)
    assert rig.clients[0].position() is None
    assert rig.clients[1].position().lat_deg == -35.2
    for second in range(5):
        rig.tick(float(second))
    assert rig.kinds() == ["no_account"]
    assert rig.alarms[0].device == "c"
    assert rig.outlet("c").reason == (
        "vrs/AUTO: no free account: 2 in the configuration are all in use"
    )
    streaming(rig.clients[0])
    for i in range(5, 15):
        rig.tick(i + 0.1)
        rig.clients[0].on_body(epoch_bytes(i), i + 0.2)
    assert rig.written["a"]
    assert "b" not in rig.written
    await stop(task)


async def test_what_the_client_says_is_the_reason_while_nothing_comes():
    rig = Rig([ntrip("net", "M1")], [("a", "net")])
    task = running(rig)
    await settle()
    reason = "waiting for a position: the service wants a position, and none is known yet"
    rig.clients[0].on_state(ClientState(status=ClientStatus.WAITING_FOR_POSITION, reason=reason))
    assert rig.source("net").reason == reason
    assert rig.outlet("a").reason == f"net/M1: {reason}"
    await stop(task)


async def test_half_a_frame_of_a_broken_connection_is_forgotten():
    rig = Rig([ntrip("net", "M1")], [("a", "net")])
    task = running(rig)
    await settle()
    client = rig.clients[0]
    streaming(client)
    for i in range(3):
        client.on_body(epoch_bytes(i), i + 0.2)
        rig.tick(i + 0.3)
    before = len(rig.written["a"])
    client.on_body(str17()[3][1][0][:50], 3.2)
    rig.now = 3.3
    client.on_state(ClientState(status=ClientStatus.RESTING, reason="closed", cause="closed"))
    short = min(str17()[3][1], key=len)
    client.on_body(short, 3.4)
    assert rig.written["a"][before:] == [short]
    await stop(task)


def record(mount, lat_deg, lon_deg, **rest):
    return StreamRecord(
        mount=mount, lat_deg=lat_deg, lon_deg=lon_deg, format="RTCM 3.2", carrier=2, **rest
    )


TABLE = Sourcetable(
    streams=(
        record("HERE", *STROMLO_DEG, details=((1006, 30.0), (1127, 1.0))),
        record("EAST", STROMLO_DEG[0], STROMLO_DEG[1] + 0.5),  # 45 km
        record("VRS", *STROMLO_DEG, is_network=True),
        record("CODE", *STROMLO_DEG).__class__(
            mount="CODE", lat_deg=-35.3, lon_deg=149.0, carrier=0
        ),
    ),
    is_complete=True,
)


def nearest_rig(**rest):
    return Rig([ntrip("net", None, **rest)], [("a", "net")], tables={CASTER: TABLE})


async def test_the_nearest_mount_is_dialled_when_a_position_is_known():
    rig = nearest_rig()
    task = running(rig)
    await settle()
    rig.tick(0.0)
    assert rig.clients == []
    assert rig.outlet("a").reason == "waiting for a position"
    rig.corrections.fix_seen("a", rover_fix(1.0), 1.0)
    rig.tick(1.0)
    await settle()
    assert [client.spec.mount for client in rig.clients] == ["HERE"]
    assert rig.corrections.snapshots(1.0).tables == {
        "net": "4 mounts in the sourcetable, 2 that fit, 2 with a position"
    }
    for i in range(2, 60):
        rig.tick(i + 0.1)
        rig.clients[0].on_body(epoch_bytes(i), i + 0.2)
    assert rig.outlet("a").mount == "HERE"
    assert rig.outlet("a").baseline_m < 1000.0
    await stop(task)


async def test_a_rover_on_the_way_changes_when_the_other_is_clearly_nearer_and_delivers():
    rig = nearest_rig()
    task = running(rig)
    east = ecef_from_geodetic(STROMLO_DEG[0], STROMLO_DEG[1] + 0.5, 700.0)
    mounts = []
    for i in range(300):
        # 45 km in 100 s: east it goes, and stays there
        lon = STROMLO_DEG[1] + 0.5 * min(1.0, i / 100.0)
        rig.corrections.fix_seen("a", rover_fix(i, lon_deg=lon), i + 0.0)
        rig.tick(i + 0.1)
        await settle()
        for client in [c for c in rig.clients if c.is_running]:
            is_east = client.spec.mount == "EAST"
            station, place = (9, east) if is_east else (None, None)
            data = epoch_bytes(i, station=station, ecef_m=place)
            if is_east:
                data = position_frame(station=9, ecef_m=east) + data
            client.on_body(data, i + 0.2)
        mounts.append(rig.outlet("a").mount)
    assert mounts[5] == "HERE"
    assert mounts[-1] == "EAST"
    changed = mounts.index("EAST")
    assert changed >= 120  # nearer by a fifth from 56 s on, then a minute of patience
    assert set(mounts[changed:]) == {"EAST"}
    assert len(rig.clients) == 2
    here = rig.client("HERE")
    assert here.was_cancelled  # nobody uses it any more
    gaps = [len(cut(data)) for data in rig.written["a"]]
    assert len(gaps) >= 297  # not a second was lost on the way
    await stop(task)


async def test_a_stream_is_compared_with_what_the_sourcetable_promises():
    promised = ((1006, 30.0), (1077, 1.0), (1127, 1.0), (1019, 5.0))
    table = Sourcetable(streams=(record("M1", -33.0, 149.0, details=promised),))
    rig = Rig([ntrip("net", "M1")], [("a", "net")], tables={CASTER: table})
    task = running(rig)
    await settle()
    for i in range(70):
        rig.tick(i + 0.1)
        frames = [f for f in str17()[i][1] if number_of(f) not in (1127, 1019)]
        rig.clients[0].on_body(b"".join(frames), i + 0.2)
    assert rig.source("net").remarks == (
        "announced 1127 every 1 s, none for 69 s",
        "announced 1019 every 5 s, none for 69 s",
        "the base says that it is 257 km from where the sourcetable has it",
    )
    await stop(task)


async def test_a_mount_that_gives_nothing_is_left_for_the_next_nearest():
    rig = nearest_rig()
    task = running(rig)
    await settle()
    for i in range(60):
        rig.corrections.fix_seen("a", rover_fix(i), float(i))
        rig.tick(i + 0.1)
        await settle()
    assert [client.spec.mount for client in rig.clients] == ["HERE", "EAST"]
    await stop(task)


async def test_a_refused_account_is_no_reason_to_try_every_mount():
    rig = nearest_rig(accounts=(Account("one", "x"),))
    task = running(rig)
    await settle()
    for i in range(300):
        rig.corrections.fix_seen("a", rover_fix(i), float(i))
        rig.tick(i + 0.1)
        await settle()
        for client in rig.clients:
            client.on_state(
                ClientState(
                    status=ClientStatus.RESTING,
                    reason="the account is refused",
                    cause="bad_account",
                )
            )
    assert [client.spec.mount for client in rig.clients] == ["HERE"]
    await stop(task)


async def test_with_one_account_the_old_session_ends_before_the_new_one_begins():
    rig = nearest_rig(accounts=(Account("one", "x"),))
    task = running(rig)
    for i in range(200):
        lon = STROMLO_DEG[1] + (0.5 if i > 20 else 0.0)
        rig.corrections.fix_seen("a", rover_fix(i, lon_deg=lon), float(i))
        rig.tick(i + 0.1)
        await settle()
        assert sum(client.is_running for client in rig.clients) <= 1
        for client in [c for c in rig.clients if c.is_running and c.spec.mount == "HERE"]:
            client.on_body(epoch_bytes(i), i + 0.2)
    assert {client.spec.mount for client in rig.clients} == {"HERE", "EAST"}
    assert "no_account" not in rig.kinds()
    await stop(task)


async def test_nearest_of_all_sources_takes_the_place_that_a_base_has_said():
    rig = Rig(
        [
            local("here"),
            local("there"),
            ntrip("far", "FAR"),
            ntrip("vrs", "AUTO", session=SessionPolicy.PER_DEVICE),
        ],
        [("a", "nearest")],
    )
    task = running(rig)
    await settle()
    assert [client.spec.mount for client in rig.clients] == ["FAR"]
    place = geodetic_from_ecef(NEXT_DOOR)
    for i in range(100):
        rig.corrections.fix_seen(
            "a", rover_fix(i, lat_deg=place.lat_deg, lon_deg=place.lon_deg), float(i)
        )
        rig.tick(i + 0.1)
        rig.give("here", position_frame() + epoch_bytes(i), i + 0.2)
        rig.give(
            "there",
            position_frame(station=7, ecef_m=NEXT_DOOR) + epoch_bytes(i, station=7),
            i + 0.2,
        )
    assert rig.outlet("a").source == "there"
    await stop(task)


def test_names_are_checked_at_the_start():
    with pytest.raises(ValueError, match="two corrections have the name 'a'"):
        Rig([local("a"), local("a")], [])
    with pytest.raises(ValueError, match="correction of 'x': there is no correction 'b'"):
        Rig([local("a")], [("x", "b")])
    with pytest.raises(ValueError, match="standby of correction 'a'"):
        Rig([local("a", standby=("b",))], [])
    with pytest.raises(ValueError, match="bound to two"):
        Rig([local("a")], [("x", "a"), ("x", "a")])
    with pytest.raises(KeyError):
        Rig([ntrip("n", "M")], []).corrections.receive_local("n", b"", 0.0)


def test_snapshots_are_complete_and_can_be_written_as_json():
    import msgspec

    rig = two()
    both(rig, 0, 120)
    value = msgspec.json.decode(msgspec.json.encode(rig.corrections.snapshots(rig.now)))
    source = value["sources"][0]
    assert source["state"] == "live"
    assert source["frames"]["1127"] == 120
    assert source["rates_hz"]["1127"] == pytest.approx(1.0, abs=0.1)
    assert source["satellites"]["C"] > 5
    assert source["signals"]["C"]
    assert source["base"]["station"] == source["station"]
    assert source["base"]["lat_deg"] == pytest.approx(geodetic_from_ecef(STROMLO).lat_deg)
    assert source["epoch_age_s"] == pytest.approx(0.3, abs=0.2)
    assert source["age_basis"] == "host"
    assert source["devices"] == ["rover"]
    assert value["outlets"][0]["last_forwarded_age_s"] < 1.0
