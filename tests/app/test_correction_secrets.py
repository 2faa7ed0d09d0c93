"""No secret of a correction, of a user or of a base ever leaves the gateway, whoever asks for it.

Canaries stand for all of them. Everything that a person or a program can read of a gateway is
collected: every line of its log at the lowest level, REST, MQTT, the caster's own answers, what
commands print. Wrong passwords are canaries as well: those are right ones elsewhere.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import re
import sys
import urllib.parse
from typing import Any

import pytest

from bdgw import cli
from bdgw.log import set_up_logging
from bdgw.ntrip.probe import probe
from tests.app.correction_rig import (
    PATIENCE_S,
    Watcher,
    base_at,
    correction,
    dialled,
    from_caster,
    hasten,
    sim_caster,
)
from tests.app.rig import device, head, running
from tests.publish.brokers import free_port, until
from tests.support.gateway_process import fetch
from tests.support.hostile_caster import hostile_casters

ACCOUNT = "canary-Account-1/f=?"
WRONG = "canary-wrong-2&d ü"
CREW = "canary-crew-3c"
PUSH = "canary-push-4b"
STRANGER = "canary-stranger-5a"
TOKEN = "canary-token-6e-0123456789"
SECRETS = {
    "ACCOUNT": ACCOUNT,
    "WRONG": WRONG,
    "CREW": CREW,
    "PUSH": PUSH,
    "TOKEN": TOKEN,
}
USERS = ("yp-01", "yp-02", "yp-03", "yp-04")
"""One for each source of the honest caster: an account has one session."""
USER = USERS[0]


def env(name: str) -> str:
    return f'{{ env = "BDGW_TEST_{name}" }}'


def of_account(n_user: int, password: str) -> tuple[str, str]:
    return f'username = "{USERS[n_user]}"', f"password = {env(password)}"


def forms_of(secret: str) -> set[str]:
    """Every form in which somebody could read it."""
    forms = {secret}
    forms |= {urllib.parse.quote(secret), urllib.parse.quote_plus(secret)}
    forms |= {json.dumps(secret)[1:-1], repr(secret)[1:-1], repr(secret.encode())[2:-1]}
    for user in (*USERS, "crew", "base", "", "stranger"):
        for text in (secret, f"{user}:{secret}"):
            forms.add(base64.b64encode(text.encode()).decode().rstrip("="))
            forms.add(text.encode().hex())
    return {form for form in forms if len(form) > 6}


FORMS = {form for secret in (*SECRETS.values(), STRANGER) for form in forms_of(secret)}


def assert_silent(where: str, text: str) -> None:
    lowered = text.lower()
    for form in FORMS:
        at = lowered.find(form.lower())
        assert at < 0, f"{where}: …{text[max(0, at - 60) : at + len(form) + 20]}…"
    digest = re.search(r'response=\\?"?[0-9a-f]{32}', text)
    assert digest is None, f"{where}: {digest}"


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    hasten(monkeypatch)
    monkeypatch.setitem(probe.__kwdefaults__ or {}, "gap_s", 0.05)
    for name, value in SECRETS.items():
        monkeypatch.setenv(f"BDGW_TEST_{name}", value)


async def told(url: str) -> str:
    _, value, _ = await asyncio.to_thread(fetch, url, TOKEN)
    return value.decode() if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False)


def are_judged(sources: dict[str, Any]) -> bool:
    """The right accounts are in, by Basic and by Digest, and the wrong ones were refused."""
    return bool(sources) and all(
        sources[name]["state"] == "live"
        if name in ("good", "hashed")
        else "does not accept this user name and password" in sources[name]["reason"]
        for name in ("good", "bad", "hashed", "unhashed")
    )


async def test_nothing_that_a_gateway_says_holds_a_secret(tmp_path, mosquitto, capsys):
    broker = await mosquitto()
    seen = Watcher(broker.port)
    own = free_port()
    guarded = base_at("GUARDED", authentication="basic")
    digest = base_at("DIGEST", authentication="digest")
    accounts = dict.fromkeys(USERS, ACCOUNT)
    async with hostile_casters() as hostile, sim_caster(guarded, digest, accounts=accounts) as good:
        account = of_account(0, "ACCOUNT")
        text = (
            head(tmp_path, f'url = "{broker.url}"').replace(
                'anonymous = "read"',
                f'tokens = [{{ name = "ops", role = "operate", secret = {env("TOKEN")} }}]',
            )
            + from_caster("good", good, "GUARDED", *account)
            + from_caster("bad", good, "GUARDED", *of_account(1, "WRONG"))
            + from_caster("hashed", good, "DIGEST", *of_account(2, "ACCOUNT"))
            + from_caster("unhashed", good, "DIGEST", *of_account(3, "WRONG"))
            + "".join(
                correction(
                    f"h-{echo}",
                    f"ntrip://127.0.0.1:{caster.port}",
                    'mount = "BASE"',
                    f'version = "{1 if echo == "old" else 2}"',
                    'gga = { when = "never" }',
                    *account,
                )
                for echo, caster in hostile.items()
            )
            + correction("near", f"ntrip://127.0.0.1:{hostile['table'].port}", "nearest = true")
            + device("far", f"ntrip://127.0.0.1:{hostile['page'].port}/BASE", *account)
            + f'[caster]\nlisten = "127.0.0.1:{own}"\n'
            + f'[[caster.users]]\nname = "crew"\npassword = {env("CREW")}\n'
            + '[[caster.mounts]]\nname = "NET"\nsource = "correction:good"\n'
            + f'[[caster.mounts]]\nname = "PUSH"\nsource = "push"\npassword = {env("PUSH")}\n'
            + "".join(
                device(f"r-{name}", f"serial://{tmp_path}/{name}", f'correction = "{name}"')
                for name in (
                    "good",
                    "bad",
                    "hashed",
                    "unhashed",
                    "near",
                    *(f"h-{e}" for e in hostile),
                )
            )
        )
        set_up_logging("json", "debug")
        async with running(text) as run:
            api = f"{run.gateway.api_url}/api/v1"
            await until(lambda: all(each.heads for each in hostile.values()), "all were asked")
            await until(lambda: len(hostile["digest"].heads) > 1, "and Digest was tried")
            assert any("Digest username" in head for head in hostile["digest"].heads)
            answers = [await ask(own, request) for request in hostile_requests()]
            await until(lambda: seen.alarms("correction_lost"), "alarms")
            sources: dict[str, Any] = {}
            async with asyncio.timeout(PATIENCE_S):
                while not are_judged(sources):
                    shown = json.loads(await told(f"{api}/status"))
                    sources = {each["name"]: each for each in shown["corrections"]["sources"]}
            rest = [
                await told(f"{api}/status"),
                await told(f"{api}/corrections"),
                await told(f"{api}/openapi.json"),
            ]
        assert_silent("repr", repr(run.gateway))
    seen.close()
    out, errors = capsys.readouterr()
    assert '"level": "info"' in errors
    assert rest[0].count("***") > 5, "nobody has quoted what was echoed: this shows nothing"
    assert_silent("log", out + errors)
    for number, value in enumerate(rest):
        assert_silent(f"REST {number}", value)
    for message in seen.messages():
        assert_silent(f"MQTT {message.topic}", message.payload.decode())
    for request, answer in zip(hostile_requests(), answers, strict=True):
        assert_silent(f"answer to {request[:30]!r}", answer.decode("utf-8", "replace"))
    assert shown["caster"]["n_failed_logins"] >= 3


def hostile_requests() -> list[str]:
    """Passwords where they belong, and where clients put them by mistake."""
    pairs = ("crew", WRONG), ("crew", PUSH), ("stranger", STRANGER)
    basics = [base64.b64encode(f"{a}:{b}".encode()).decode() for a, b in pairs]
    tail = "Host: x\r\nNtrip-Version: Ntrip/2.0\r\nUser-Agent: NTRIP probe/1\r\n\r\n"
    return [
        *(f"GET /NET HTTP/1.1\r\nAuthorization: Basic {token}\r\n{tail}" for token in basics),
        f"GET /NET HTTP/1.0\r\nAuthorization: Bearer {STRANGER}\r\n\r\n",
        f"GET /NET HTTP/1.0\r\nAuthorization: Basic {STRANGER}\r\n\r\n",
        f"GET /NET?password={CREW} HTTP/1.1\r\n{tail}",
        f"GET http://crew:{CREW}@127.0.0.1/NET HTTP/1.1\r\n{tail}",
        f"GET /{PUSH} HTTP/1.1\r\n{tail}",
        f"SOURCE {STRANGER} /PUSH\r\n\r\n",
        f"SOURCE {CREW} PUSH\r\nSource-Agent: {PUSH}\r\n\r\n",
        f"SOURCE {PUSH} /NOWHERE\r\n\r\n",
        f"SOURCE {PUSH}\r\n\r\n",
        f"SOURCE\t{PUSH} /PUSH /PUSH x\r\n\r\n",
        f"POST /PUSH HTTP/1.1\r\nAuthorization: Basic {basics[2]}\r\n{tail}",
        f"{PUSH} /PUSH\r\n\r\n",
        f"PUT /{STRANGER} HTTP/1.1\r\nAuthorization: {CREW}\r\n\r\n",
        f"GET / HTTP/1.1\r\nAuthorization Basic {basics[0]}\r\n{tail}",
    ]


async def ask(port: int, request: str) -> bytes:
    async with dialled(port) as peer:
        await peer.ask(request)
        with contextlib.suppress(AssertionError):
            await until(lambda: peer.is_over, timeout_s=0.5)
        return peer.head + peer.data


def bdgw(*words: object) -> tuple[int, str]:
    """Run a command here; its status, and all that it printed."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["bdgw", *map(str, words)])
        with (
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
            pytest.raises(SystemExit) as ended,
        ):
            cli.main()
    return int(ended.value.code or 0), said.getvalue()


