"""Rows of the sentence tables: which columns a sentence has, and how they become a value.

Columns are taken by position. What a terminal leaves out at the end is None, what it adds behind
the last column is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from bdgw.errors import DecodeError
from bdgw.shortmsg.family.column import Column
from bdgw.shortmsg.family.frame import Frame
from bdgw.shortmsg.family.sentence import seal_sentence, unseal_sentence

__all__ = ["OtherSentence", "Row", "RowTable", "SentenceFrame"]


class SentenceFrame(Frame, frozen=True, kw_only=True):
    """Any sentence of the tables."""


class OtherSentence(SentenceFrame, frozen=True, kw_only=True):
    """A sentence without a row: a vendor's, another protocol's, or of unknown layout."""

    address: str
    fields: tuple[bytes, ...]


class Row(msgspec.Struct, frozen=True):
    """One sentence. ``repeated`` takes all fields behind the columns."""

    address: str
    frame: type[SentenceFrame]
    columns: tuple[Column, ...]
    repeated: Column | None = None
    applies: Callable[[list[bytes]], bool] | None = None
    """Tells sentences with one address apart."""
    repair: Callable[[list[bytes]], list[bytes]] | None = None
    """Puts fields back to their places that some terminals shift."""

    def read(self, fields: list[bytes], raw: bytes) -> SentenceFrame:
        """Make a value.

        Raises:
            DecodeError: a field is not of its kind, or a required one is missing.
        """
        fields = self._join_rest(fields)
        if self.repair:
            fields = self.repair(fields)
        n_columns = len(self.columns)
        padded = fields + [b""] * (n_columns - len(fields))
        values: dict[str, Any] = {
            column.name: column.read(field)
            for column, field in zip(self.columns, padded, strict=False)
        }
        if self.repeated:
            values[self.repeated.name] = tuple(map(self.repeated.read, fields[n_columns:]))
        frame = self.frame(raw=raw, **values)
        frame.check()
        return frame

    def _join_rest(self, fields: list[bytes]) -> list[bytes]:
        surplus = len(fields) - len(self.columns)
        at = next((i for i, column in enumerate(self.columns) if column.is_rest), None)
        if at is None or surplus <= 0:
            return fields
        stop = at + surplus + 1
        return [*fields[:at], b",".join(fields[at:stop]), *fields[stop:]]

    def write(self, frame: SentenceFrame) -> list[bytes]:
        """Write the fields of a value.

        Raises:
            EncodeError: a value does not fit its field.
        """
        fields = [column.write(getattr(frame, column.name)) for column in self.columns]
        if self.repeated:
            fields.extend(map(self.repeated.write, getattr(frame, self.repeated.name)))
        return fields


class RowTable:
    """Rows by address for reading and by value for writing."""

    def __init__(self, rows: tuple[Row, ...]) -> None:
        self._by_address: dict[str, list[Row]] = {}
        self._by_frame: Mapping[type[SentenceFrame], Row] = {
            row.frame: row for row in reversed(rows)
        }
        for row in rows:
            self._by_address.setdefault(row.address, []).append(row)

    def decode(self, sentence: bytes) -> SentenceFrame:
        """Make a value of a whole sentence.

        Raises:
            DecodeError: it is none, or its fields are not what its address promises.
        """
        address, text = unseal_sentence(sentence)
        fields = text.split(b",")
        for row in self._by_address.get(address, ()):
            if row.applies is None or row.applies(fields):
                try:
                    return row.read(fields, sentence)
                except DecodeError as error:
                    raise DecodeError(f"{address}: {error.what}") from error
        return OtherSentence(address=address, fields=tuple(fields), raw=sentence)

    def encode(self, frame: SentenceFrame) -> bytes:
        """Write a value as a sentence with its line end.

        Raises:
            EncodeError: a value does not fit its field, or it would be a forbidden command.
        """
        if isinstance(frame, OtherSentence):
            return seal_sentence(frame.address, frame.fields)
        row = self._by_frame[type(frame)]
        return seal_sentence(row.address, row.write(frame))
