"""NMEA to typed values against pynmeagps and pynmea2, on the same file in the same run.

Before any timing, every sentence is decoded by all three and the values are compared; what one of
them refuses or reads differently is counted and left out of the file. Then the decoders take
turns on one slice of the file after the other, several rounds. CPU time is disturbed by what else
the host does, and always upwards: a decoder's time is the sum over the slices of its best round.
The spread of the ratio is told by the rounds, each summed over all slices.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bench import corpus
from bench.decoders import PASSES, judge
from bench.figure import Figure, Options, figure

_ROUNDS = 5
_QUICK_ROUNDS = 3
_SLICE_LINES = 1000
_SIMULATED_S = 120
_QUICK_SIMULATED_S = 20
_QUICK_RECORDED = 8
_TARGETS = {"pynmeagps": 15.0, "pynmea2": 2.0}
_PEERS = {
    "bdgw stream": ("pynmeagps stream", "pynmea2 stream"),
    "bdgw lines": ("pynmeagps lines", "pynmea2 lines", "pynmea2 lines, text only"),
}


def run(options: Options) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="bdgw-bench-") as name:
        folder = Path(name)
        seconds = _QUICK_SIMULATED_S if options.quick else _SIMULATED_S
        files = {"simulated": corpus.simulated(folder, seconds=seconds)}
        if found := corpus.recorded():
            # In quick runs every so many blocks of a second's worth of sentences.
            files["recorded"] = _thinned(found) if options.quick else found
        rounds = _QUICK_ROUNDS if options.quick else _ROUNDS
        for title, lines in files.items():
            yield from _compare(title, lines, folder, rounds)


def _thinned(lines: list[bytes]) -> list[bytes]:
    block = 20
    return [
        line
        for begin in range(0, len(lines), block * _QUICK_RECORDED)
        for line in lines[begin : begin + block]
    ]


def _compare(title: str, lines: list[bytes], folder: Path, rounds: int) -> Iterator[Figure]:
    verdicts = [judge(line) for line in lines]
    left_out = Counter(verdict for verdict in verdicts if verdict is not None)
    agreed = [line for line, verdict in zip(lines, verdicts, strict=True) if verdict is None]
    path = folder / f"{title}.nmea"
    path.write_bytes(b"".join(agreed))
    runs = _take_turns(path, len(agreed), rounds)
    work = {
        "file": title,
        "bytes": path.stat().st_size,
        "kinds": corpus.kinds(agreed),
        "left_out": dict(left_out),
        "rounds": rounds,
    }
    is_agreed = not left_out["bdgw differs from both"]
    for ours, peers in _PEERS.items():
        for peer in peers:
            yield _figure(ours, peer, runs, len(agreed), work, is_agreed=is_agreed)


class _Runs:
    """What one decoder did: CPU seconds by slice and round, and how many it decoded a round."""

    def __init__(self, rounds: int) -> None:
        self.cpu_s: list[list[float]] = [[] for _ in range(rounds)]
        self.counts = [0] * rounds

    def best_s(self) -> float:
        return float(sum(min(times) for times in zip(*self.cpu_s, strict=True)))


def _take_turns(path: Path, n_lines: int, rounds: int) -> dict[str, _Runs]:
    command = [sys.executable, "-m", "bench.decode_worker"]
    workers = {
        name: subprocess.Popen(
            [*command, name, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=corpus.ROOT,
        )
        for name in PASSES
    }
    runs = {name: _Runs(rounds) for name in PASSES}
    try:
        for name in PASSES:
            _order(workers[name], 0, _SLICE_LINES)  # warms up
        for turn in range(rounds):
            for begin in range(0, n_lines, _SLICE_LINES):
                for name, worker in workers.items():
                    count, cpu_s = _order(worker, begin, begin + _SLICE_LINES)
                    runs[name].counts[turn] += count
                    runs[name].cpu_s[turn].append(cpu_s)
    finally:
        for worker in workers.values():
            worker.communicate()
    return runs


def _order(worker: subprocess.Popen[str], begin: int, end: int) -> tuple[int, float]:
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(f"{begin} {end}\n")
    worker.stdin.flush()
    count, cpu_s = json.loads(worker.stdout.readline())
    return count, cpu_s


def _figure(
    ours: str,
    peer: str,
    runs: dict[str, _Runs],
    n: int,
    work: dict[str, object],
    *,
    is_agreed: bool,
) -> Figure:
    our_s, peer_s = runs[ours].best_s(), runs[peer].best_s()
    ratios = [
        sum(slow) / sum(fast) for slow, fast in zip(runs[peer].cpu_s, runs[ours].cpu_s, strict=True)
    ]
    target = None if "text" in peer else _TARGETS[peer.partition(" ")[0]]
    counts = set(runs[ours].counts + runs[peer].counts)
    return figure(
        "decode",
        f"{ours.removeprefix('bdgw ')}, {work['file']}",
        n / our_s,
        "sentences/s",
        peer=peer,
        peer_value=n / peer_s,
        ratio=peer_s / our_s,
        target=None if target is None else f">= {target:g} x",
        met=None if target is None else peer_s / our_s >= target,
        ok=counts == {n} and is_agreed,
        us_per_sentence=round(our_s / n * 1e6, 2),
        ratio_min=round(min(ratios), 2),
        ratio_max=round(max(ratios), 2),
        expected=n,
        received=sorted(counts),
        **work,
    )