async def test_what_is_printed_of_a_hostile_caster_holds_no_secret():
    options = ("--user", USER, "--password-env", "BDGW_TEST_ACCOUNT")
    async with hostile_casters() as hostile:
        for echo, caster in hostile.items():
            url = f"ntrip://127.0.0.1:{caster.port}"
            for words in (("probe", f"{url}/BASE", "--seconds", 1), ("sourcetable", url)):
                code, said = await asyncio.to_thread(bdgw, "ntrip", *words, *options)
                assert_silent(f"{words[0]} of {echo}", said)
                assert code == (69 if words[0] == "probe" else 0), said
            assert any("Authorization" in head for head in caster.heads)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('{ env = "BDGW_TEST_ACCOUNT" }', f'"{ACCOUNT}"'), "password"),
        (('{ env = "BDGW_TEST_CREW" }', f'"{CREW}"'), "password"),
        (('{ env = "BDGW_TEST_PUSH" }', f'"{PUSH}"'), "password"),
        (('{ env = "BDGW_TEST_PUSH" }', f'{{ value = "{PUSH}" }}'), "password"),
        (("ntrip://", f"ntrip://{USER}:{ACCOUNT}@"), "no user or password"),
        (("ntrip://", f"ntrip://{ACCOUNT}@"), "no user or password"),
        (("[caster]", f'[caster]\npasword = "{CREW}"'), "pasword"),
        (("[caster]", f'[caster]\nlisten = "{CREW}"\n[broken'), "TOML"),
        (('name = "crew"', f'name = "crew"\npassword_scrypt = "scrypt$14$8$1${CREW}"'), ""),
        (('"BDGW_TEST_CREW"', '"BDGW_TEST_UNSET"'), "BDGW_TEST_UNSET"),
    ],
)
@pytest.mark.parametrize("command", ["check", "run"])
def test_a_wrong_configuration_is_78_and_repeats_no_secret(command, change, said, tmp_path):
    text = (
        head(tmp_path, 'url = "embedded"')
        + '[[correction]]\nname = "net"\nurl = "ntrip://caster.example.com"\nmount = "BASE"\n'
        + f'username = "{USER}"\npassword = {env("ACCOUNT")}\n'
        + '[caster]\nlisten = "127.0.0.1:0"\n'
        + f'[[caster.users]]\nname = "crew"\npassword = {env("CREW")}\n'
        + f'[[caster.mounts]]\nname = "PUSH"\nsource = "push"\npassword = {env("PUSH")}\n'
    )
    file = tmp_path / "gateway.toml"
    assert change[0] in text
    file.write_text(text.replace(*change))
    code, printed = bdgw(command, "-c", file)
    assert code == 78, printed
    assert said in printed
    assert_silent(command, printed)


def test_a_users_file_with_a_secret_in_it_is_refused_without_repeating_it(tmp_path):
    users = tmp_path / "users.toml"
    file = tmp_path / "gateway.toml"
    file.write_text(
        head(tmp_path, 'url = "embedded"')
        + f'[caster]\nlisten = "127.0.0.1:0"\nusers_file = "{users}"\nmounts = []\n'
    )
    for text in (
        f'[[users]]\nname = "crew"\npassword = "{CREW}"\n',
        f'[[users]]\nname = "crew"\npassword = "{CREW}\n',
        f'users = "{CREW}"\n',
    ):
        users.write_text(text)
        code, printed = bdgw("check", "-c", file)
        assert code == 78, printed
        assert "users.toml" in printed
        assert_silent("check", printed)
