"""``bdgw ntrip``: what a person at a desk is told of a caster, and the exit status of a script."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from bdgw import cli
from bdgw.ntrip.probe import probe
from fwsim.caster import SimCaster
from fwsim.caster_spec import CasterSpec, MountSpec
from tests.publish.brokers import free_port

PASSWORD, WRONG = "canary-right-5c1", "canary-wrong-8e2"
PLACE = {"lat_deg": 31.31, "lon_deg": 121.51}
SOON: dict[str, Any] = {"rate_hz": 5.0, "position_every_s": 1, **PLACE}
MOUNTS = (
    MountSpec(name="GOOD", msm=7, station=77, ephemeris_every_s=1, identifier="Pier", **SOON),
    MountSpec(name="PRIV", authentication="basic", **SOON),
    MountSpec(name="VRS", is_virtual=True, needs_gga=True, **SOON),
    MountSpec(name="PAGE", dialect="html", **SOON),
    MountSpec(name="DIGEST", authentication="digest", **SOON),
    MountSpec(
        name="LESS", details="1074(0.2),1005(0.4),1013(0.4)", position_every_s=0, rate_hz=5.0
    ),
)


@dataclass
class Done:
    code: int
    out: str
    errors: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


class Thread:
    """A simulated caster with an event loop of its own, beside the command's."""

    def __init__(self, **more: Any) -> None:
        self._more = more
        self.events: list[dict[str, Any]] = []
        self.caster: SimCaster | None = None
        self._loop = asyncio.new_event_loop()
        self._is_up = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run)

    @property
    def port(self) -> int:
        assert self.caster is not None
        return self.caster.port

    def start(self) -> None:
        self._thread.start()
        assert self._is_up.wait(10)

    def change(self, mount: str, action: str) -> None:
        assert self.caster is not None
        self._loop.call_soon_threadsafe(self.caster.change, mount, action)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        spec = CasterSpec(mounts=MOUNTS, accounts={"crew": PASSWORD}, **self._more)
        async with SimCaster(spec, say=self.events.append) as self.caster:
            self._is_up.set()
            await self._stop.wait()


