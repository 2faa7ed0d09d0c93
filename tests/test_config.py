"""The configuration: every shipped file, every message, and secrets that never show."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
import structlog
from pydantic import BaseModel

from bdgw import app, config, plan
from bdgw.config import Config, SecretConfig
from bdgw.errors import BdgwError, ConfigError
from bdgw.log import set_up_logging
from tests.app.rig import device, head, running
from tests.publish.brokers import free_port
from tests.support.gateway_process import ROOT, environment

CANARY = "canary-5b1f-do-not-show"
FLEET_KEYS = "1 c5eb652b616c886a40d3778c31848cd2"
SHIPPED = sorted(ROOT.joinpath("configs").glob("*.toml"))
BASE = '[gateway]\nid = "yp-01"\nstate_dir = "/var/lib/bdgw"\n'
EMBEDDED = BASE + '[broker]\nurl = "embedded"\n'
API = EMBEDDED + '[api]\nlisten = "127.0.0.1:0"\n'


def error_of(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        app.check(config.parse(text, name="field.toml"))
    return str(caught.value)


def a_device(*lines: str, url: str = "serial:///dev/ttyUSB0?baud=115200") -> str:
    return EMBEDDED + device("rover-1", url, *lines)


def a_terminal(*lines: str) -> str:
    return a_device('role = "terminal"') + "\n".join(["[shortmsg]", *lines, ""])


# Shipped files


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BDGW_FLEET_KEYS", FLEET_KEYS)
    for name in (
        "BDGW_MQTT_PASSWORD",
        "BDGW_TOKEN_DASHBOARD",
        "BDGW_TOKEN_OPS",
        "BDGW_CORS_PASSWORD",
        "BDGW_CASTER_CREW",
        "BDGW_PUSH_PASSWORD",
    ):
        monkeypatch.setenv(name, CANARY)


def test_there_are_shipped_files():
    assert {path.name for path in SHIPPED} >= {"minimal.toml", "field.toml"}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_file_passes_the_check(path: Path, secrets):
    done = subprocess.run(
        [sys.executable, "-m", "bdgw", "check", "-c", path],
        capture_output=True,
        env=environment(),
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert CANARY not in done.stdout
    assert FLEET_KEYS not in done.stdout


def test_the_full_example_shows_every_key(secrets):
    """What the file does not show, nobody finds."""
    text = ROOT.joinpath("configs", "field.toml").read_text(encoding="utf-8")
    missing = [name for name in keys_of(Config) if name not in text]
    assert missing == []


def keys_of(model: type[BaseModel]) -> set[str]:
    names = set()
    for name, field in model.model_fields.items():
        names.add(name)
        for part in (field.annotation, *get_args(field.annotation)):
            for inner in (part, *get_args(part)):
                if isinstance(inner, type) and issubclass(inner, BaseModel):
                    names |= keys_of(inner)
    return names


@pytest.mark.parametrize(
    "lines",
    [
        f'url = "postgresql://bdgw:{CANARY}@db/x"',
        f'url = "postgresql://db/x?password={CANARY}"',
        f'url = "postgresql://bdgw@db/x"\npassword = "{CANARY}"',
    ],
)
def test_the_password_of_the_database_does_not_stand_in_the_file(lines: str):
    error = error_of(f"{EMBEDDED}[store]\n{lines}\n")
    assert "store" in error
    assert "env" in error
    assert CANARY not in error


# Messages: file, key, value, what is allowed


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (BASE, ["broker: is missing"]),
        (API.replace("listen", "lisen"), ["api.lisen: unknown key", "did you mean 'listen'?"]),
        (EMBEDDED + "[[devcie]]\n", ["devcie: unknown key", "did you mean 'device'?"]),
        (EMBEDDED + "[quux]\n", ["quux: unknown key; known: gateway, broker, api"]),
        (a_device('role = "rover"'), ["device[1].role = 'rover'", "'receiver'", "'terminal'"]),
        (a_device('family = "bd3"'), ["device[1]", "family is for role"]),
        (a_device('role = "terminal"', 'frame = "CGCS2000"'), ["frame: not for a terminal"]),
        (a_device('role = "terminal"', 'family = "bd9"'), ["device[1].family = 'bd9'", "'bd3'"]),
        (a_device('role = "terminal"', url="udp-listen://:9000"), ["a terminal is on serial://"]),
        (EMBEDDED + "[shortmsg]\n", ["shortmsg: no device has role"]),
        (a_terminal("receipt_batchs = 1.0"), ["shortmsg.receipt_batchs", "'receipt_batch_s'"]),
        (
            a_terminal('permissions = [{ commands = ["stop"], senders = [0] }]'),
            ["shortmsg.permissions[1].senders[1]", "greater than or equal to 1"],
        ),
        (
            a_terminal('permissions = [{ commands = ["stop"], senders = [7] }]'),
            ["shortmsg.permissions[1]", "must say that it accepts unsealed"],
        ),
        (a_terminal("keep_bytes = 1"), ["shortmsg.keep_bytes = 1", "1048576"]),
        (
            a_terminal(
                'peers = [{ name = "a", addresses = [7] }, { name = "b", addresses = [7] }]'
            ),
            ["peer 'b': address 7 is also of 'a'"],
        ),
        (
            EMBEDDED + "[history]\nmax_age_days = 0\n",
            ["history.max_age_days = 0", "greater than 0"],
        ),
        (EMBEDDED + "[history]\nmax_size_mib = 1\n", ["history.max_size_mib = 1", "16"]),
        (EMBEDDED + '[store]\nurl = "mysql://x/y"\n', ["store", "postgresql://user@host"]),
        (a_device("silence_s = 0"), ["device[1].silence_s = 0", "greater than 0"]),
        (a_device("silence_s = nan"), ["device[1].silence_s = nan"]),
        (a_device("epoch = 2000.0"), ["device[1]", "epoch needs frame"]),
        (a_device('sky = "yes please"'), ["device[1].sky = 'yes please'"]),
        (a_device(url="serial:///dev/x?baud=9601x"), ["device 'rover-1'", "baud '9601x'"]),
        (a_device(url="serial:///dev/x?baud=1"), ["baud 1", "allowed: 50 to 12000000"]),
        (a_device(url="serial:///dev/x?parity=Q"), ["parity", "allowed: N, E, O, M, S"]),
        (a_device(url="carrier-pigeon://x"), ["carrier-pigeon", "serial, tcp, tcp-listen"]),
        (a_device(url="tcp://host"), ["the port is missing"]),
        (a_device(url="tcp://host:99999"), ["device 'rover-1'", "0 to 65535"]),
        (
            a_device('match = { registration = "x" }'),
            ["a match rule is for tcp-listen:// and udp-listen:// only"],
        ),
        (
            a_device("match = {}", url="tcp-listen://:9"),
            ["device[1].match", "exactly one of registration, registration_hex"],
        ),
        (
            a_device('match = { registration_hex = "xyz" }', url="tcp-listen://:9"),
            ["device 'rover-1'", "match.registration_hex = 'xyz'", "hexadecimal"],
        ),
        (
            a_device('match = { peer = "300.0.0.1" }', url="tcp-listen://:9"),
            ["device 'rover-1'", "match.peer", "300.0.0.1"],
        ),
        (a_device() + device("rover-1", "tcp://h:1"), ["device ids must differ: rover-1"]),
        (
            a_device() + device("b", "serial:///dev/ttyUSB0"),
            ["'rover-1'", "'b'", "both use serial:///dev/ttyUSB0"],
        ),
        (
            a_device(url="tcp-listen://:9") + device("b", "tcp-listen://:9"),
            ["shares its listener", "needs a match rule"],
        ),
        (
            EMBEDDED + '[[listener]]\nurl = "tcp-listen://:9"\n',
            ["no device uses the listener"],
        ),
        (
            EMBEDDED + '[[listener]]\nurl = "serial:///dev/x"\n',
            ["listener", "only tcp-listen:// and udp-listen:// are listeners"],
        ),
        (EMBEDDED.replace("yp-01", "yp/01"), ["gateway.id = 'yp/01'"]),
        (EMBEDDED.replace("yp-01", "x" * 65), ["gateway.id"]),
        (EMBEDDED.replace("/var/lib/bdgw", ""), ["gateway.state_dir", "folder"]),
        (EMBEDDED + 'version = "5"\n', ["broker", "speaks MQTT 3.1.1 only"]),
        (EMBEDDED + 'listen = "0.0.0.0:1883"\n', ["beyond this host needs a password"]),
        (EMBEDDED + 'listen = ":1883"\n', ["beyond this host needs a password"]),
        (EMBEDDED + 'listen = "127.0.0.1:70000"\n', ["broker.listen", "a port is 0 to 65535"]),
        (API.replace(":0", ":65536"), ["api.listen = '127.0.0.1:65536'", "0 to 65535"]),
        (BASE + '[broker]\nurl = "http://x"\n', ['"embedded", "mqtt://host:port"']),
        (BASE + '[broker]\nurl = "mqtt://h:1x"\n', ["broker url", "port is not a number"]),
        (BASE + '[broker]\nurl = "mqtt://h"\nversion = 5\n', ["broker.version = 5", "'3.1.1'"]),
        (BASE + '[broker]\nurl = "mqtt://h"\nlisten = ":1"\n', ["for the embedded broker only"]),
        (
            BASE + '[broker]\nurl = "mqtts://h"\ncert_file = "x"\n',
            ["cert_file and key_file go together"],
        ),
        ("[[[", ["not TOML", "line 1"]),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(text: str, parts: list[str]):
    shown = error_of(text)
    for part in parts:
        assert part in shown, shown


def test_all_mistakes_are_told_at_once_with_the_file():
    shown = error_of(BASE + '[broker]\nurl = "mqtt://h"\nverion = "5"\n[[device]]\nid = "a b"\n')
    lines = shown.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("field.toml: ") for line in lines)


def test_a_file_that_is_no_text(tmp_path: Path):
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"x\.toml: cannot be read"):
        config.load(path)


# Nothing physically true has a default


def test_what_is_physically_true_has_no_default():
    parsed = config.parse(a_device(), name="t").device[0]
    assert (parsed.frame, parsed.epoch, parsed.match) == (None, None, None)
    required = {
        name for name, field in config.DeviceConfig.model_fields.items() if field.is_required()
    }
    assert required == {"id", "url"}
    assert config.GatewayConfig.model_fields["id"].is_required()
    assert config.ApiConfig.model_fields["listen"].is_required()


def test_nobody_reads_without_being_asked():
    parsed = config.parse(API, name="t")
    assert parsed.api is not None
    assert (parsed.api.anonymous, parsed.api.tokens) == ("none", ())


# Secrets


def test_a_secret_by_environment_and_by_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("BDGW_TEST_SECRET", CANARY)
    assert SecretConfig(env="BDGW_TEST_SECRET").read().get_secret_value() == CANARY
    path = tmp_path / "secret"
    path.write_text(f"{CANARY}\n")
    assert SecretConfig(file=path).read().get_secret_value() == CANARY


@pytest.mark.parametrize("content", [b"", b"\n", b"x" * 5000, b"\xff\xfe", None])
def test_a_secret_that_is_none(content: bytes | None, tmp_path: Path):
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=str(path)):
        SecretConfig(file=path).read()


@pytest.mark.parametrize(
    "lines",
    [
        'tokens = [{ name = "ops", role = "admin", secret = { env = "BDGW_NOT_SET" } }]',
        'tokens = [{ name = "a", role = "read", secret = { env = "BDGW_TEST_SECRET" } },'
        ' { name = "ops", role = "admin", secret = { env = "BDGW_NOT_SET" } }]',
    ],
)
def test_a_missing_secret_names_its_key(lines: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BDGW_TEST_SECRET", CANARY)
    shown = error_of(API + lines)
    assert f"api.tokens[{lines.count('name')}].secret: " in shown
    assert "BDGW_NOT_SET" in shown


@pytest.mark.parametrize(
    "text",
    [
        API + f'tokens = [{{ name = "a", role = "read", secret = "{CANARY}" }}]',
        API + f'tokens = [{{ name = "a", role = "read", secret = {{ env = "{CANARY * 9}" }} }}]',
        API + f'tokens = [{{ name = "a", role = "read", secret = {{ value = "{CANARY}" }} }}]',
        API + f'tokens = [{{ name = "a", role = "read", sekret = "{CANARY}" }}]',
        API + f'tokens = ["{CANARY}"]',
        API + f'tokens = "{CANARY}"',
        API + f'token = "{CANARY}"',
        API + f'tokens = [{{ name = "a", role = "read", secret = "{CANARY} }}]',
        BASE + f'[broker]\nurl = "mqtt://h"\nusername = "u"\npassword = "{CANARY}"\n',
        BASE + f'[broker]\nurl = "mqtt://h"\nusername = "u"\npasword = "{CANARY}"\n',
        BASE + f'[broker]\nurl = "mqtt://u:{CANARY}@h:1883"\n',
        BASE + f'[broker]\nurl = "http://u:{CANARY}@h:1883"\n',
        BASE + f'[broker]\nurl = "mqtt://u:{CANARY}@h:1883x"\n',
        a_device(url=f"tcp://u:{CANARY}@h:2101"),
        a_device(url=f"ntrip://u:{CANARY}@h:2101/M"),
    ],
)
def test_a_secret_in_the_wrong_place_is_refused_and_not_repeated(text: str):
    assert CANARY not in error_of(text)


def chain_of(error: BaseException | None) -> str:
    shown = ""
    while error is not None:
        shown += f"{error!r} {error} {vars(error)}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return shown


async def test_a_secret_in_use_shows_nowhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    """Configuration, gateway, settings, status, logs at debug, and what a failure says."""
    monkeypatch.setenv("BDGW_TEST_SECRET", CANARY)
    text = head(
        tmp_path,
        f'url = "mqtt://127.0.0.1:{free_port()}"\n'
        'username = "u"\npassword = { env = "BDGW_TEST_SECRET" }',
    )
    text += 'tokens = [{ name = "ops", role = "admin", secret = { env = "BDGW_TEST_SECRET" } }]\n'
    log = io.StringIO()
    before = structlog.get_config()
    try:
        monkeypatch.setattr(sys, "stderr", log)
        set_up_logging("json", "debug")
        async with running(text + device("a", f"serial://{tmp_path}/none")) as run:
            full = await run.status_is(lambda s: s["mqtt"]["losses"] and s["devices"][0]["n_lost"])
            shown = repr(full) + repr(run.gateway.status and run.gateway.status.health())
    finally:
        structlog.configure(**before)
    assert "gateway_started" in log.getvalue()
    parsed = config.parse(text, name="t")
    shown += log.getvalue() + repr(parsed) + parsed.model_dump_json()
    shown += repr(plan.mqtt_settings(parsed, parsed.broker.url)) + repr(plan.api_tokens(parsed))
    monkeypatch.setenv("BDGW_TEST_SECRET", CANARY * 400)
    with pytest.raises(BdgwError) as caught:
        app.check(parsed)
    shown += chain_of(caught.value) + "".join(capfd.readouterr())
    assert CANARY not in shown


def test_an_embedded_broker_may_have_a_password(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BDGW_TEST_SECRET", CANARY)
    more = 'listen = "0.0.0.0:1883"\nusername = "u"\npassword = { env = "BDGW_TEST_SECRET" }\n'
    app.check(config.parse(EMBEDDED + more, name="t"))
    assert "a password needs a username" in error_of(
        EMBEDDED + 'password = { env = "BDGW_TEST_SECRET" }\n'
    )


def as_dict(value: BaseModel) -> dict[str, Any]:
    return value.model_dump()


def test_a_configuration_cannot_be_changed_in_use():
    parsed = config.parse(EMBEDDED, name="t")
    before = as_dict(parsed)
    with pytest.raises(ValueError, match="frozen"):
        parsed.gateway.id = "other"
    assert as_dict(parsed) == before
