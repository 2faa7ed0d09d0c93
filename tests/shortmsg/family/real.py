"""The recorded frames beside the project: one object a line."""

import json
from typing import Any

from tests.conftest import shared_data


def real_frames() -> list[dict[str, Any]]:
    text = shared_data("rdss", "frames.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def data_of(entry: dict[str, Any]) -> bytes:
    return bytes.fromhex(entry["hex"])


def on_the_line(entry: dict[str, Any]) -> bytes:
    """With the line end that the file leaves out."""
    return data_of(entry) + (b"" if entry["family"] == "bd1-4.0" else b"\r\n")
