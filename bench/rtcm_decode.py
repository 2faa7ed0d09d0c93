"""RTCM 3 observations to numbers: bdgw against pyrtcm, on the same recorded frames in one process.

Both get frames whose checksums are proven, and both end with every number scaled; a figure of
its own has the checksum in it, as pyrtcm's reader does by itself.
bdgw also puts them together: pseudorange in metres, phase in cycles, Doppler in hertz. pyrtcm
leaves that to its caller; what it costs there, in plain Python, is a figure of its own. Before
any timing the results of every frame are compared. Decoders take turns on slices of the frames;
a decoder's time is the sum over the slices of its best round. bdgw remembers what masks mean, and
streams repeat theirs; a last figure empties that memory before each frame.
"""

from __future__ import annotations

import gzip
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

from pyrtcm import RTCMMessage, RTCMReader

from bdgw.rtcm import cell, decode, msm, signal
from bdgw.rtcm.frame import message_number
from bdgw.rtcm.observation import Observations
from bdgw.stream import Decoded, StreamDecoder
from bdgw.wire.checksum import crc24q
from bench import corpus
from bench.figure import Figure, Options, figure

_FOLDER = corpus.LOGS.parent / "rtcm3"
_CAPTURES = (
    "msm.rtcm",
    "sept.rtcm",
    "missing-beidou-STR17.rtcm3.gz",
    "trimble.rtcm",
    "dropped-packets-STR24.rtcm3.gz",
)
_LEVELS = (7, 4)
_TARGET = 20.0
_FRAMES = 1500
_QUICK_FRAMES = 300
_ROUNDS = 3
_SLICE_FRAMES = 200
_LIGHT_MS_M = 299_792.458
_TOLERANCE_M = 1e-6

Pass = Callable[[list[bytes]], int]


