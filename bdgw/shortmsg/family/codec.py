"""What every family offers: its framer, its frames, their meaning, and its requests.

A request that a family does not have is None. Requests are whole byte strings for the port.
"""

from __future__ import annotations

import enum
from typing import Protocol

from bdgw.shortmsg.family.frame import Frame
from bdgw.shortmsg.vocabulary import Card, Family, OutgoingFrame, TerminalEvent
from bdgw.wire.splitter import Framer

__all__ = ["Codec", "MessageQueryKind"]


class MessageQueryKind(enum.Enum):
    """What a query for messages asks for."""

    NEWEST = "newest"
    BY_SENDER = "by_sender"
    RECEIPT = "receipt"


class Codec(Protocol):
    """One protocol family; stateless."""

    @property
    def family(self) -> Family:
        """Which one."""
        ...

    @property
    def framer(self) -> tuple[bytes, Framer]:
        """Opening bytes and framer, as ``bdgw.wire.splitter`` takes them."""
        ...

    @property
    def send_command(self) -> str:
        """The name that feedback to ``send`` carries."""
        ...

    def decode(self, frame: bytes) -> Frame:
        """Make a value of a whole frame, with or without its line end.

        Raises:
            DecodeError: it is none, or its fields are not what its name promises.
        """
        ...

    def encode(self, frame: Frame) -> bytes:
        """Write a frame.

        Raises:
            EncodeError: it is of another family, a value does not fit its field, or it would be a
                command that must never be sent.
        """
        ...

    def events(self, frame: Frame, *, card: Card | None = None) -> tuple[TerminalEvent, ...]:
        """Say what a frame means in the words of all families.

        ``card`` is the one in the terminal, if known; with it ``Received.to`` is None for what
        came to its own address or its broadcast address. A frame that is not understood, and an
        echo of a request, is a ``VendorFrame``.
        """
        ...

    def subordinates(self, frame: Frame) -> tuple[int, ...] | None:
        """Give the addresses of a list of subordinates, None for any other frame."""
        ...

    def read_card(self) -> bytes:
        """Ask for the card; costs nothing on air."""
        ...

    def read_subordinates(self, page: int = 1) -> bytes:
        """Ask a 指挥机 for a page of its subordinates, from 1."""
        ...

    def check_signal(self) -> bytes:
        """Ask for the beams."""
        ...

    def self_check(self) -> bytes | None:
        """Ask for the state of the terminal."""
        ...

    def read_version(self) -> bytes | None:
        """Ask for make and version."""
        ...

    def read_time(self) -> bytes:
        """Ask for the clock."""
        ...

    def stop(self) -> bytes:
        """End all periodic output."""
        ...

    def send(self, frame: OutgoingFrame) -> bytes:
        """Ask for one transmission.

        Raises:
            EncodeError: the family cannot carry it.
        """
        ...

    def query_messages(self, kind: MessageQueryKind, address: int | None = None) -> bytes | None:
        """Ask the centre for messages or receipts; costs a transmission.

        Raises:
            EncodeError: the address is missing or does not fit.
        """
        ...
