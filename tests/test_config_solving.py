"""Who solves: what the configuration takes, what it refuses, and what the room is told."""

from __future__ import annotations

import re

import pytest

from bdgw import config
from bdgw.errors import ConfigError
from bdgw.plan import solver_specs
from bdgw.solving import HeadingSpec, SolveMode

HEAD = """
[gateway]
id = "g"
state_dir = "/tmp/g"
[broker]
url = "mqtt://127.0.0.1"
[[correction]]
name = "site"
url = "device://base"
[[device]]
id = "base"
url = "tcp://127.0.0.1:1"
role = "base"
"""


def parsed(*lines: str, url: str = "tcp://127.0.0.1:2") -> config.Config:
    device = "\n".join(["[[device]]", 'id = "rover"', f'url = "{url}"', *lines])
    return config.parse(HEAD + device, name="c.toml")


def test_the_receiver_solves_unless_something_else_is_said():
    assert solver_specs(parsed()) == []


@pytest.mark.parametrize("mode", ["gateway", "both"])
def test_the_room_is_told_how(mode: str):
    (spec,) = solver_specs(
        parsed(f'solve = "{mode}"', 'correction = "site"', "rtk = { static = true, wait_s = 0 }")
    )
    assert (spec.device, spec.mode, spec.has_base) == ("rover", SolveMode(mode), True)
    assert (spec.is_static, spec.wait_s, spec.max_age_s, spec.mask_deg) == (True, 0.0, 5.0, 15.0)


def test_without_a_correction_there_is_no_base():
    (spec,) = solver_specs(parsed('solve = "gateway"'))
    assert not spec.has_base


def test_the_room_is_told_of_a_heading():
    (spec,) = solver_specs(
        parsed(
            'solve = "gateway"',
            'heading = { from = "base", baseline_m = 1.23, offset_deg = -90 }',
        )
    )
    assert spec.heading == HeadingSpec(device="base", baseline_m=1.23, offset_deg=-90.0)


ANTEX = HEAD.replace('id = "g"', 'id = "g"\nantex = "/etc/bdgw/igs20.atx"')


def test_the_room_is_told_of_antennas():
    text = "\n".join(
        [
            ANTEX,
            'antenna = { type = "LEIAR25.R3 LEIT" }',
            "[[device]]",
            'id = "rover"',
            'url = "tcp://127.0.0.1:2"',
            'solve = "gateway"',
            'antenna = { type = "TRM59800.00 NONE", height_m = 1.8 }',
            'heading = { from = "base" }',
        ]
    )
    (spec,) = solver_specs(config.parse(text, name="c.toml"))
    assert (spec.antenna, spec.antenna_height_m) == ("TRM59800.00 NONE", 1.8)
    assert spec.antex == "/etc/bdgw/igs20.atx"
    assert spec.heading is not None
    assert spec.heading.antenna == "LEIAR25.R3 LEIT"


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (('solve = "gateway"', 'antenna = { type = "X" }'), "antenna.type needs gateway.antex"),
        (('solve = "both"', "antenna = { height_m = 1 }"), "height_m: only with solve"),
        (("antenna = { height_m = 1 }",), "height_m: only with solve"),
        (('solve = "gateway"', "antenna = { height_m = -1 }"), "antenna.height_m"),
        (('solve = "gateway"', "antenna = { hight_m = 1 }"), "did you mean 'height_m'"),
    ],
)
def test_an_antenna_that_cannot_be_is_refused(lines: tuple[str, ...], why: str):
    with pytest.raises(ConfigError, match=re.escape(why)):
        parsed(*lines)


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (('heading = { from = "base" }',), "heading: only with solve"),
        (('solve = "gateway"', 'heading = { from = "bose" }'), "did you mean 'base'"),
        (('solve = "gateway"', 'heading = { from = "rover" }'), "'rover' does not exist"),
        (('solve = "gateway"', 'heading = { form = "base" }'), "did you mean 'from'"),
        (('solve = "gateway"', "heading = { baseline_m = 1 }"), "heading.from: is missing"),
        (('solve = "gateway"', 'heading = { from = "base", baseline_m = 0 }'), "baseline_m"),
    ],
)
def test_a_heading_that_cannot_be_is_refused(lines: tuple[str, ...], why: str):
    with pytest.raises(ConfigError, match=re.escape(why)):
        parsed(*lines)


@pytest.mark.parametrize(
    ("lines", "url", "why"),
    [
        (('solve = "nobody"',), "tcp://127.0.0.1:2", "'receiver', 'gateway' or 'both'"),
        (("rtk = { static = true }",), "tcp://127.0.0.1:2", "rtk: only with solve"),
        (('solve = "both"', 'role = "base"'), "tcp://127.0.0.1:2", "solve: only a device with"),
        (('solve = "gateway"',), "file:///tmp/a.rtcm", 'solved with "bdgw rtk"'),
        (('solve = "gateway"', "rtk = { max_age_s = 60 }"), "tcp://127.0.0.1:2", "max_age_s"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(lines, url: str, why: str):
    with pytest.raises(ConfigError, match=why):
        parsed(*lines, url=url)
