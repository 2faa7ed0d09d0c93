"""The mixed files that decoders are measured on: simulated receivers, and recorded logs."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import reduce
from operator import xor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOGS = ROOT.parent / "shared" / "data" / "gnss" / "gpsd"
KINDS = (b"GGA", b"RMC", b"GSV", b"GSA", b"GST")
_SENTENCE = re.compile(rb"\$([A-Z]{2}(?:GGA|RMC|GSV|GSA|GST),[ -)+-~]*)\*([0-9A-F]{2})(?=\r?\n)")
_ADDRESS_BYTES = 5
_START = "2026-11-22T08:00:00Z"
_SIMULATED = (
    "name=a,rate_hz=1,track=circle,dialect=4.11,order=ublox,quality=rtk_fixed",
    "name=b,rate_hz=5,track=line,dialect=4.11,order=unicore,quality=rtk_float",
    "name=c,rate_hz=1,track=line,dialect=4.10,order=skytraq,quality=single",
    "name=d,rate_hz=1,track=circle,dialect=old-bd,order=mtk,quality=dgnss",
    "name=e,rate_hz=1,track=line,dialect=2.3,order=trimble,quality=single",
)


def simulated(folder: Path, *, seconds: int) -> list[bytes]:
    """Sentences of five moving receivers of five dialects."""
    command = [sys.executable, "-m", "fwsim", "run", "--fast", "--seed", "7", "--start", _START]
    command += ["--seconds", str(seconds)]
    files = [folder / f"{index}.nmea" for index in range(len(_SIMULATED))]
    for device, file in zip(_SIMULATED, files, strict=True):
        command += ["--device", f"{device},port=file:{file},sentences=GGA+RMC+GSA+GSV+GST"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    # One receiver after the other, as a stream is of one receiver.
    return [line for file in files for line in file.read_bytes().splitlines(keepends=True)]


def recorded() -> list[bytes]:
    """Whole sentences of the same kinds out of the recorded logs; empty where there are none."""
    return [line for path in sorted(LOGS.glob("*.log")) for line in _sentences(path.read_bytes())]


def _sentences(data: bytes) -> Iterator[bytes]:
    for match in _SENTENCE.finditer(data):
        text, checksum = match.groups()
        if reduce(xor, text) == int(checksum, 16):
            yield match.group() + b"\r\n"


def kinds(lines: list[bytes]) -> dict[str, int]:
    """How many sentences of each kind."""
    counts = dict.fromkeys((kind.decode() for kind in KINDS), 0)
    for line in lines:
        counts[line[3 : _ADDRESS_BYTES + 1].decode()] += 1
    return counts
