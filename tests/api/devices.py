"""A source of devices whose answers the test sets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any


@dataclass
class Track:
    media_type: str
    chunks: AsyncIterator[bytes]


class Devices:
    """Every name is a device; it remembers what it was asked."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked: list[Any] = []

    def devices(self) -> list[dict[str, Any]]:
        return [{"dev": "a"}]

    def device(self, device: str) -> dict[str, Any] | None:
        return None if device == "nobody" else {"dev": device}

    def sky(self, device: str) -> dict[str, Any] | None:
        return None if device == "blind" else {"dev": device, "satellites": []}

    async def track(self, device: str, **wanted: Any) -> Track:
        self._note((device, wanted))

        async def chunks() -> AsyncIterator[bytes]:
            yield b"one,"
            yield b"two"

        return Track(f"text/{wanted['form']}", chunks())

    async def gaps(self, device: str) -> dict[str, Any]:
        self._note(device)
        return {"dev": device, "starts": []}

    async def repair(self, device: str, boot: str, from_seq: int, to_seq: int) -> dict[str, Any]:
        self._note((device, boot, from_seq, to_seq))
        return {"n_found": 1}

    def _note(self, question: Any) -> None:
        if self.error is not None:
            raise self.error
        self.asked.append(question)
