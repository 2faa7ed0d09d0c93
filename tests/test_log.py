import io
import json
import sys

import structlog

from bdgw.log import set_up_logging


def test_a_line_is_one_json_object_with_its_fields(monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    set_up_logging("json", "info")
    structlog.get_logger().info("device_state", device="a", reason="端口")
    structlog.get_logger().debug("not_asked_for")
    (line,) = stream.getvalue().splitlines()
    value = json.loads(line)
    assert (value["event"], value["device"], value["level"]) == ("device_state", "a", "info")
    assert value["reason"] == "端口"


def test_a_log_that_nobody_reads_stops_nothing(monkeypatch):
    set_up_logging("console", "info")
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    structlog.get_logger().error("still_working")
