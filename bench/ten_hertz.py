"""20 serial receivers (pseudo-terminals) at 10 Hz: from the last byte to the publish call."""

from __future__ import annotations

from collections.abc import Iterator

from bench import brokers, rig
from bench.figure import Figure, Options, figure, middle, percentile

_PORTS, _RATE_HZ = 20, 10
_RUNS, _SECONDS = 3, 15
_QUICK_RUNS, _QUICK_SECONDS = 1, 8
_TARGET_MS = 25.0


def run(options: Options) -> Iterator[Figure]:
    runs, seconds = (_QUICK_RUNS, _QUICK_SECONDS) if options.quick else (_RUNS, _SECONDS)
    broker = brokers.names()[0]
    load = rig.Load("pty", _PORTS, _RATE_HZ, seconds, broker=broker)
    results = [rig.run(load) for _ in range(runs)]
    for to, ages in (
        ("publish call", [result.to_publish_ms for result in results]),
        ("subscriber", [result.to_subscriber_ms for result in results]),
    ):
        for percent in (50, 99):
            each = [percentile(values, percent) for values in ages]
            is_goal = percent == 99 and to == "publish call"
            yield figure(
                "serial",
                f"20 ports at 10 Hz, p{percent} to {to}",
                middle(each),
                "ms",
                ok=all(result.ok for result in results),
                target=f"<= {_TARGET_MS:g} ms" if is_goal else None,
                met=middle(each) <= _TARGET_MS if is_goal else None,
                broker=broker,
                each_run=[round(value, 2) for value in each],
                warm_up_epochs_left_out=rig.WARM_UP_EPOCHS,
                expected=sum(result.expected for result in results),
                received=sum(result.received for result in results),
                runs=[result.work() for result in results],
            )
