"""Receivers on pseudo-terminals that send as a UART does: pieces of 64 bytes at 115200 baud.

``fwsim many`` hands over an epoch in one write, which spares a gateway most of its reading. This
takes the sentences of ``fwsim many`` and spaces them out; it speaks the same JSON lines.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import select
import time
import tty
from fractions import Fraction
from pathlib import Path

from bdgw.receivers import raise_descriptor_limit
from fwsim.load import Instant, templates_of

PIECE_BYTES = 64
BAUD = 115_200
PIECE_S = PIECE_BYTES * 10 / BAUD
_NS = 1_000_000_000
_POLL_S = 0.01


def open_ports(folder: Path, names: list[str]) -> list[int]:
    masters = []
    for name in names:
        master, slave = os.openpty()
        tty.setraw(slave)
        (folder / name).symlink_to(os.ttyname(slave))
        os.close(slave)
        os.set_blocking(master, False)
        masters.append(master)
    return masters


def wait_readers(masters: list[int], wait_s: float) -> int:
    """Wait until every terminal is open at its other end; a master hangs up until then."""
    poll = select.poll()
    for master in masters:
        poll.register(master, 0)
    until_s = time.monotonic() + wait_s
    while (n_quiet := len(poll.poll(0))) and time.monotonic() < until_s:
        time.sleep(_POLL_S)
    return len(masters) - n_quiet


class Feeder:
    """Plays so many epochs on every port."""

    def __init__(self, names: list[str], masters: list[int], n_sentences: int) -> None:
        self._names = names
        self._masters = masters
        self._templates = templates_of(len(names), n_sentences)
        self.stamps: list[tuple[str, str, int]] = []
        self.n_lost = 0
        self.late_max_s = 0.0

    def run(self, rate_hz: Fraction, n_epochs: int) -> None:
        mono_s, utc_ns = time.monotonic(), time.time_ns()
        grid_ns = -(-utc_ns // _NS) * _NS
        start_s = mono_s + (grid_ns - utc_ns) / _NS
        period_s = float(1 / rate_hz)
        phase_s = period_s / len(self._names)
        queue = [(start_s + i * phase_s, i, 0, 0) for i in range(len(self._names))]
        open_epochs: dict[int, tuple[bytes, str]] = {}
        while queue:
            due_s, i, epoch, offset = heapq.heappop(queue)
            if (wait_s := due_s - time.monotonic()) > 0:
                time.sleep(wait_s)
            else:
                self.late_max_s = max(self.late_max_s, -wait_s)
            if not offset:
                instant = Instant.of(grid_ns + int(epoch * _NS / rate_hz))
                open_epochs[i] = self._render(i, instant), instant.t_utc
            data, t_utc = open_epochs[i]
            if self._write(i, data, offset, t_utc):
                heapq.heappush(queue, (due_s + PIECE_S, i, epoch, offset + PIECE_BYTES))
            elif epoch + 1 < n_epochs:
                next_s = start_s + i * phase_s + (epoch + 1) * period_s
                heapq.heappush(queue, (next_s, i, epoch + 1, 0))

    def _render(self, i: int, instant: Instant) -> bytes:
        return b"".join(
            template.render(
                instant.time_text, instant.date_text, instant.time_check, instant.date_check
            )
            for template in self._templates[i]
        )

    def _write(self, i: int, data: bytes, offset: int, t_utc: str) -> bool:
        """Write a piece; True while more of the epoch is to come."""
        piece = data[offset : offset + PIECE_BYTES]
        try:
            n_taken = os.write(self._masters[i], piece)
        except BlockingIOError:
            n_taken = 0
        mono_ns = time.monotonic_ns()
        if n_taken < len(piece):
            self.n_lost += 1
            return False
        if offset + PIECE_BYTES < len(data):
            return True
        self.stamps.append((self._names[i], t_utc, mono_ns))
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--rate-hz", type=Fraction, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--sentences", type=int, required=True)
    parser.add_argument("--registration", required=True)
    parser.add_argument("--wait-readers", type=float, required=True)
    parser.add_argument("--hold", type=float, required=True)
    parser.add_argument("--stamps", type=Path, required=True)
    options = parser.parse_args()
    raise_descriptor_limit()
    names = [options.registration % number for number in range(1, options.count + 1)]
    feeder = Feeder(names, open_ports(options.folder, names), options.sentences)
    _say(event="ready", count=len(names))
    _say(event="started", readers=wait_readers(feeder._masters, options.wait_readers))
    cpu_s = time.process_time()
    feeder.run(options.rate_hz, int(options.seconds * options.rate_hz))
    cpu_s = time.process_time() - cpu_s
    rows = ({"device": d, "t_utc": t, "mono_ns": ns} for d, t, ns in feeder.stamps)
    options.stamps.write_text("\n".join(json.dumps(row) for row in rows))
    time.sleep(options.hold)
    _say(
        event="summary",
        epochs_written=len(feeder.stamps),
        epochs_lost=feeder.n_lost,
        cpu_s=round(cpu_s, 3),
        late_max_s=round(feeder.late_max_s, 4),
    )
    time.sleep(1)  # the terminals hang up only after the gateway was asked to stop


def _say(**event: object) -> None:
    print(json.dumps(event), flush=True)


if __name__ == "__main__":
    main()
