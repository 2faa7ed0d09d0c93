"""Says what happens to corrections: alarms for consumers, lines for the log. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from bdgw.corrections.choice import StreamKey
from bdgw.model import Alarm
from bdgw.noise import NoiseGate
from bdgw.ntrip.state import ClientState, ClientStatus

__all__ = ["Herald"]

_TOLD = (
    ClientStatus.STREAMING,
    ClientStatus.RESTING,
    ClientStatus.WAITING_FOR_ACCOUNT,
    ClientStatus.WAITING_FOR_POSITION,
)
"""States of a connection that are worth a line; the others pass in seconds."""


class Herald:
    """One for all sources; ``emit`` must not block, ``utc_ns`` is the host's POSIX time."""

    def __init__(self, emit: Callable[[Alarm], None], *, utc_ns: Callable[[], int]) -> None:
        self._emit = emit
        self._utc_ns = utc_ns
        self._log = structlog.get_logger()
        self._noise: NoiseGate[tuple[StreamKey, ClientStatus]] = NoiseGate()

    def alarm(
        self,
        kind: str,
        text: str,
        key: StreamKey,
        *,
        device: str | None,
        fields: dict[str, str | int | float] | None,
    ) -> None:
        """Raise an alarm about a stream, and about a device where it is only about that."""
        about: dict[str, str | int | float] = {"correction": key.source, **(fields or {})}
        if key.mount is not None:
            about["mount"] = key.mount
        self._log.warning("correction_alarm", kind=kind, device=device, text=text, **about)
        self._emit(
            Alarm(
                kind=kind,
                device=device,
                text=f"{key}: {text}",
                t_utc_ns=self._utc_ns(),
                fields=about,
            )
        )

    def chosen(self, device: str, key: StreamKey | None, before: StreamKey | None) -> None:
        """A device gets another stream."""
        self._log.info(
            "correction_chosen",
            device=device,
            correction=str(key),
            previous=None if before is None else str(before),
        )

    def state_seen(self, key: StreamKey, label: str, state: ClientState, now: float) -> None:
        """A connection is in another state."""
        if state.status in _TOLD and self._noise.admit((key, state.status), now):
            self._log.info(
                "correction_state", correction=label, status=state.status, reason=state.reason
            )

    def summarise(self, now: float) -> None:
        """Write what was held back as repeated."""
        for (key, status), count in self._noise.summaries(now):
            self._log.info(
                "correction_state_again", correction=str(key), status=status, count=count
            )
