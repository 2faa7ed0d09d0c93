"""The file of antennas, as it is read where positions are solved and where it is checked."""

from __future__ import annotations

from pathlib import Path

from bdgw.errors import DecodeError, UnavailableError
from bdgw.rinex.antex import Antex, read_antex

__all__ = ["read_antennas"]


def read_antennas(path: str, name: str) -> Antex:
    """Read what a file of antennas has of one of them.

    Raises:
        UnavailableError: the file cannot be read, or is none.
    """
    try:
        with Path(path).open(encoding="latin-1") as file:
            return read_antex((line.rstrip("\r\n") for line in file), only=name)
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror}") from None
    except DecodeError as error:
        raise UnavailableError(f"{path}: {error}") from None
