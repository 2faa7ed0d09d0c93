"""``bdgw shortmsg``: what a text costs, and what a frame says."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import shared_data
from tests.support.gateway_process import environment

REAL_TXSQ = "2454585351001600000044000000002000c4e3bac306"
"""汉字 "你好" to address 0 (RDSS digest 3.5)."""


def shortmsg(*arguments: str) -> subprocess.CompletedProcess[str]:
    return bdgw("shortmsg", *arguments)


def bdgw(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bdgw", *arguments],
        capture_output=True,
        env=environment(),
        text=True,
        check=False,
    )


def encoded(text: str, family: str, *more: str) -> dict[str, Any]:
    done = shortmsg("encode", "--family", family, "--to", "0", "--card-level", "3", *more, text)
    assert (done.returncode, done.stderr) == (0, "")
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def test_a_text_becomes_the_frame_of_the_reference():
    value = encoded("你好", "bd1-4.0")
    assert value["frames_hex"] == [REAL_TXSQ]
    assert (value["form"], value["bits"], value["limit_bits"], value["slots"]) == (
        "hanzi",
        28,
        628,
        1,
    )


def test_what_does_not_fit_tells_its_slots_and_makes_no_frame():
    # 120 characters are 241 bytes with their kind, and 5 of check; 78-byte units carry 72 each.
    value = encoded("浪" * 120, "bd1-4.0")
    assert value["slots"] == 4
    assert "frames_hex" not in value


def test_what_gbk_does_not_hold_is_refused_by_name():
    done = shortmsg("encode", "--family", "bd3", "--to", "1", "--card-level", "2", "a😀")
    assert (done.returncode, done.stdout) == (64, "")
    assert "U+1F600" in done.stderr


def test_a_frame_is_told_with_what_it_means():
    done = shortmsg("decode", b"$BDFKI,DWA,N,Y,0,0058*16\r\n".hex(), "zz")
    first = json.loads(done.stdout.splitlines()[0])
    assert first["events"] == [
        {"event": "Refused", "command": "DWA", "reason": "too_early", "wait_s": 58, "raw_reason": 0}
    ]
    assert done.returncode == 64
    assert "not hexadecimal" in done.stderr


@pytest.mark.capture
def test_every_good_frame_of_the_collection_is_understood_in_its_family():
    text = shared_data("rdss", "frames.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    good = [row for row in rows if row["checksum_ok"]]
    for family in {row["family"] for row in good}:
        frames = [row["hex"] for row in good if row["family"] == family]
        done = shortmsg("decode", "--family", family, *frames)
        assert (done.returncode, done.stderr) == (0, "")
        values = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(values) == len(frames)
        assert {value["protocol"] for value in values} == {family}
        errors = [value for value in values if "error" in value]
        # A 12-bit code frame that has no content is well summed up and makes no sense.
        assert len(errors) == (1 if family == "bd1-4.0" else 0)


def test_a_capture_of_a_terminal_is_decoded_and_counted(tmp_path):
    """Two frames of the 4.0 and 2.1 references, with noise and a damaged one between them."""
    card = bytes.fromhex("2458545a4a000d000000000035")
    line = b"$BDFKI,DWA,N,Y,0,0058*16\r\n"
    capture = tmp_path / "box.bin"
    capture.write_bytes(b"boot v1\r\n" + card + card[:-1] + b"\x00" + line)
    old = json.loads(bdgw("decode", str(capture), "--as", "bd1-4.0", "--stats").stdout)
    assert old["bytes"] == len(capture.read_bytes())
    assert old["decoded_bytes"] + old["skipped_bytes"] == old["bytes"]
    assert sum(old["events"].values()) == 1
    lines = [
        json.loads(text)
        for text in bdgw("decode", str(capture), "--as", "bd2-2.1").stdout.splitlines()
    ]
    (feedback,) = [each for each in lines if each.get("type") == "Feedback"]
    assert feedback["events"][0]["reason"] == "too_early"
    assert sum(each["length"] for each in lines) == len(capture.read_bytes())
