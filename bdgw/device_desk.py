"""What the API is told of devices: their states, their history, and what is sent again."""

from __future__ import annotations

from typing import Any, Protocol

from bdgw.archive import Archive, Track
from bdgw.history import Cursor, HistoryError
from bdgw.repair import Repair

__all__ = ["DeviceDesk", "DeviceStates"]


class DeviceStates(Protocol):
    """Who knows how the devices are."""

    def devices(self) -> list[dict[str, Any]]:
        """All of them."""
        ...

    def device(self, device: str) -> dict[str, Any] | None:
        """One of them."""
        ...

    def sky(self, device: str) -> dict[str, Any] | None:
        """The satellites that it saw last."""
        ...


class DeviceDesk:
    """Without an archive there is no history, and every question to it is refused."""

    def __init__(
        self, states: DeviceStates, archive: Archive | None, repair: Repair | None
    ) -> None:
        self._archive = archive
        self._repair = repair
        self.devices = states.devices
        self.device = states.device
        self.sky = states.sky

    async def track(
        self,
        device: str,
        *,
        form: str,
        from_utc_ns: int | None,
        until_utc_ns: int | None,
        after: Cursor | None,
        limit: int | None,
    ) -> Track:
        """Its fixes."""
        return await self._kept().track(
            device,
            form=form,
            from_utc_ns=from_utc_ns,
            until_utc_ns=until_utc_ns,
            after=after,
            limit=limit,
        )

    async def gaps(self, device: str) -> dict[str, Any]:
        """What is missing of them."""
        return await self._kept().gaps(device)

    async def repair(self, device: str, boot: str, from_seq: int, to_seq: int) -> dict[str, Any]:
        """Send some of them again."""
        if self._repair is None:
            raise HistoryError("it is switched off")
        return await self._repair.request(device, boot, from_seq, to_seq)

    def _kept(self) -> Archive:
        if self._archive is None:
            raise HistoryError("it is switched off")
        return self._archive
