"""What a person at a terminal sees, and what a program reads instead."""

from __future__ import annotations

from typing import Any

import pytest

from bdgw.live import live_screen

FIX = {"dev": "rover-1", "fix": "rtk_fixed", "lat_deg": 31.5, "corr": {"name": "net", "age_s": 0.4}}
RECEIVED = {"gw": "ship", "id": "r", "from": 412001, "text": "请回港[避风]"}


def status(message: str, state: str) -> dict[str, Any]:
    return {"gw": "shore", "id": message, "to": 312345, "state": state}


def test_without_a_terminal_everything_is_written_as_it_is():
    written: list[dict[str, Any]] = []
    with live_screen(is_terminal=False, write=written.append) as screen:
        screen.fix(FIX)
        screen.message(RECEIVED)
    assert written == [FIX, RECEIVED]


def test_a_terminal_shows_the_way_of_the_newest_message_under_the_fixes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("COLUMNS", "220")
    with live_screen(is_terminal=True, write=lambda _value: None) as screen:
        screen.fix(FIX)
        screen.message(status("first", "queued"))
        screen.message({**RECEIVED, "text": "旧的"})
        for state in ("accepted", "queued", "queued", "on_air"):
            screen.message(status("second", state))
        screen.message({"gw": "shore", "id": "demo-2", "result": "accepted", "message": {}})
        screen.message(RECEIVED)
        screen.message(status("second", "delivered"))
    *table, out, received = capsys.readouterr().out.rstrip().splitlines()
    assert any(
        "rover-1" in line and "31.500000000" in line and "net 0.4 s" in line for line in table
    )
    way = "accepted → queued → on_air → delivered"
    assert out.strip() == f"shore sends a short message to 312345: {way}"
    assert received.strip() == "ship received from 412001: 请回港[避风]"
