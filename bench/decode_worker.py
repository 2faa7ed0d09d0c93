"""One decoder in a process of its own: a slice of the file for every line on stdin.

Processes are apart because the memory that one decoder leaves behind changes the speed of the
next one by up to a half.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from pathlib import Path

from bench.decoders import PASSES, forget


def main() -> None:
    run = PASSES[sys.argv[1]]
    lines = Path(sys.argv[2]).read_bytes().splitlines(keepends=True)
    for order in sys.stdin:
        begin, end = map(int, order.split())
        part = lines[begin:end]
        if not begin:
            forget()
        gc.collect()
        cpu_s = time.process_time()
        count = run(part)
        cpu_s = time.process_time() - cpu_s
        print(json.dumps([count, cpu_s]), flush=True)


if __name__ == "__main__":
    main()
