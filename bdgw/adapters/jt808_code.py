"""The codes that platforms have issued, kept in a file: a terminal registers once in its life."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import structlog

__all__ = ["CodeFile"]

_log = structlog.get_logger(__name__)


class CodeFile:
    """Codes by phone number. Losing it costs a registration, no report: so it never raises."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._codes: dict[str, str] = {}
        try:
            self._codes = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
        except FileNotFoundError:
            pass
        except (OSError, msgspec.DecodeError) as error:
            _log.warning("jt808_codes_unreadable", path=str(path), reason=str(error))

    def get(self, phone: str) -> str | None:
        """The code of a terminal."""
        return self._codes.get(phone)

    def put(self, phone: str, code: str | None) -> None:
        """Keep a code, or forget it, on the disk before this returns."""
        if code is None:
            self._codes.pop(phone, None)
        else:
            self._codes[phone] = code
        draft = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(self._codes))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
        except OSError as error:
            _log.error("jt808_codes_unwritable", path=str(self._path), reason=str(error))
