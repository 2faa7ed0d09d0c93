"""RTKLIB's ``rnx2rtkp`` (Debian ``rtklib``) on the same recordings, as the yardstick."""

from __future__ import annotations

import gzip
import math
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bdgw.geodesy import Ecef
from bdgw.rinex.compact import is_compact, plain_lines

PROGRAM = "rnx2rtkp"


@dataclass(frozen=True)
class Position:
    """One line of its output; ``quality`` 1 is fixed, 2 float, 4 differential, 5 single."""

    tow_s: float
    ecef_m: Ecef
    quality: int


def is_there() -> bool:
    return shutil.which(PROGRAM) is not None


def plain(source: Path, folder: Path) -> Path:
    """Unpack a RINEX file, compact or not; others are given back as they are."""
    data = source.read_bytes()
    if source.suffix == ".gz":
        data = gzip.decompress(data)
    text = data.decode("latin-1")
    lines = text.removesuffix("\n").split("\n")
    if is_compact(lines[0]):
        text = "\n".join(plain_lines(line.rstrip("\r") for line in lines)) + "\n"
    name = source.name.removesuffix(".gz")
    target = folder / (name.removesuffix(".crx") + ".obs" if name.endswith(".crx") else name)
    target.write_text(text, encoding="latin-1")
    return target


def observations_of_ubx(source: Path, folder: Path) -> list[Path]:
    """Turn a UBX log into RINEX with RTKLIB's own ``convbin``."""
    raw = folder / source.name.removesuffix(".gz")
    raw.write_bytes(gzip.decompress(source.read_bytes()))
    obs, nav = raw.with_suffix(".obs"), raw.with_suffix(".nav")
    subprocess.run(
        ["convbin", "-r", "ubx", "-v", "3.04", "-o", obs, "-n", nav, raw],
        check=True,
        capture_output=True,
    )
    return [obs, nav]


def run(
    files: list[Path],
    folder: Path,
    *,
    mode: str,
    mask_deg: float,
    systems: int,
    base_m: Ecef | None,
) -> tuple[list[Position], float]:
    """Solve forward; give the positions and the CPU time in seconds, reading included."""
    conf, out = folder / "run.conf", folder / "run.pos"
    lines = [
        f"pos1-posmode={mode}",
        "pos1-frequency=l1+l2",
        "pos1-soltype=forward",
        f"pos1-elmask={mask_deg}",
        "pos1-ionoopt=brdc",
        "pos1-tropopt=saas",
        "pos1-sateph=brdc",
        f"pos1-navsys={systems}",
        "pos2-armode=continuous",
        "pos2-gloarmode=on",
        "pos2-bdsarmode=on",
        "pos2-arthres=3",
        "stats-eratio1=100",
        "stats-eratio2=100",
        "out-solformat=xyz",
        "out-timesys=gpst",
        "out-timeform=tow",
    ]
    if base_m is not None:
        lines.append("ant2-postype=xyz")
        lines += [f"ant2-pos{k + 1}={value:.4f}" for k, value in enumerate(base_m)]
    conf.write_text("\n".join(lines) + "\n", encoding="ascii")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([PROGRAM, "-k", conf, "-o", out, *files], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    found = []
    for line in out.read_text(encoding="latin-1").splitlines():
        words = line.split()
        if line.startswith("%") or len(words) < 6:
            continue
        x, y, z = (float(word) for word in words[2:5])
        if math.isfinite(x + y + z):
            found.append(Position(float(words[1]), (x, y, z), int(words[5])))
    return found, spent_s
