"""Etiquette as properties, over any history."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.ntrip.account import Account
from bdgw.ntrip.address import CasterAddress
from bdgw.ntrip.courtesy import CasterMemory, Courtesy, CourtesyLimits
from bdgw.ntrip.gate import AccountGate
from bdgw.ntrip.request import NtripVersion

LIMITS = CourtesyLimits()
A = CasterAddress(host="a.example")
B = CasterAddress(host="b.example")

ENDS = st.tuples(
    st.floats(0, 5000),  # how long it lasted
    st.booleans(),  # refused
    st.none() | st.floats(0, 1e6),  # Retry-After
    st.integers(0, 3),  # frames in each of some moments
    st.floats(0, 60),  # how far apart
)


def drawn(seed: int) -> Courtesy:
    return Courtesy(LIMITS, uniform=random.Random(seed).uniform)


@given(st.integers(0, 2**32), st.lists(ENDS, min_size=1, max_size=40))
def test_manners_over_any_history(seed, history):
    courtesy = drawn(seed)
    now, last_s = 0.0, None
    for lasted_s, is_refusal, retry_after_s, n_frames, apart_s in history:
        now = max(now, courtesy.due_s() or now)
        if last_s is not None:
            assert now - last_s >= LIMITS.floor_s - 1e-9
        courtesy.attempt(now=now)
        last_s = now
        with pytest.raises(ValueError):
            courtesy.attempt(now=now + LIMITS.floor_s / 2)
        for _ in range(n_frames):
            now += apart_s
            courtesy.frames_seen(1, now=now)
        now += lasted_s
        due_s = courtesy.ended(now=now, is_refusal=is_refusal, retry_after_s=retry_after_s)
        wait_s = round(due_s - now, 6)
        assert LIMITS.floor_s <= wait_s <= LIMITS.cap_s
        if is_refusal:
            assert wait_s >= LIMITS.refused_s
        if retry_after_s is not None:
            assert wait_s >= round(min(retry_after_s, LIMITS.cap_s), 6)
        assert due_s == courtesy.due_s()


def test_waits_grow_and_are_spread():
    waits = []
    for seed in range(300):
        courtesy = drawn(seed)
        now = 0.0
        row = []
        for _ in range(12):
            courtesy.attempt(now=now)
            due_s = courtesy.ended(now=now, is_refusal=False)
            row.append(due_s - now)
            now = due_s
        waits.append(row)
    firsts = [row[0] for row in waits]
    lasts = [row[-1] for row in waits]
    assert min(firsts) >= 10.0
    assert max(firsts) <= 20.0
    assert len({round(wait) for wait in firsts}) > 5
    assert max(lasts) > 850.0
    assert 400.0 < sum(lasts) / len(lasts) < 510.0


def test_only_frames_for_long_enough_forgive():
    courtesy = drawn(1)
    now = 0.0
    for _ in range(10):
        now = max(now, courtesy.due_s() or now)
        courtesy.attempt(now=now)
        now += 10_000.0  # a long connection without a frame
        courtesy.ended(now=now, is_refusal=False)
    assert courtesy.n_failures == 10
    now = max(now, courtesy.due_s() or now)
    courtesy.attempt(now=now)
    assert not courtesy.frames_seen(1, now=now)
    assert not courtesy.frames_seen(5, now=now + 14.0)
    assert not courtesy.frames_seen(5, now=now + 29.0)
    assert not courtesy.frames_seen(0, now=now + 30.0)
    assert courtesy.frames_seen(1, now=now + 30.0)
    assert courtesy.is_good
    assert not courtesy.frames_seen(1, now=now + 31.0)  # said once
    assert courtesy.n_failures == 0
    assert courtesy.ended(now=now + 40.0, is_refusal=False) - (now + 40.0) <= 20.0


def test_a_pause_between_frames_starts_the_count_again():
    courtesy = drawn(1)
    courtesy.attempt(now=0.0)
    courtesy.frames_seen(1, now=1.0)
    courtesy.frames_seen(1, now=17.0)
    assert not courtesy.frames_seen(1, now=31.0)
    assert not courtesy.frames_seen(1, now=45.9)
    assert courtesy.frames_seen(1, now=47.0)


@pytest.mark.parametrize(
    "wrong",
    [{"floor_s": 0.0}, {"cap_s": 100.0}, {"refused_s": 5.0}, {"good_s": -1.0}, {"gap_s": 0.0}],
)
def test_senseless_limits_are_refused(wrong):
    with pytest.raises(ValueError):
        CourtesyLimits(**wrong)


def test_all_clients_of_a_caster_share_its_floor():
    memory = CasterMemory(10.0)
    assert memory.due_s() is None
    memory.attempt(now=100.0)
    with pytest.raises(ValueError):
        memory.attempt(now=109.9)
    memory.attempt(now=110.0)


def test_only_silence_leads_to_the_other_version():
    memory = CasterMemory()
    v1, v2 = NtripVersion.V1, NtripVersion.V2
    assert memory.version() is v2
    memory.answered(v2, is_silent=True)
    assert memory.version() is v1
    memory.answered(v1, is_silent=True)
    assert memory.version() is v2
    memory.answered(v2, is_silent=True)
    memory.answered(v1, is_silent=False)
    assert memory.version() is v1
    for _ in range(2):
        memory.answered(v1, is_silent=True)
        assert memory.version() is v1
    memory.answered(v1, is_silent=True)
    assert memory.version() is v2


async def test_one_session_per_account():
    gate, account = AccountGate(), Account("rover", "x")
    order: list[str] = []

    async def use(name: str, address: CasterAddress = A) -> None:
        async with gate.hold(address, account):
            order.append(name)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            order.append(name)

    await asyncio.gather(use("1"), use("2"), use("3"), use("other", B))
    assert [name for name in order if name != "other"] == ["1", "1", "2", "2", "3", "3"]
    assert order.index("other") < 3
    assert gate.is_free(A, account)


async def test_an_account_of_a_service_is_one_for_all_its_ports():
    gate, account = AccountGate(), Account("rover", "x")
    wgs = CasterAddress(host="rtk.ntrip.qxwz.com", port=8002)
    cgcs = CasterAddress(host="rtk.ntrip.qxwz.com", port=8003)
    async with gate.hold(wgs, account):
        assert not gate.is_free(cgcs, account)
        assert gate.is_free(cgcs, Account("second", "x"))
        assert gate.is_free(cgcs, None)
        async with gate.hold(cgcs, None), gate.hold(cgcs, Account("rover", "x"), 2):
            pass


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=30), st.integers(1, 3))
def test_the_gate_never_lets_in_too_many_nor_forgets_anyone(steps, n_most):
    async def scenario() -> None:
        gate, account = AccountGate(), Account("rover", "x")
        inside = 0
        most = 0

        async def use(n_turns: int) -> None:
            nonlocal inside, most
            async with gate.hold(A, account, n_most):
                inside += 1
                most = max(most, inside)
                try:
                    for _ in range(n_turns):
                        await asyncio.sleep(0)
                finally:
                    inside -= 1

        tasks = []
        for n_turns, is_cancelled in steps:
            task = asyncio.ensure_future(use(n_turns))
            tasks.append(task)
            await asyncio.sleep(0)
            if is_cancelled:
                tasks[len(tasks) // 2].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert most <= n_most
        assert inside == 0
        assert gate.is_free(A, account, n_most)
        async with asyncio.timeout(1), gate.hold(A, account, n_most):
            pass

    asyncio.run(scenario())
