"""A disk that forgets and fails, under the real SQLite: its default VFS with three calls of ours.

Every write, truncation and sync of a database or log is recorded, so that what a power cut leaves
at any instant can be put together: what was synced, and of the rest any part, sector by sector.
Calls can be made to fail. The shared memory of the log index goes past it, as it is in memory.
"""

from __future__ import annotations

import _sqlite3
import contextlib
import ctypes
import ctypes.util
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bdgw.errors import UnavailableError

__all__ = ["Disk", "Op", "after_power_cut", "disk", "lay_out"]

SECTOR_BYTES = 512
_OK = 0
_NAME = b"bdgw-prove"


class Op(NamedTuple):
    """What was done to a file; ``ack`` is the caller's own mark."""

    kind: str
    path: str = ""
    at: int = 0
    data: bytes = b""
    note: Any = None


_OPEN = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_void_p,
)
_DELETE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
_WRITE = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
)
_TRUNCATE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int64)
_SYNC = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)


class _Vfs(ctypes.Structure):
    # sqlite3.h, struct sqlite3_vfs, version 3.
    _fields_ = (
        ("version", ctypes.c_int),
        ("file_bytes", ctypes.c_int),
        ("path_bytes_max", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("app_data", ctypes.c_void_p),
        ("open", _OPEN),
        ("delete", _DELETE),
        ("rest", ctypes.c_void_p * 14),
    )


class _Methods(ctypes.Structure):
    # sqlite3.h, struct sqlite3_io_methods, version 3.
    _fields_ = (
        ("version", ctypes.c_int),
        ("close", ctypes.c_void_p),
        ("read", ctypes.c_void_p),
        ("write", _WRITE),
        ("truncate", _TRUNCATE),
        ("sync", _SYNC),
        ("rest", ctypes.c_void_p * 13),
    )


class _File(ctypes.Structure):
    _fields_ = (("methods", ctypes.POINTER(_Methods)),)


def _library() -> ctypes.CDLL:
    """The library that Python's own module uses, be it inside of it or beside."""
    for name in (_sqlite3.__file__, "libsqlite3.so.0"):
        try:
            library = ctypes.CDLL(name)
            version = library.sqlite3_libversion
        except (OSError, AttributeError):
            continue
        version.restype = ctypes.c_char_p
        if version().decode() == sqlite3.sqlite_version:
            return library
    raise UnavailableError("Python's SQLite cannot be reached from here")


class Disk:
    """Records, and fails when told to."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self.journal: list[Op] = []
        self.is_recording = True
        self.fail_at: int | None = None
        """Count of calls until one fails; from there on all do, until it is None again."""
        self.n_to_fail: int | None = None
        """So many fail, and the next ones work again."""
        self.fail_code = sqlite3.SQLITE_FULL
        self.failing = ("write",)
        self.n_failed = 0
        self._paths: dict[int, str] = {}
        self._originals: dict[int, _Methods] = {}
        self._wrapped: dict[int, _Methods] = {}
        library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        self._default = library.sqlite3_vfs_find(None)
        self._vfs = _Vfs.from_buffer_copy(self._default.contents)
        self._vfs.name = _NAME
        self._vfs.open = _OPEN(self._open)
        self._vfs.delete = _DELETE(self._delete)
        self._calls = (_WRITE(self._write), _TRUNCATE(self._truncate), _SYNC(self._sync))

    def install(self) -> None:
        """Every connection that is opened from now on is on this disk."""
        self._library.sqlite3_vfs_register(ctypes.byref(self._vfs), 1)

    def remove(self) -> None:
        """Bring the ordinary disk back for new connections."""
        self._library.sqlite3_vfs_register(self._default, 1)
        self._library.sqlite3_vfs_unregister(ctypes.byref(self._vfs))

    def ack(self, note: object) -> None:
        """Mark in the journal that somebody was told."""
        self.journal.append(Op("ack", note=note))

    def _open(self, vfs: int, name: int, file: int, flags: int, out: int) -> int:
        code: int = self._default.contents.open(vfs, name, file, flags, out)
        opened = ctypes.cast(file, ctypes.POINTER(_File)).contents
        if code != _OK or not opened.methods:
            return code
        address = ctypes.addressof(opened.methods.contents)
        if address not in self._wrapped:
            self._originals[address] = opened.methods.contents
            wrapped = _Methods.from_buffer_copy(opened.methods.contents)
            wrapped.write, wrapped.truncate, wrapped.sync = self._calls
            self._wrapped[address] = wrapped
        self._paths[file] = "" if not name else ctypes.string_at(name).decode()
        self._originals[file] = self._originals[address]
        opened.methods = ctypes.pointer(self._wrapped[address])
        return code

    def _delete(self, vfs: int, name: int, is_synced: int) -> int:
        code: int = self._default.contents.delete(vfs, name, is_synced)
        if code == _OK:
            self._record(Op("delete", ctypes.string_at(name).decode(), is_synced))
        return code

    def _is_failing(self, kind: str) -> bool:
        if self.fail_at is None or kind not in self.failing:
            return False
        self.fail_at -= 1
        is_failing = self.fail_at < 0 and self.n_to_fail != 0
        if is_failing and self.n_to_fail is not None:
            self.n_to_fail -= 1
        self.n_failed += is_failing
        return is_failing

    def _record(self, op: Op) -> None:
        if self.is_recording:
            self.journal.append(op)

    def _write(self, file: int, data: int, n_bytes: int, at: int) -> int:
        if self._is_failing("write"):
            return self.fail_code
        self._record(Op("write", self._paths[file], at, ctypes.string_at(data, n_bytes)))
        code: int = self._originals[file].write(file, data, n_bytes, at)
        return code

    def _truncate(self, file: int, size: int) -> int:
        self._record(Op("truncate", self._paths[file], size))
        code: int = self._originals[file].truncate(file, size)
        return code

    def _sync(self, file: int, flags: int) -> int:
        if self._is_failing("sync"):
            return self.fail_code
        self._record(Op("sync", self._paths[file]))
        code: int = self._originals[file].sync(file, flags)
        return code


@contextlib.contextmanager
def disk() -> Iterator[Disk]:
    """Put the disk under every connection that is opened inside.

    Raises:
        UnavailableError: Python's SQLite is built in such a way that it cannot be reached.
    """
    made = Disk(_library())
    made.install()
    try:
        yield made
    finally:
        made.fail_at = None
        made.remove()


def _apply(content: bytearray, op: Op) -> None:
    if op.kind == "truncate":
        del content[op.at :]
        return
    end = op.at + len(op.data)
    content.extend(bytes(max(0, end - len(content))))
    content[op.at : end] = op.data


def _torn(op: Op, rng: random.Random, keep: float) -> Iterator[Op]:
    """Give the sectors of an unsynced write that reached the disk all the same."""
    if op.kind == "truncate":
        if rng.random() < keep:
            yield op
        return
    at = op.at
    end = op.at + len(op.data)
    while at < end:
        sector_end = min(end, (at // SECTOR_BYTES + 1) * SECTOR_BYTES)
        if rng.random() < keep:
            yield Op("write", op.path, at, op.data[at - op.at : sector_end - op.at])
        at = sector_end


def after_power_cut(journal: list[Op], rng: random.Random) -> dict[str, bytes]:
    """Put together what the disk may have after its last operation: file by file."""
    last_sync: dict[str, int] = {}
    for index, op in enumerate(journal):
        if op.kind == "sync":
            last_sync[op.path] = index
    # With the first sync of a new log SQLite syncs the folder too (os_unix.c, UNIXFILE_DIRSYNC).
    last_folder_sync = max(
        (at for path, at in last_sync.items() if path.endswith("-wal")), default=-1
    )
    later: list[set[str]] = [set() for _ in journal]
    for index in range(len(journal) - 2, -1, -1):
        later[index] = later[index + 1] | {journal[index + 1].path}
    keep = rng.choice((0.0, 0.5, 0.9, 1.0))
    contents: dict[str, bytearray] = {}
    for index, op in enumerate(journal):
        if op.kind in ("ack", "sync"):
            continue
        if op.kind == "delete":
            # A file that was made anew under the name is another one.
            is_safe = op.at or index < last_folder_sync or op.path in later[index]
            if is_safe or rng.random() < keep:
                contents.pop(op.path, None)
            continue
        content = contents.setdefault(op.path, bytearray())
        is_safe = index < last_sync.get(op.path, -1)
        for part in (op,) if is_safe else _torn(op, rng, keep):
            _apply(content, part)
    return {path: bytes(content) for path, content in contents.items()}


def lay_out(contents: dict[str, bytes], folder: Path) -> None:
    """Write what the disk has into a folder, by the names of the files."""
    for path, content in contents.items():
        # Files without a name are temporary.
        if path:
            (folder / Path(path).name).write_bytes(content)
