"""What a device is doing, judged by what it delivers.

A pure machine: facts and the time go in, a status and a reason come out.

An open link proves nothing. Only decoded frames and a moving epoch make a device STREAMING, and
only their absence for a stated time takes that away: between two visits to STREAMING lies at
least the shortest of the limits, so no single message can make the status flap.
"""

from __future__ import annotations

import msgspec

from bdgw.model import DeviceStatus

__all__ = ["Health", "HealthLimits"]

_RECOVER_FRAMES = 3
"""Frames that end GARBAGE: noise passes an 8-bit checksum once in 256 tries, not three in a row
within one limit."""
_RECOVER_EPOCHS = 2
"""Moves of the epoch that end STUCK; one may be the last gasp."""


class HealthLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long is too long, seconds."""

    silence_s: float | None = 30.0
    """Without any byte; None where silence is no fault (a file)."""
    garbage_s: float = 10.0
    """With bytes but without a decoded frame."""
    stuck_s: float = 10.0
    """With frames but without a new epoch, once there was one."""
    proven_s: float = 10.0
    """With frames before a connection counts as good."""
    is_reopened_when_silent: bool = True
    garbage_hint: str = "wrong protocol?"


class Health:
    """The status machine of one device, over all its connections.

    Methods that take facts return True when status, reason or note changed. ``now`` is monotonic
    seconds and never decreases.
    """

    def __init__(self, limits: HealthLimits, now: float) -> None:
        self._limits = limits
        self._status = DeviceStatus.CONNECTING
        self._reason = "starting"
        self._note: str | None = None
        self._since_s = now
        self._next_attempt_at_s: float | None = None
        self._lost_reason = ""
        self._is_open = False
        self._is_quiet = False
        self._is_listener_down = False
        self._begin_link(now)

    def _begin_link(self, now: float) -> None:
        self._opened_at_s = now
        self._last_byte_at_s: float | None = None
        self._last_good_at_s: float | None = None
        self._good_run_from_s: float | None = None
        self._undecoded_from_s: float | None = None
        self._undecoded_bytes = 0
        self._epoch_t_s: float | None = None
        self._epoch_moved_at_s = now
        self._recovery = 0

    @property
    def status(self) -> DeviceStatus:
        """What the device is doing."""
        return self._status

    @property
    def reason(self) -> str:
        """Why, in words, with the note of the listener if there is one."""
        return self._reason if self._note is None else f"{self._reason}; {self._note}"

    @property
    def since_s(self) -> float:
        """When the status last changed, monotonic seconds."""
        return self._since_s

    @property
    def next_attempt_at_s(self) -> float | None:
        """When the next attempt is due, monotonic seconds; None unless DOWN and scheduled."""
        return self._next_attempt_at_s

    @property
    def last_byte_at_s(self) -> float | None:
        """When this connection last delivered a byte."""
        return self._last_byte_at_s

    @property
    def last_good_at_s(self) -> float | None:
        """When this connection last delivered a decoded frame."""
        return self._last_good_at_s

    @property
    def is_proven(self) -> bool:
        """Frames have been decoded for long enough to call this connection good."""
        if self._good_run_from_s is None or self._last_good_at_s is None:
            return False
        return self._last_good_at_s - self._good_run_from_s >= self._limits.proven_s

    @property
    def wants_reopen(self) -> bool:
        """The link should be given up: it is open and has been silent for too long."""
        return self._is_open and self._limits.is_reopened_when_silent and self._is_quiet

    def connecting(self, now: float, text: str) -> bool:
        """An attempt begins. A device that is DOWN or SILENT stays so until data says else."""
        self._next_attempt_at_s = None
        self._is_open = False
        self._is_quiet = False
        if self._status in (DeviceStatus.DOWN, DeviceStatus.SILENT):
            return False
        return self._become(DeviceStatus.CONNECTING, text, now)

    def waiting_for_peer(self, now: float, text: str) -> bool:
        """The listener is up and the device has not come.

        A device that came before and left stays DOWN or SILENT, for its own reason.
        """
        self._is_open = False
        is_gone = self._status in (DeviceStatus.DOWN, DeviceStatus.SILENT)
        if is_gone and not self._is_listener_down:
            return False
        self._is_listener_down = False
        return self._become(DeviceStatus.CONNECTING, text, now)

    def listener_down(self, now: float, reason: str) -> bool:
        """Nobody can come, because the listener that the device uses does not listen."""
        self._is_open = False
        self._is_quiet = False
        self._is_listener_down = True
        return self._become(DeviceStatus.DOWN, reason, now)

    def opened(self, now: float) -> bool:
        """The link is up; nothing is known yet."""
        self._is_listener_down = False
        self._next_attempt_at_s = None
        self._is_open = True
        self._is_quiet = False
        self._begin_link(now)
        if self._status is DeviceStatus.SILENT:
            return False
        return self._become(DeviceStatus.WAITING, "open, no data yet", now)

    def bytes_seen(self, n_bytes: int, now: float) -> bool:
        """Bytes arrived, decoded or not."""
        self._last_byte_at_s = now
        if self._undecoded_from_s is None:
            self._undecoded_from_s = now
        self._undecoded_bytes += n_bytes
        return False

    def frame_decoded(self, n_frames: int, now: float) -> bool:
        """Valid frames came out of the bytes."""
        last_s, self._last_good_at_s = self._last_good_at_s, now
        if last_s is None or now - last_s > self._limits.garbage_s:
            self._good_run_from_s = now
            self._recovery = 0
        self._undecoded_from_s = None
        self._undecoded_bytes = 0
        status = self._status
        if status is DeviceStatus.STREAMING or status is DeviceStatus.STUCK:
            return False
        if status is DeviceStatus.GARBAGE:
            self._recovery += n_frames
            if self._recovery < _RECOVER_FRAMES:
                return False
        return self._become(DeviceStatus.STREAMING, "frames decode", now)

    def epoch(self, t_s: float, now: float) -> bool:
        """The receiver spoke of an instant; ``t_s`` is its own time."""
        if t_s == self._epoch_t_s:
            return False
        self._epoch_t_s = t_s
        self._epoch_moved_at_s = now
        if self._status is DeviceStatus.STUCK:
            self._recovery += 1
            if self._recovery >= _RECOVER_EPOCHS:
                return self._become(DeviceStatus.STREAMING, "epochs move again", now)
        return False

    def tick(self, now: float) -> bool:
        """Let time judge; to be called a few times a second."""
        if not self._is_open:
            return False
        if self._status is DeviceStatus.ENDED:
            return False
        quiet_s = self._quiet_s(now)
        self._is_quiet = self._limits.silence_s is not None and quiet_s >= self._limits.silence_s
        if self._is_quiet:
            return self._tick_silent(quiet_s, now)
        if self._is_garbage():
            return self._tick_garbage(now)
        if self._is_stuck():
            if self._status is DeviceStatus.STUCK:
                return False
            reason = f"frames decode but no new epoch for {self._limits.stuck_s:g} s"
            return self._become(DeviceStatus.STUCK, reason, now)
        return False

    def lost(self, now: float, reason: str, *, next_attempt_in_s: float | None) -> bool:
        """The link ended, or an attempt to open it failed.

        ``next_attempt_in_s`` is None where the device comes to us. A link given up for silence
        leaves the device SILENT: opening it again is no news.
        """
        self._is_open = False
        self._next_attempt_at_s = None if next_attempt_in_s is None else now + next_attempt_in_s
        if self._is_quiet and self._status is DeviceStatus.SILENT:
            self._is_quiet = False
            return False
        self._is_quiet = False
        if self._status is DeviceStatus.DOWN and self._lost_reason == reason:
            return False
        self._lost_reason = reason
        if next_attempt_in_s is None:
            reason = f"{reason}; waiting for it to come again"
        else:
            reason = f"{reason}; next attempt in {next_attempt_in_s:.1f} s"
        return self._become(DeviceStatus.DOWN, reason, now)

    def ended(self, now: float, reason: str) -> bool:
        """A file is at its end."""
        self._is_open = False
        self._next_attempt_at_s = None
        return self._become(DeviceStatus.ENDED, reason, now)

    def noted(self, note: str | None) -> bool:
        """Set or take back the listener's remark."""
        has_changed = note != self._note
        self._note = note
        return has_changed

    def _quiet_s(self, now: float) -> float:
        last_s = self._last_byte_at_s
        return now - (self._opened_at_s if last_s is None else last_s)

    def _is_garbage(self) -> bool:
        # The bytes themselves must span the limit: half a frame and then a pause is not garbage.
        return (
            self._undecoded_from_s is not None
            and self._last_byte_at_s is not None
            and self._last_byte_at_s - self._undecoded_from_s >= self._limits.garbage_s
        )

    def _is_stuck(self) -> bool:
        return (
            self._epoch_t_s is not None
            and self._last_good_at_s is not None
            and self._last_good_at_s - self._epoch_moved_at_s >= self._limits.stuck_s
        )

    def _tick_silent(self, quiet_s: float, now: float) -> bool:
        if self._status is DeviceStatus.SILENT:
            return False
        what = "no byte since it was opened" if self._last_byte_at_s is None else "no data"
        return self._become(DeviceStatus.SILENT, f"{what} for {quiet_s:.0f} s", now)

    def _tick_garbage(self, now: float) -> bool:
        if self._status is DeviceStatus.GARBAGE:
            return False
        span_s = now - (self._undecoded_from_s or now)
        reason = (
            f"{self._undecoded_bytes} bytes in {span_s:.0f} s and none decode: "
            f"{self._limits.garbage_hint}"
        )
        return self._become(DeviceStatus.GARBAGE, reason, now)

    def _become(self, status: DeviceStatus, reason: str, now: float) -> bool:
        if status is self._status and reason == self._reason:
            return False
        if status is not self._status:
            self._since_s = now
            self._recovery = 0
        self._status = status
        self._reason = reason
        return True