def run(options: Options) -> Iterator[Figure]:
    found = _recorded()
    for level in _LEVELS:
        frames = found.get(level, [])
        most = _QUICK_FRAMES if options.quick else _FRAMES
        frames = frames[:: max(1, len(frames) // most)]
        if frames:
            yield from _compare(level, frames)


def _recorded() -> dict[int, list[bytes]]:
    """MSM of the captures by level; empty where the captures are not there."""
    found: dict[int, list[bytes]] = {}
    for name in _CAPTURES:
        path = _FOLDER / name
        if not path.exists():
            continue
        data = path.read_bytes()
        decoder = StreamDecoder(protocols=("rtcm3",))
        decoder.receive(gzip.decompress(data) if path.suffix == ".gz" else data, now=0.0)
        decoder.receive(b"", now=0.0)
        for item in decoder.events():
            if isinstance(item, Decoded):
                number = message_number(item.frame.data) or 0
                if 1071 <= number <= 1137:
                    found.setdefault(number % 10, []).append(item.frame.data)
    return found


def bdgw(frames: list[bytes]) -> int:
    count = 0
    for frame in frames:
        message = decode(frame)
        assert isinstance(message, Observations)
        count += len(message.phase_cycles) + len(message.doppler_hz)
    return count


def bdgw_without_memory(frames: list[bytes]) -> int:
    count = 0
    for frame in frames:
        _forget()
        count += bdgw([frame])
    return count


def bdgw_with_checksum(frames: list[bytes]) -> int:
    return bdgw([frame for frame in frames if crc24q(frame) == 0])


def pyrtcm(frames: list[bytes]) -> int:
    return sum(2 * RTCMMessage(payload=frame[3:-3]).NCell for frame in frames)


def pyrtcm_with_checksum(frames: list[bytes]) -> int:
    return sum(2 * RTCMReader.parse(frame).NCell for frame in frames)


def pyrtcm_put_together(frames: list[bytes]) -> int:
    return sum(2 * len(_put_together(RTCMMessage(payload=frame[3:-3]))) for frame in frames)


_PASSES: dict[str, Pass] = {
    "bdgw": bdgw,
    "bdgw, with checksum": bdgw_with_checksum,
    "bdgw, no memory": bdgw_without_memory,
    "pyrtcm": pyrtcm,
    "pyrtcm, with checksum": pyrtcm_with_checksum,
    "pyrtcm, ranges put together": pyrtcm_put_together,
}
_ALONE = "bdgw, no memory"
"""It empties what the others remember, so it does not take turns with them."""
_GOAL = ("bdgw", "pyrtcm")
_PAIRS = (
    _GOAL,
    ("bdgw", "pyrtcm, ranges put together"),
    ("bdgw, with checksum", "pyrtcm, with checksum"),
    (_ALONE, "pyrtcm"),
)


_CACHES = [
    value
    for module in (cell, msm, signal)
    for value in vars(module).values()
    if hasattr(value, "cache_clear")
]


def _forget() -> None:
    for cache in _CACHES:
        cache.cache_clear()


def _put_together(parsed: Any) -> list[tuple[Any, ...]]:
    """Satellite, signal, pseudorange, phase range (m) and rate (m/s) of each cell, NaN if absent.

    Written the quickest plain way found; wavelengths are left out, in favour of pyrtcm.
    """
    fields = parsed.__dict__
    is_fine = "DF405_01" in fields
    code, phase = ("DF405", "DF406") if is_fine else ("DF400", "DF401")
    no_code = -(2.0**-10)
    no_phase = -(2.0**-8)
    rough: dict[str, tuple[float, float]] = {}
    for i in range(1, parsed.NSat + 1):
        whole = fields[f"DF397_{i:02d}"]
        rate = fields.get(f"DF399_{i:02d}", -8192)
        rough[fields[f"PRN_{i:02d}"]] = (
            math.nan if whole == 255 else whole + fields[f"DF398_{i:02d}"],
            math.nan if rate == -8192 else rate,
        )
    cells = []
    for i in range(1, parsed.NCell + 1):
        suffix = f"_{i:02d}"
        satellite = fields["CELLPRN" + suffix]
        range_ms, rate = rough[satellite]
        fine_code, fine_phase = fields[code + suffix], fields[phase + suffix]
        fine_rate = fields.get("DF404" + suffix, -1.6384)
        cells.append(
            (
                satellite,
                fields["CELLSIG" + suffix],
                math.nan if fine_code == no_code else (range_ms + fine_code) * _LIGHT_MS_M,
                math.nan if fine_phase == no_phase else (range_ms + fine_phase) * _LIGHT_MS_M,
                math.nan if fine_rate == -1.6384 else rate + fine_rate,
            )
        )
    return cells


def _agrees(frame: bytes) -> bool:
    ours = decode(frame)
    theirs = _put_together(RTCMMessage(payload=frame[3:-3]))
    if not isinstance(ours, Observations) or ours.n_cells != len(theirs):
        return False
    return all(
        _same(mine, theirs[i][column])
        for column, values in enumerate(
            (ours.pseudorange_m, ours.phase_range_m, ours.phase_rate_m_s), 2
        )
        for i, mine in enumerate(values.tolist())
    ) and all(ours.signals[which].code == theirs[i][1] for i, which in enumerate(ours.signal_index))


def _same(mine: float, other: float) -> bool:
    return math.isnan(mine) == math.isnan(other) and not abs(mine - other) > _TOLERANCE_M


def _take_turns(slices: list[list[bytes]], names: tuple[str, ...]) -> dict[str, tuple[float, int]]:
    """CPU seconds of the best rounds, and how many numbers a round gave."""
    best_s = {name: [math.inf] * len(slices) for name in names}
    counts = dict.fromkeys(names, 0)
    for turn in range(_ROUNDS):
        for i, part in enumerate(slices):
            for name in names:
                began_s = time.process_time()
                count = _PASSES[name](part)
                best_s[name][i] = min(best_s[name][i], time.process_time() - began_s)
                counts[name] += count if turn == 0 else 0
    return {name: (sum(best_s[name]), counts[name]) for name in names}


def _compare(level: int, frames: list[bytes]) -> Iterator[Figure]:
    differing = sum(not _agrees(frame) for frame in frames)
    slices = [frames[i : i + _SLICE_FRAMES] for i in range(0, len(frames), _SLICE_FRAMES)]
    total_s: dict[str, float] = {}
    counts: dict[str, int] = {}
    together = tuple(name for name in _PASSES if name != _ALONE)
    for names in (together, (_ALONE,)):
        for name, (seconds, count) in _take_turns(slices, names).items():
            total_s[name], counts[name] = seconds, count
    n = len(frames)
    work: dict[str, Any] = {
        "frames": n,
        "bytes_per_frame": round(sum(map(len, frames)) / n),
        "cells_per_frame": round(counts["pyrtcm"] / 2 / n, 1),
        "differing": differing,
        "rounds": _ROUNDS,
    }
    is_done = differing == 0 and len(set(counts.values())) == 1
    for ours, peer in _PAIRS:
        ratio = total_s[peer] / total_s[ours]
        is_goal = (ours, peer) == _GOAL
        yield figure(
            "rtcm",
            f"MSM{level}{ours.removeprefix('bdgw')}",
            n / total_s[ours],
            "frames/s",
            peer=peer,
            peer_value=n / total_s[peer],
            ratio=ratio,
            target=f">= {_TARGET:g} x" if is_goal else None,
            met=ratio >= _TARGET if is_goal else None,
            ok=is_done,
            us_per_frame=round(total_s[ours] / n * 1e6, 1),
            **work,
        )
