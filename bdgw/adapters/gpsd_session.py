"""One client of the gpsd server: its requests, the answers, and what it wants to watch. Pure.

Source: gpsd_json(5) of gpsd 3.22: requests begin with ``?`` and end with ``;`` or a line end.
"""

from __future__ import annotations

import json
from typing import Any, Protocol

from bdgw.adapters import gpsd_report as report

__all__ = ["GpsdRoom", "GpsdSession"]

_MAX_REQUEST_BYTES = 1024
"""gpsd itself takes 80 characters a line; some clients send more."""
_SWITCHES = ("enable", "json", "nmea", "scaled", "timing", "split24", "pps")


class GpsdRoom(Protocol):
    """What a session asks of its server."""

    def device(self, path: str) -> dict[str, Any] | None:
        """Describe a device, None where there is none of that name."""
        ...

    def paths(self) -> tuple[str, ...]:
        """Names of the devices."""
        ...

    def poll(self, only: str | None) -> dict[str, Any]:
        """Give the last reports."""
        ...


class GpsdSession:
    """The dialogue with one client; it begins with the banner."""

    def __init__(self, room: GpsdRoom, *, release: str) -> None:
        self._room = room
        self._release = release
        self._buffer = bytearray()
        self._is_skipping = False
        self._out = [report.line(report.version(release))]
        self.watch: dict[str, Any] = dict.fromkeys(_SWITCHES, False)
        self.only: str | None = None
        """The one device that it wants to see."""
        self.n_bad = 0
        """Requests that were refused."""

    def receive(self, data: bytes) -> None:
        """Take bytes of the client."""
        self._buffer += data
        while (end := _request_end(self._buffer)) is not None:
            request = bytes(self._buffer[:end]).strip()
            del self._buffer[: end + 1]
            if self._is_skipping:
                self._is_skipping = False
            elif request:
                self._answer(request)
        if len(self._buffer) > _MAX_REQUEST_BYTES:
            self._buffer.clear()
            if not self._is_skipping:
                self._refuse("Request is too long.")
            self._is_skipping = True

    def data_to_send(self) -> bytes:
        """Drain the answers."""
        out, self._out = b"".join(self._out), []
        return out

    def wants(self, path: str) -> bool:
        """Tell whether reports of a device are for this client."""
        return self.watch["enable"] and self.only in (None, path)

    def _answer(self, request: bytes) -> None:
        text = request.decode("ascii", "replace")
        word, has_value, value = text.partition("=")
        if word == "?WATCH":
            self._on_watch(value if has_value else None)
        elif word == "?DEVICES":
            self._say(self._devices())
        elif word == "?DEVICE":
            self._on_device(value if has_value else None)
        elif word == "?POLL":
            self._say(self._room.poll(self.only))
        elif word == "?VERSION":
            self._say(report.version(self._release))
        else:
            self._refuse(f"Unrecognized request '{text[:60]}'")

    def _on_watch(self, text: str | None) -> None:
        if text is not None:
            wanted = _object(text)
            if wanted is None:
                self._refuse("Invalid WATCH.")
                return
            path = wanted.get("device")
            if path and self._room.device(str(path)) is None:
                self._refuse(f"Can't open {str(path)[:60]}.")
                return
            self.only = str(path) if path else None
            self.watch = {name: bool(wanted.get(name, False)) for name in _SWITCHES}
            self.watch["enable"] = bool(wanted.get("enable", True))
            if self.watch["enable"] and not self.watch["nmea"]:
                self.watch["json"] = True
        self._say(self._devices())
        self._say({"class": "WATCH", **self.watch, "raw": 0, "device": self.only})

    def _on_device(self, text: str | None) -> None:
        wanted = {} if text is None else _object(text)
        if wanted is None:
            self._refuse("Invalid DEVICE.")
            return
        paths = self._room.paths()
        path = str(wanted.get("path") or self.only or (paths[0] if paths else ""))
        found = self._room.device(path)
        if found is None:
            self._refuse(f"Can't open {path[:60]}.")
        else:
            # Nothing of a device can be set from here; the answer is how it stands.
            self._say(found)

    def _devices(self) -> dict[str, Any]:
        listed = [self._room.device(path) for path in self._room.paths()]
        return report.devices([each for each in listed if each is not None])

    def _say(self, value: dict[str, Any]) -> None:
        self._out.append(report.line(value))

    def _refuse(self, message: str) -> None:
        self.n_bad += 1
        self._say(report.error(message))


def _request_end(data: bytearray) -> int | None:
    """Find the ``;`` or line end that closes the first request, not one inside a text."""
    is_in_text = is_escaped = False
    for index, byte in enumerate(data):
        if byte in b"\r\n":
            return index
        if is_escaped:
            is_escaped = False
        elif byte == 0x5C:
            is_escaped = is_in_text
        elif byte == 0x22:
            is_in_text = not is_in_text
        elif byte == 0x3B and not is_in_text:
            return index
    return None


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
