"""The codes that platforms have issued, kept in a file: a terminal registers once in its life."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bdgw.adapters.kept_file import read_kept, write_kept

__all__ = ["CodeFile"]


class CodeFile:
    """Codes by phone number. Losing it costs a registration, no report: so it never raises."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._codes = read_kept(path, dict[str, str]) or {}

    def get(self, phone: str) -> str | None:
        """The code of a terminal."""
        return self._codes.get(phone)

    def put(self, phone: str, code: str | None) -> None:
        """Keep a code, or forget it, on the disk before this returns."""
        if code is None:
            self._codes.pop(phone, None)
        else:
            self._codes[phone] = code
        write_kept(self._path, msgspec.json.encode(self._codes))