@pytest.fixture(scope="module")
def caster() -> Iterator[Thread]:
    made = Thread()
    made.start()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause between the table and the stream is 10 s in the field."""
    monkeypatch.setitem(probe.__kwdefaults__ or {}, "gap_s", 0.05)
    monkeypatch.setenv("BDGW_TEST_WRONG", WRONG)


def bdgw(*words: object) -> Done:
    out, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["bdgw", "ntrip", *map(str, words)])
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(errors),
            pytest.raises(SystemExit) as ended,
        ):
            cli.main()
    done = Done(int(ended.value.code or 0), out.getvalue(), errors.getvalue())
    for secret in (PASSWORD, WRONG):
        assert secret not in done.out + done.errors
    return done


def probed(caster: Thread, mount: str, *options: str, seconds: float = 1) -> Done:
    url = f"ntrip://127.0.0.1:{caster.port}/{mount}"
    return bdgw("probe", url, "--seconds", seconds, *options)


def test_a_sourcetable_is_one_record_a_line_and_a_summary(caster):
    done = bdgw("sourcetable", f"ntrip://127.0.0.1:{caster.port}")
    assert (done.code, done.errors) == (0, "")
    *records, summary = done.lines
    assert summary == {
        "type": "summary",
        "streams": len(MOUNTS),
        "casters": 1,
        "networks": 1,
        "is_complete": True,
        "repaired": 0,
        "damaged": 0,
    }
    assert [r["type"] for r in records] == ["stream"] * len(MOUNTS) + ["caster", "network"]
    good, private, virtual = records[:3]
    assert (good["mount"], good["identifier"], good["country"]) == ("GOOD", "Pier", "CHN")
    assert (good["lat_deg"], good["lon_deg"]) == (31.31, 121.51)
    assert [1077, 0.2] in good["details"]
    assert private["authentication"] == "B"
    assert virtual["needs_gga"] is True


def test_a_good_mountpoint_is_told_with_what_came(caster):
    done = probed(caster, "GOOD", seconds=1.2)
    assert done.code == 0
    (found,) = done.lines
    assert (found["ok"], found["mount"], found["station"]) == (True, "GOOD", 77)
    assert found["caster"] == f"ntrip://127.0.0.1:{caster.port}"
    assert found["peer"] == f"127.0.0.1:{caster.port}"
    assert found["record"]["identifier"] == "Pier"
    assert {"1005", "1077", "1087", "1097", "1127", "1042"} <= found["frames"].keys()
    assert 3.0 < found["rates_hz"]["1077"] < 7.0
    assert set(found["satellites"]) == set("GREC")
    assert {"2I", "6I"} <= set(found["signals"]["C"])
    assert found["base"]["station"] == 77
    assert found["base"]["lat_deg"] == pytest.approx(31.31, abs=1e-6)
    assert abs(found["epoch_age_s"]) < 2.0
    assert found["crc_failures"] == found["skipped_bytes"] == 0
    assert 1.2 <= found["watched_s"] < 2.2
    assert "problem" not in found
    # What is being done goes to the other stream.
    assert "for its sourcetable" in done.errors
    assert "asking for GOOD" in done.errors


@pytest.mark.parametrize(
    ("mount", "options", "problem"),
    [
        ("PRIV", (), "mount needs an account"),
        (
            "PRIV",
            ("--user", "crew", "--password-env", "BDGW_TEST_WRONG"),
            "the caster does not accept this user name and password",
        ),
        ("NOWHERE", (), "no such mountpoint"),
        ("PAGE", (), "a web page or text came where corrections should"),
        ("VRS", (), "the caster waits for a position"),
    ],
)
def test_what_is_wrong_is_said_in_plain_words_and_is_69(caster, mount, options, problem):
    done = probed(caster, mount, *options)
    assert done.code == 69
    (found,) = done.lines
    assert found["ok"] is False
    assert problem in found["problem"]
    assert done.errors.splitlines()[-1].endswith(found["problem"])
    assert "base" not in found


def test_the_account_comes_from_a_file(caster, tmp_path):
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    done = probed(caster, "PRIV", "--user", "crew", "--password-file", str(file))
    assert done.code == 0
    assert done.lines[0]["ok"] is True


def test_digest_is_answered_once_and_a_wrong_password_is_said(caster, tmp_path):
    file = tmp_path / "password"
    file.write_text(PASSWORD)
    n_before = len(caster.events)
    right = probed(caster, "DIGEST", "--user", "crew", "--password-file", str(file))
    wrong = probed(caster, "DIGEST", "--user", "crew", "--password-env", "BDGW_TEST_WRONG")
    assert (right.code, wrong.code) == (0, 69)
    assert right.lines[0]["ok"] is True
    assert "does not accept this user name and password" in wrong.lines[0]["problem"]
    asked = [e["credentials"] for e in caster.events[n_before:] if e.get("mount") == "DIGEST"
             and e["event"] == "request"]  # fmt: skip
    assert asked == ["basic", "digest"] * 2


def test_a_caster_with_its_own_authority_is_looked_at(tmp_path, certificates):
    cert, key = certificates.server("good")
    secure = Thread(tls_port=0, certificate=cert, key=key)
    secure.start()
    try:
        assert secure.caster is not None
        url = f"ntrips://localhost:{secure.caster.tls_port}"
        trusted = bdgw("sourcetable", url, "--ca-file", certificates.ca)
        stream = bdgw("probe", f"{url}/GOOD", "--seconds", 1, "--ca-file", certificates.ca)
        doubted = bdgw("sourcetable", url)
        absent = bdgw("sourcetable", url, "--ca-file", tmp_path / "none.pem")
    finally:
        secure.stop()
    assert (trusted.code, stream.code, doubted.code, absent.code) == (0, 0, 69, 78)
    assert "not signed by a known authority" in doubted.errors
    assert f"--ca-file = '{tmp_path / 'none.pem'}'" in absent.errors


def test_the_position_that_is_given_is_told_to_the_caster(caster):
    done = probed(caster, "VRS", "--at", "30.5,120.25,15")
    assert done.code == 0
    (found,) = done.lines
    assert found["positions_sent"] >= 1
    base = found["base"]
    assert (base["lat_deg"], base["lon_deg"]) == pytest.approx((30.5, 120.25), abs=1e-5)
    told = [event for event in caster.events if event["event"] == "gga"][-1]
    assert (told["lat_deg"], told["lon_deg"]) == (30.5, 120.25)


def test_what_is_announced_and_does_not_come_is_a_remark(caster):
    (found,) = probed(caster, "LESS").lines
    assert found["ok"] is True
    missed = [remark.partition(", none in ")[0] for remark in found["remarks"]]
    # On a loaded machine a stream of a few epochs may lack more. (1230 would come at :00 and :30.)
    assert {"announced 1005 every 0.4 s", "announced 1013 every 0.4 s"} <= set(missed)


def test_a_silent_mountpoint_is_69(caster):
    caster.change("GOOD", "silent")
    done = probed(caster, "GOOD")
    caster.change("GOOD", "none")
    assert done.code == 69
    (found,) = done.lines
    assert (found["ok"], found["bytes"]) == (False, 0)
    assert found["problem"]


def test_nobody_there_is_69():
    port = free_port()
    for done in (
        bdgw("sourcetable", f"ntrip://127.0.0.1:{port}"),
        bdgw("probe", f"ntrip://127.0.0.1:{port}/BASE", "--seconds", 1),
    ):
        assert done.code == 69
        assert "Connect call failed" in done.errors or "refused" in done.errors


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sourcetable", "http://caster.example.com"), "ntrip"),
        (("sourcetable", f"ntrip://crew:{WRONG}@caster.example.com"), "user"),
        (("sourcetable",), "URL"),
        (("probe", "ntrip://caster.example.com"), "mountpoint is missing"),
        (("probe", "ntrip://caster.example.com:99999/A"), "port"),
        (("probe", "ntrip://caster.example.com/A", "--at", "31.3"), "LAT,LON"),
        (("probe", "ntrip://caster.example.com/A", "--at", "31.3,181"), "180 degrees"),
        (("probe", "ntrip://caster.example.com/A", "--version", "3"), "auto, 1 or 2"),
        (("probe", "ntrip://caster.example.com/A", "--seconds", "0"), "seconds"),
        (("frobnicate",), "frobnicate"),
    ],
)
def test_wrong_usage_is_64_and_asks_nobody(words, said):
    done = bdgw(*words)
    assert (done.code, done.out) == (64, "")
    assert said in done.errors
