"""Sealing on the ledger's own disk: restarts, a full disk, and what the service is told."""

from pathlib import Path

import pytest

from bdgw.errors import DecodeError, EncodeError
from bdgw.shortmsg.compose import SealLaterError, Security
from bdgw.shortmsg.group_security import GroupSecurity
from bdgw.shortmsg.key import KeyRing, SealKey
from bdgw.shortmsg.ledger_desk import LedgerDesk
from bdgw.shortmsg.ledger_store import StoreFullError
from bdgw.shortmsg.nonce import EPOCH_UTC_S
from bdgw.shortmsg.peer_group import PeerGroups
from bdgw.shortmsg.pending import Commit, Pending
from bdgw.shortmsg.seal import is_sealed
from bdgw.shortmsg.value_table import ValueTable
from bdgw.store.direct import DirectStore

A, B = 142_019, 142_020
RING = KeyRing([SealKey.from_hex(7, "9f1c3a5b7d2e4f60718293a4b5c6d7e8")], sending=7)


class Host:
    """A gateway's disk and clock, and the security that lives on them."""

    def __init__(self, path: Path, *, name: str = "host-a") -> None:
        self.utc_s: float | None = EPOCH_UTC_S + 50_000_000.0
        self.store = DirectStore(str(path))
        desk = LedgerDesk(self.store, lambda _message, _steps: None)
        groups = PeerGroups({"fleet": RING}, stored=self.store.values(), host=name)
        self.security = GroupSecurity(groups, ValueTable(desk), utc_s=lambda: self.utc_s)

    def as_the_service_sees_it(self) -> Security:
        return self.security

    def seal(self, payload: bytes = b"up") -> bytes:
        return self.security.seal("fleet", payload, sender=A, receiver=B)

    def open(self, sealed: bytes, *, group: str | None = "fleet") -> bytes:
        return self.security.open(group, sealed, sender=A, receivers=(B,)).content


@pytest.fixture
def here(tmp_path):
    host = Host(tmp_path / "here.db")
    yield host
    host.store.close()


@pytest.fixture
def there(tmp_path):
    host = Host(tmp_path / "there.db", name="host-b")
    yield host
    host.store.close()


def test_two_gateways(here, there):
    service = here.as_the_service_sees_it()
    assert service.has_key("fleet")
    assert not service.has_key("dam")
    here.security.prepare(A)
    sealed = here.seal()
    assert is_sealed(sealed)
    assert len(sealed) == 2 + service.overhead_bytes
    assert there.open(sealed) == b"up"
    with pytest.raises(DecodeError, match="replayed"):
        there.open(sealed)
    with pytest.raises(DecodeError, match="not_sealed"):
        there.open(b"up")
    with pytest.raises(EncodeError, match="no key"):
        here.security.seal("dam", b"up", sender=A, receiver=B)


def test_restarts_of_both(tmp_path):
    sealed: list[bytes] = []
    for life in range(3):
        here = Host(tmp_path / "here.db")
        there = Host(tmp_path / "there.db", name="host-b")
        sealed += [here.seal() for _ in range(3)]
        assert there.open(sealed[-1]) == b"up"
        for old in sealed[2::3]:
            with pytest.raises(DecodeError, match="replayed"):
                there.open(old)
        assert len({one[3:7] for one in sealed}) == 3 * (life + 1)
        here.store.close()
        there.store.close()


def test_a_copied_disk_does_not_seal(tmp_path):
    here = Host(tmp_path / "here.db")
    here.seal()
    here.store.close()
    clone = Host(tmp_path / "here.db", name="host-c")
    with pytest.raises(SealLaterError, match="cloned_store"):
        clone.seal()
    clone.store.close()


def test_a_host_without_a_clock_waits_for_it(here):
    here.utc_s = None
    with pytest.raises(SealLaterError, match="no_clock"):
        here.seal()
    here.utc_s = EPOCH_UTC_S + 50_000_000.0
    here.seal()
    here.utc_s = None
    here.seal()


class Reluctant:
    """The table of values in front of a disk that is slow or full for a while."""

    def __init__(self, table: ValueTable) -> None:
        self.table = table
        self.mode = "ok"
        self.commits: list[Commit] = []

    def get(self, name: str) -> bytes | None:
        return self.table.get(name)

    def compare_and_set(self, name: str, expected: bytes | None, value: bytes) -> Pending[bool]:
        if self.mode == "ok":
            return self.table.compare_and_set(name, expected, value)
        commit = Commit()
        if self.mode == "full":
            commit.resolve(StoreFullError("no room"))
        self.commits.append(commit)
        return Pending(True, commit)


def test_a_disk_that_is_slow_or_full(tmp_path):
    host = Host(tmp_path / "values.db")
    disk = Reluctant(ValueTable(LedgerDesk(host.store, lambda _message, _steps: None)))
    groups = PeerGroups({"fleet": RING}, stored={}, host="host-a")
    host.security = GroupSecurity(groups, disk, utc_s=lambda: host.utc_s)
    for mode in ("full", "slow"):
        disk.mode = mode
        for _ in range(3):
            with pytest.raises(SealLaterError, match="not_reserved"):
                host.seal()
    assert len(disk.commits) == 4  # asked again when full, and not twice while slow
    disk.commits[-1].resolve(None)
    sealed = host.seal()
    disk.mode = "full"
    assert host.open(sealed) == b"up"
    host.security.poll()
    assert host.security.n_unsaved == 1
    disk.mode = "ok"
    host.security.poll()
    host.security.poll()
    assert host.security.n_unsaved == 0
    assert f"replay/{A}/7" in host.store.values()
    host.store.close()


def test_counters_are_at_hand_before_they_run_out(here):
    here.security.prepare(A)
    assert here.utc_s is not None
    for _ in range(300):
        here.utc_s += 60
        here.security.poll()
        here.seal()
