"""A source that fails, the one that stands in, and those that must not: seen by a subscriber."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from typing import Any

import pytest

from bdgw import app, cli
from tests.app.correction_rig import (
    FICKLE,
    TOPICS,
    Watcher,
    assert_passed_on,
    assert_whole,
    base_at,
    field,
    from_caster,
    hasten,
    nobody,
    rovers,
    sim_caster,
)
from tests.app.rig import device, head, running, schema
from tests.publish.brokers import until

FIX = f"{TOPICS}/dev/rover/fix"


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    hasten(monkeypatch)


async def test_a_standby_takes_over_and_gives_back(tmp_path, mosquitto):
    """Across both changes every fix names the base that it really used."""
    broker = await mosquitto()
    seen = Watcher(broker.port)
    main, spare = base_at("MAIN", station=1), base_at("SPARE", station=2, lat_deg=31.29)
    line = f"name=rover,port=pty:{tmp_path}/rover,lat_deg=31.3,lon_deg=121.5,{FICKLE}"
    async with (
        sim_caster(main) as first,
        sim_caster(spare) as second,
        field(line) as afield,
    ):
        text = (
            head(tmp_path, f'url = "{broker.url}"')
            + from_caster("main", first, "MAIN", "max_age_s = 1.0", 'standby = "spare"')
            + from_caster("spare", second, "SPARE", "max_age_s = 1.0")
            + device("rover", f"serial://{tmp_path}/rover", 'correction = "main"')
        )

        def fixed_by(name: str) -> bool:
            fix = seen.last(FIX)
            return fix.get("fix") == "rtk_fixed" and fix["corr"].get("name") == name

        async with running(text) as run:
            await until(lambda: fixed_by("main"), "fixed by the source that was asked for")
            first.caster.change("MAIN", "silent")
            await until(lambda: fixed_by("spare"), "fixed by its standby")
            (outlet,) = (await run.status())["corrections"]["devices"]
            assert outlet["reason"] == "gets spare/SPARE, which stands in"
            await until(lambda: seen.alarms("correction_lost"), "the alarm")
            first.caster.change("MAIN", "none")
            await until(lambda: fixed_by("main"), "and by the first one again")
            (outlet,) = (await run.status())["corrections"]["devices"]
            assert (outlet["reason"], outlet["n_switches"]) == ("gets main/MAIN", 3)
    seen.close()
    truth = {row["t_utc"]: row for row in afield.truth["rover"]}
    used = []
    for fix in seen.values(FIX):
        schema("fix").validate(fix)
        corr, row = fix.get("corr"), truth[fix["t_fix"]]
        assert (corr is None) == (fix["fix"] == "single")
        if corr is None:
            continue
        assert corr["station"] == row["station"]
        assert corr["age_s"] == pytest.approx(row["age_s"])
        name = {1: "main", 2: "spare"}[corr["station"]]
        assert (corr["name"], corr["mount"], corr["frame"]) == (name, name.upper(), "CGCS2000")
        used.append(name)
    changes = [name for name, before in zip(used, ["", *used], strict=False) if name != before]
    assert changes == ["main", "spare", "main"]
    (alarm,) = seen.alarms("correction_lost")
    schema("alarm").validate(alarm)
    assert (alarm["correction"], alarm["mount"]) == ("main", "MAIN")
    # The position of the other base came before its observations did.
    frames = afield.heard["rover"].frames()
    assert_whole(afield.heard["rover"].data)
    of_spare = [f for f in frames if (f[4] & 15) << 8 | f[5] == 2]
    assert of_spare[0][3] << 4 | of_spare[0][4] >> 4 == 1005


def _outlets(shown: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["device"]: each for each in shown["corrections"]["devices"]}


async def test_a_standby_that_does_not_fit_is_refused_and_the_reason_told(
    tmp_path, mosquitto, monkeypatch
):
    """Another frame, another epoch of it, and a base out of reach; however long nothing comes.

    Frames that are stated are looked at before the start; this is the second line behind that.
    """
    monkeypatch.setattr(app, "check_augmentation", lambda _config: None)
    broker = await mosquitto()
    seen = Watcher(broker.port)
    mounts = [base_at(name, rate_hz=2.0) for name in "ABC"]
    mounts.append(base_at("FAR", rate_hz=2.0, lat_deg=32.31, station=7))
    main, other = sim_caster(*mounts[:3]), sim_caster(*mounts)
    async with main as first, other as second, rovers(3) as (a, b, c):
        short = "max_age_s = 1.0"
        text = (
            head(tmp_path, f'url = "{broker.url}"')
            + from_caster("a", first, "A", short, 'standby = "wgs"')
            + from_caster("b", first, "B", short, 'standby = "late"')
            + from_caster("c", first, "C", short, 'standby = "far"')
            + from_caster("wgs", second, "A", frame="WGS84")
            + from_caster("late", second, "B", "epoch = 2010.0")
            + from_caster("far", second, "FAR")
            + "".join(
                device(name, rover.url, f'correction = "{name}"')
                for name, rover in (("a", a), ("b", b), ("c", c))
            )
        )
        async with running(text) as run:
            await until(lambda: all(len(r.frames()) > 10 for r in (a, b, c)), "frames")
            first.caster.change("*", "silent")
            await until(lambda: len(seen.alarms("frame_mix_refused")) == 2, "both alarms")
            shown = await run.status_is(
                lambda s: all(
                    each["refusals"] and each["last_forwarded_age_s"] > 2.0
                    for each in _outlets(s).values()
                )
            )
    seen.close()
    refusals = {name: next(iter(o["refusals"].items())) for name, o in _outlets(shown).items()}
    mixed = "frames are not mixed: positions are in CGCS2000 at epoch 2000.0, and it gives"
    assert refusals["a"] == ("wgs/A", f"{mixed} WGS84")
    assert refusals["b"] == ("late/B", f"{mixed} CGCS2000 at epoch 2010.0")
    assert refusals["c"] == ("far/FAR", "its base is 111 km from the base before (limit 50 km)")
    alarms = {alarm["dev"]: alarm for alarm in seen.alarms("frame_mix_refused")}
    for name in ("a", "b"):
        schema("alarm").validate(alarms[name])
        assert refusals[name][1] in alarms[name]["text"]
    sent = [set(first.hashes(mount)) for mount in "ABC"]
    for rover, of_its_own in zip((a, b, c), sent, strict=True):
        assert set(rover.hashes()) <= of_its_own, "not a frame of another source"
        assert_passed_on(rover.hashes(), first.hashes("ABC"[sent.index(of_its_own)]))


def test_check_names_a_standby_that_can_never_take_over(tmp_path):
    file = tmp_path / "gateway.toml"
    text = nobody(tmp_path)
    for name, frame, more in (("main", "CGCS2000", 'standby = "spare"\n'), ("spare", "WGS84", "")):
        text += f'[[correction]]\nname = "{name}"\nurl = "ntrip://caster.example.com"\n'
        text += f'mount = "{name.upper()}"\nframe = "{frame}"\n{more}'
    file.write_text(text)
    assert _bdgw("check", "-c", file) == (
        78,
        "",
        f"{file}: correction 'main': standby 'spare' will be refused: frames are not mixed: "
        "positions are in CGCS2000 at epoch 2000.0, and it gives WGS84\n",
    )
    file.write_text(text.replace("WGS84", "cgcs-2000"))
    code, out, errors = _bdgw("check", "-c", file)
    assert (code, errors) == (0, ""), "another spelling of the same frame"
    assert json.loads(out)["ok"]


def _bdgw(*words: object) -> tuple[int, str, str]:
    out, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["bdgw", *map(str, words)])
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(errors),
            pytest.raises(SystemExit) as ended,
        ):
            cli.main()
    return int(ended.value.code or 0), out.getvalue(), errors.getvalue()
