"""What every test may use: where the recorded captures are, and what to do without them."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"

settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("desk", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


def shared_data(*parts: str) -> Path:
    """Give the path of a recorded capture, or skip; with BDGW_REQUIRE=1 absence is a failure."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        reason = f"the recorded data {'/'.join(parts)} is not beside the project"
        if os.environ.get("BDGW_REQUIRE") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def read_capture(path: Path) -> bytes:
    """Read a capture, unpacked."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Let no test leave its logging to the next."""
    yield
    structlog.reset_defaults()
