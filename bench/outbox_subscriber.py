"""A subscriber that costs little, so that it does not measure itself: a socket, QoS 1, no library.

Prints one JSON object when stdin ends: messages by lane, repetitions, and the time from the last
byte of an epoch (``t_rx``) to the arrival, in milliseconds.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import re
import select
import socket
import statistics
import sys
import time

_T_RX = re.compile(rb'"dev":"([^"]+)","boot":"[^"]*","seq":(\d+).*?"t_rx":"([^"]+)Z"')


def _length(n: int) -> bytes:
    out = bytearray()
    while True:
        n, digit = divmod(n, 128)
        out.append(digit | (0x80 if n else 0))
        if not n:
            return bytes(out)


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def _packets(buffer: bytearray) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while len(buffer) - at >= 2:
        length = shift = 0
        index = at + 1
        while index < len(buffer):
            digit = buffer[index]
            length |= (digit & 0x7F) << shift
            shift += 7
            index += 1
            if not digit & 0x80:
                break
        else:
            break
        if len(buffer) - index < length:
            break
        found.append((buffer[at], bytes(buffer[index : index + length])))
        at = index + length
    del buffer[:at]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("topic")
    arguments = parser.parse_args()
    connection = socket.create_connection(("127.0.0.1", arguments.port))
    body = _text("MQTT") + bytes([4, 2, 0, 0]) + _text("bench-subscriber")
    connection.sendall(b"\x10" + _length(len(body)) + body)
    body = b"\x00\x01" + _text(arguments.topic) + b"\x01"
    connection.sendall(b"\x82" + _length(len(body)) + body)
    arrivals: list[tuple[int, bytes]] = []
    buffer = bytearray()
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    poll.register(sys.stdin, select.POLLIN | select.POLLHUP)
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if connection.fileno() not in ready:
            break
        data = connection.recv(1 << 18)
        if not data:
            break
        now_ns = time.time_ns()
        buffer += data
        acks = bytearray()
        for kind, packet in _packets(buffer):
            if kind >> 4 == 9:
                print(json.dumps({"event": "ready"}), flush=True)
            if kind >> 4 != 3:
                continue
            n_topic = int.from_bytes(packet[:2], "big")
            if kind & 6:
                acks += b"\x40\x02" + packet[2 + n_topic : 4 + n_topic]
            if not kind & 1:
                arrivals.append((now_ns, packet))
        if acks:
            connection.sendall(acks)
    print(json.dumps(_judge(arrivals)), flush=True)


def _judge(arrivals: list[tuple[int, bytes]]) -> dict[str, object]:
    waits_ms: dict[str, list[float]] = {"live": [], "history": []}
    seen: set[tuple[bytes, bytes]] = set()
    last: dict[bytes, int] = {}
    n_repeated = n_backwards = 0
    for now_ns, packet in arrivals:
        if not (match := _T_RX.search(packet)):
            continue
        dev, seq, t_rx = match.groups()
        lane = "history" if b'"historical":true' in packet else "live"
        n_repeated += (dev, seq) in seen
        seen.add((dev, seq))
        if lane == "live":
            n_backwards += int(seq) < last.get(dev, 0)
            last[dev] = int(seq)
        came = dt.datetime.fromisoformat(t_rx.decode() + "+00:00")
        waits_ms[lane].append(now_ns / 1e6 - came.timestamp() * 1e3)
    made: dict[str, object] = {"different": len(seen), "repeated": n_repeated}
    made["backwards"] = n_backwards
    for lane, values in waits_ms.items():
        made[lane] = len(values)
        if len(values) > 1:
            percents = statistics.quantiles(values, n=1000)
            made |= {f"{lane}_p50_ms": percents[499], f"{lane}_p99_ms": percents[989]}
    return made


if __name__ == "__main__":
    main()
