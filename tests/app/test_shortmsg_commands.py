"""``bdgw shortmsg send``, ``list``, ``show`` and ``cancel`` against a running gateway."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.app.message_rig import SHIP, SHORE, config, peer, satellite, terminal
from tests.app.rig import running
from tests.support.gateway_process import environment

pytestmark = pytest.mark.usefixtures("brisk")
EMBEDDED = 'url = "embedded"\nlisten = "127.0.0.1:0"'
SECRET = "canary-token-0123456789"


class Shell:
    """The command line as a person uses it, in a process of its own."""

    def __init__(self, api: str) -> None:
        self._api = api

    async def __call__(self, *words: str, token: str | None = SECRET) -> tuple[int, str, str]:
        """Status, what it printed, and what it said to the person."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bdgw", "shortmsg", *words, "--api", self._api),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment() | ({} if token is None else {"BDGW_TOKEN": token}),
        )
        out, said = await process.communicate()
        assert SECRET not in out.decode() + said.decode()
        return process.returncode or 0, out.decode(), said.decode()


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


async def test_send_list_show_cancel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPS_TOKEN", SECRET)
    text = config(tmp_path, "ship", EMBEDDED, peers=peer("shore", SHORE)).replace(
        'anonymous = "read"',
        'tokens = [{ name = "o", role = "operate", secret = { env = "OPS_TOKEN" } }]',
    )
    with satellite(tmp_path, terminal(tmp_path, "ship", SHIP)):
        async with running(text) as run:
            assert run.gateway.api_url is not None
            shell = Shell(run.gateway.api_url)
            status, out, _ = await shell("send", "--to", "0300001", "--wait", "船已靠港")
            first, *_, last = objects(out)
            assert (status, first["state"], first["way"]) == (0, "accepted", "plain")
            assert (last["state"], last["settled"]) == ("accepted_by_terminal", True)
            # The card rests now, so this one waits and can be called back.
            status, out, _ = await shell("send", "--to", "300002", "--key", "k", "等一下")
            (waiting,) = objects(out)
            again = objects((await shell("send", "--to", "300002", "--key", "k", "等一下"))[1])[0]
            assert (again["id"], again["is_repeat"]) == (waiting["id"], True)
            status, out, said = await shell("send", "--to", "300003", "收到😀")
            assert (status, objects(out)[0]["cause"]) == (1, "text_not_encodable")
            assert "character 3" in said
            status, out, _ = await shell("list", "--oldest-first")
            assert [each["text"] for each in objects(out)] == ["船已靠港", "等一下"]
            assert objects(out)[0]["steps"][-1]["event"] == "unit_accepted"
            table = (await shell("list", "--format", "csv", "--limit", "1"))[1]
            assert [row["key"] for row in csv.DictReader(io.StringIO(table))] == ["k"]
            assert (await shell("list", "--in"))[:2] == (0, "")
            shown = objects((await shell("show", first["id"]))[1])[0]
            assert (shown["id"], shown["direction"]) == (first["id"], "out")
            status, out, said = await shell("cancel", first["id"])
            assert (status, objects(out)[0]["status"]) == (1, 409)
            assert said
            assert (await shell("show", "nothing"))[0] == 1
            assert (await shell("list", token=None))[0] == 77
            status, out, said = await shell("send", "--to", "1", "x", token="wrong")
            assert (status, objects(out)[0]["status"]) == (77, 401)


async def test_nobody_there_is_said_so():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        shell = Shell(f"http://127.0.0.1:{held.getsockname()[1]}")
        status, out, said = await shell("list", token=None)
    assert (status, out) == (69, "")
    assert "refused" in said
