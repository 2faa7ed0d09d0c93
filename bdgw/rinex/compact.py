"""Compact RINEX 1.0 and 3.0 (Hatanaka) to plain RINEX lines.

Source: Hatanaka (2008), Bulletin of the GSI 55, and the format description of rnx2crx: text lines
are differences by character, numbers differences of up to the order that each arc names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bdgw.errors import DecodeError

__all__ = ["is_compact", "plain_lines"]

_SYSTEM_AT, _SATELLITES_AT = {1: 32, 3: 41}, {1: 32, 3: 41}
_MAX_ORDER = 9


def is_compact(first_line: str) -> bool:
    """Whether a file is in the compact form, by its first line."""
    return first_line[60:80].startswith("CRINEX VERS")


def plain_lines(lines: Iterable[str]) -> Iterator[str]:
    """Give the lines that the compact form stands for.

    An epoch that cannot be restored is left out up to the next initialised one.

    Raises:
        DecodeError: the header is not one of the compact form.
    """
    source = iter(lines)
    first = next(source, "")
    if not is_compact(first):
        raise DecodeError("no compact RINEX header", bit=0)
    generation = 3 if first.lstrip().startswith("3") else 1
    next(source, None)
    counts: dict[str, int] = {}
    system = ""
    for line in source:
        yield line
        label = line[60:80].strip()
        if label == "SYS / # / OBS TYPES" and line[:1].strip():
            system = line[0]
            counts[system] = int(line[3:6])
        elif label == "# / TYPES OF OBSERV" and line[:6].strip():
            counts[""] = int(line[:6])
        elif label == "END OF HEADER":
            break
    yield from _Body(generation, counts).lines(source)


class _Arc:
    """One column of numbers of one satellite: differences of rising order."""

    __slots__ = ("_last", "_order")

    def __init__(self, text: str) -> None:
        order, value = text.split("&", 1)
        self._order = min(int(order), _MAX_ORDER)
        self._last = [int(value)]

    def value(self) -> int:
        return self._last[0]

    def add(self, difference: int) -> int:
        """Take the next difference; the order rises by one an epoch up to its limit."""
        last = self._last
        if len(last) <= self._order:
            last.append(0)
        last[-1] = carry = difference
        for place in range(len(last) - 2, -1, -1):
            carry += last[place]
            last[place] = carry
        return last[0]


class _Body:
    def __init__(self, generation: int, counts: dict[str, int]) -> None:
        self._generation = generation
        self._counts = counts
        self._head = ""
        self._arcs: dict[str, list[_Arc | None]] = {}
        self._flags: dict[str, str] = {}

    def lines(self, source: Iterator[str]) -> Iterator[str]:
        opening = "&" if self._generation == 1 else ">"
        for line in source:
            if line[:1] == opening:
                self._head = line if self._generation == 3 else " " + line[1:]
                self._arcs, self._flags = {}, {}
            elif not self._head:
                continue
            else:
                self._head = _patched(self._head, line)
            head = self._head
            at = 31 if self._generation == 3 else 28
            if head[at : at + 1].strip() in {"2", "3", "4", "5", "6"}:
                yield head.rstrip()
                count = head[at + 1 : at + 4].strip()
                for _ in range(int(count) if count.isdigit() else 0):
                    yield next(source, "")
                self._head = ""
                continue
            clock = next(source, "")
            try:
                yield from self._epoch(head, clock, source)
            except (ValueError, IndexError, KeyError):
                self._head = ""

    def _epoch(self, head: str, _clock: str, source: Iterator[str]) -> Iterator[str]:
        at = 41 if self._generation == 3 else 32
        count = int(head[at - 9 : at - 6]) if self._generation == 3 else int(head[29:32])
        names = [head[at + 3 * i : at + 3 * i + 3].ljust(3) for i in range(count)]
        rows = [self._satellite(name, next(source, "")) for name in names]
        self._arcs = {name: self._arcs[name] for name in names}
        self._flags = {name: self._flags[name] for name in names}
        if self._generation == 3:
            yield head[:41].rstrip()
            for name, row in zip(names, rows, strict=True):
                yield name + "".join(row)
            return
        yield head[:32] + "".join(names[:12])
        for i in range(12, count, 12):
            yield " " * 32 + "".join(names[i : i + 12])
        for row in rows:
            for i in range(0, len(row), 5):
                yield "".join(row[i : i + 5])

    def _satellite(self, name: str, line: str) -> list[str]:
        count = self._counts[name[0] if self._generation == 3 else ""]
        parts = line.split(" ", count)
        parts += [""] * (count + 1 - len(parts))
        arcs = self._arcs.get(name) or [None] * count
        values: list[str] = []
        for i, part in enumerate(parts[:count]):
            arc = arcs[i]
            if not part:
                arcs[i] = None
                values.append(" " * 14)
                continue
            if "&" in part:
                arc = arcs[i] = _Arc(part)
                number = arc.value()
            elif arc is None:
                raise ValueError("a difference without an arc")
            else:
                number = arc.add(int(part))
            values.append(f"{number / 1000.0:14.3f}")
        self._arcs[name] = arcs
        flags = _patched(self._flags.get(name, ""), parts[count]).ljust(2 * count)
        self._flags[name] = flags
        return [v + flags[2 * i : 2 * i + 2] for i, v in enumerate(values)]


def _patched(old: str, new: str) -> str:
    """Apply a line of differences by character: a space keeps, ``&`` makes a space."""
    width = max(len(old), len(new))
    pairs = zip(old.ljust(width), new.ljust(width), strict=True)
    return "".join(a if b == " " else " " if b == "&" else b for a, b in pairs)
