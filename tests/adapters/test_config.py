"""The configuration of adapters: what is refused names the key, and nothing true has a default."""

from __future__ import annotations

import pytest

from bdgw import app, config
from bdgw.adapters.spec import Edition, GpsdSpec, Jt808Spec, OwnTracksSpec
from bdgw.config.adapter import ADAPTER_KINDS, Jt808TerminalConfig
from bdgw.errors import ConfigError
from bdgw.plan import adapter_specs
from tests.support.gateway_process import ROOT

HEAD = """
[gateway]
id = "yp-01"
state_dir = "/var/lib/bdgw"
[broker]
url = "embedded"
[[device]]
id = "rover-1"
url = "tcp://192.0.2.17:5017"
frame = "CGCS2000"
[[device]]
id = "gauge-2"
url = "tcp://192.0.2.18:5017"
"""
TERMINAL = (
    'device = "rover-1", phone = "13800138000", terminal_id = "BD00001", maker_id = "70111", '
    'model = "R1", acc_on = true'
)


def adapter(kind: str, *lines: str) -> str:
    return HEAD + "\n".join(("[[adapter]]", f'kind = "{kind}"', *lines, ""))


def jt808(terminal: str = TERMINAL, *lines: str, version: str = "2013") -> str:
    return adapter(
        "jt808",
        'url = "tcp://platform.example.com:8808"',
        f'version = "{version}"',
        f"terminals = [{{ {terminal} }}]",
        *lines,
    )


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (HEAD + "[[adapter]]\n", ["adapter[1].kind: is missing", "gpsd, owntracks"]),
        (adapter("gopher"), ["adapter[1]", "'gopher'", "'gpsd', 'owntracks'"]),
        (
            adapter("gpsd", 'lisen = "127.0.0.1:1"'),
            ["adapter[1].lisen: unknown key", "did you mean 'listen'?", "max_clients"],
        ),
        (HEAD + "[gpsd]\n", ["gpsd: unknown key; known: gateway"]),
        (adapter("gpsd", 'binary = "x"'), ["adapter[1].binary: unknown key; known: name"]),
        (adapter("gpsd", 'prefix = "x"'), ["adapter[1].prefix: unknown key"]),
        (adapter("gpsd", 'listen = "127.0.0.1:99999"'), ["adapter[1].listen", "65535"]),
        (adapter("gpsd", 'devices = ["rover-9"]'), ["'rover-9' does not exist", "'rover-1'"]),
        (
            adapter("gpsd") + '[[adapter]]\nkind = "gpsd"\n',
            ["adapter names must differ: gpsd stands there twice"],
        ),
        # Formats that are for WGS 84.
        (adapter("owntracks"), ["'owntracks'", "'gauge-2' has no frame"]),
        (adapter("homeassistant"), ["'homeassistant'", "'gauge-2' has no frame"]),
        (
            adapter("geojson", 'devices = ["rover-1"]'),
            ["'rover-1' is in CGCS2000: GeoJSON is WGS 84"],
        ),
        (jt808(TERMINAL.replace("rover-1", "gauge-2")), ["'gauge-2' has no frame"]),
        # What a platform knows of a terminal.
        (jt808(TERMINAL.replace(", acc_on = true", "")), ["terminals[1].acc_on: is missing"]),
        (
            jt808(TERMINAL.replace('phone = "13800138000", ', "")),
            ["adapter[1].terminals[1].phone: is missing"],
        ),
        (jt808(TERMINAL.replace("13800138000", "+86138")), ["terminals[1].phone = '+86138'"]),
        (jt808(TERMINAL.replace("BD00001", "BD000001")), ["terminal_id has at most 7"]),
        (jt808(version="2019"), ["the 2019 edition asks for imei"]),
        (jt808(version="2011"), ["adapter[1].version", "'2013' or '2019'"]),
        (jt808(TERMINAL + ', plate = "沪A12345"'), ["plate and plate_color go together"]),
        (
            jt808(TERMINAL + ', plate = "😀", plate_color = 2'),
            ["'rover-1'", "GBK has no such character"],
        ),
        (jt808(f"{TERMINAL} }}, {{ {TERMINAL}"), ["a device is one terminal only"]),
        (
            jt808().replace("tcp://platform.example.com:8808", "tcp://platform.example.com"),
            ["adapter 'jt808'", "tcp://host:port is needed"],
        ),
        (
            jt808().replace("platform.example.com", "platform..example"),
            ["adapter 'jt808'", "tcp://host:port is needed"],
        ),
        (
            jt808(TERMINAL + ', auth_code = "canary"'),
            ["terminals[1].auth_code: a secret is written as"],
        ),
    ],
)
def test_what_is_wrong_is_named(text: str, parts: list[str]):
    with pytest.raises(ConfigError) as caught:
        app.check(config.parse(text, name="field.toml"))
    message = str(caught.value)
    for part in parts:
        assert part in message
    assert "canary" not in message


def test_what_is_left_out_is_as_documented():
    text = adapter("gpsd") + '[[adapter]]\nkind = "owntracks"\ndevices = ["rover-1"]\n'
    gpsd, owntracks = adapter_specs(config.parse(text, name="t"))
    assert gpsd == GpsdSpec(
        name="gpsd", devices=("rover-1", "gauge-2"), host="127.0.0.1", port=2947
    )
    assert owntracks == OwnTracksSpec(
        name="owntracks", devices=("rover-1",), user="yp-01", period_s=1.0
    )


def test_a_platform(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BDGW_JT808_CODE", "given")
    text = jt808(TERMINAL + ', auth_code = { env = "BDGW_JT808_CODE" }')
    (spec,) = adapter_specs(config.parse(text, name="t"))
    assert isinstance(spec, Jt808Spec)
    assert (spec.host, spec.port) == ("platform.example.com", 8808)
    assert (spec.edition, spec.is_gcj02) == (Edition.Y2013, False)
    assert spec.terminals[0].auth_code == "given"
    assert "given" not in repr(config.parse(text, name="t"))


@pytest.mark.parametrize("place", ["configs/field.toml", "docs/configuration.md"])
def test_every_key_is_shown(place: str):
    text = (ROOT / place).read_text(encoding="utf-8")
    keys = {name for kind in ADAPTER_KINDS.values() for name in kind.model_fields}
    assert [key for key in keys | set(Jt808TerminalConfig.model_fields) if key not in text] == []


def test_without_adapters_there_are_none():
    assert adapter_specs(config.parse(HEAD, name="t")) == []
