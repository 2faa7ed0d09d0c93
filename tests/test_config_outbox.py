import pytest

from bdgw import config, plan
from bdgw.errors import ConfigError
from bdgw.publish.outbox_pace import Bounds, LanePace

HEAD = """
[gateway]
id = "yp-01"
state_dir = "/tmp/x"
[broker]
url = "embedded"
"""


def test_the_defaults_are_those_of_the_outbox():
    parsed = config.parse(HEAD, name="test")
    assert plan.outbox_bounds(parsed) == Bounds()
    assert plan.outbox_pace(parsed) == LanePace()
    assert str(plan.outbox_path(parsed)) == "/tmp/x/outbox.db"


def test_every_key_reaches_the_outbox():
    text = """
    [outbox]
    max_bytes = 5_000_000
    max_items = 5000
    max_age_s = 3600
    commit_interval_ms = 500
    backlog_after_s = 5.0
    history_per_s = 50
    """
    parsed = config.parse(HEAD + text, name="test")
    bounds = plan.outbox_bounds(parsed)
    assert (bounds.max_items, bounds.max_bytes, bounds.max_age_s) == (5000, 5_000_000, 3600.0)
    pace = plan.outbox_pace(parsed)
    assert (pace.lag_s, pace.backlog_after_s, pace.history_per_s) == (0.5, 5.0, 50.0)


@pytest.mark.parametrize(
    "line", ["max_bytes = 1000", "max_items = 1", "max_age_s = 0", "history_per_s = 0"]
)
def test_what_makes_no_sense_is_refused_by_name(line):
    with pytest.raises(ConfigError, match=f"outbox.{line.split()[0]}"):
        config.parse(f"{HEAD}[outbox]\n{line}\n", name="test")
