"""1,000 devices over TCP at 1 Hz with four sentences each, to real brokers.

The gateway has a core of its own; load generator, broker and subscriber share the other one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench import brokers, rig
from bench.figure import Figure, Options, figure, middle, percentile
from bench.processes import IS_PINNED

_DEVICES = 1000
_RUNS, _SECONDS = 3, 14
_QUICK_RUNS, _QUICK_SECONDS = 1, 9


def run(options: Options) -> Iterator[Figure]:
    runs, seconds = (_QUICK_RUNS, _QUICK_SECONDS) if options.quick else (_RUNS, _SECONDS)
    names = brokers.names()[:1] if options.quick else brokers.names()
    results: dict[str, list[rig.Result]] = {name: [] for name in names}
    for _ in range(runs):
        for name in names:
            load = rig.Load("tcp", _DEVICES, 1, seconds, broker=name)
            results[name].append(rig.run(load))
    for name, done in results.items():
        yield from _figures(name, done)


def _figures(broker: str, results: list[rig.Result]) -> Iterator[Figure]:
    lost = sum(result.lost for result in results)
    work: dict[str, Any] = {
        "ok": all(result.ok for result in results),
        "broker": broker,
        "devices": _DEVICES,
        "pinned": IS_PINNED,
        "expected": sum(result.expected for result in results),
        "received": sum(result.received for result in results),
        "lost": lost,
        "duplicates": sum(result.duplicates for result in results),
        "wrong": sum(result.wrong for result in results),
        "not_written": sum(result.not_written for result in results),
        "redialled": sum(result.redialled for result in results),
    }
    runs = [result.work() for result in results]
    yield figure(
        "tcp",
        f"1,000 devices, lost, {broker}",
        lost,
        "fixes",
        target="0",
        met=not lost,
        **work,
    )
    cpu = middle([100 * result.cpu_share for result in results])
    yield figure(
        "tcp",
        f"1,000 devices, CPU, {broker}",
        cpu,
        "% of a core",
        runs=runs,
        **work,
    )
    for to, ages in (
        ("publish call", [result.to_publish_ms for result in results]),
        ("subscriber", [result.to_subscriber_ms for result in results]),
    ):
        for percent in (50, 99):
            each = [percentile(values, percent) for values in ages]
            yield figure(
                "tcp",
                f"1,000 devices, p{percent} to {to}, {broker}",
                middle(each),
                "ms",
                each_run=[round(value, 2) for value in each],
                warm_up_epochs_left_out=rig.WARM_UP_EPOCHS,
                **work,
            )
