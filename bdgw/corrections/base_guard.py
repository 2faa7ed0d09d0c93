"""Is the base where it says it is? Range and jump checks of 1005 and 1006.

Every position of a rover is the base's position and a vector, so an error of the base goes into
every fix and looks like a good one. Receivers take a new base position without a word.
"""

from __future__ import annotations

import enum

import msgspec

from bdgw.geodesy import Ecef, Geodetic, chord_m, geodetic_from_ecef

__all__ = ["Base", "BaseGuard", "BaseJump", "GuardEvent", "GuardNews"]

_LOWEST_M = -500.0
_HIGHEST_M = 9000.0
"""Heights at which a base can stand: the Dead Sea shore and the highest summit, with room."""
_MOVED_M = 0.10
"""More than the rounding and averaging of stations; a survey that is done again moves it more."""
_STOP_M = 100.0
"""A jump like this within one station is another site, not a better survey."""
_KNOWN_MAX = 8
"""Places that a flapping stream is known to have been at; coming back to one is no news."""


class BaseJump(enum.StrEnum):
    """What happens to a stream whose base jumps far (100 m) under the same station id."""

    ALARM = "alarm"
    """It goes on after the alarm."""
    STOP = "stop"
    """It is held back until the base is back or an operator accepts the new place."""


class Base(msgspec.Struct, frozen=True, kw_only=True):
    """Where a base said that it is. Earth-fixed metres in the frame of the source."""

    station: int
    ecef_m: Ecef
    is_virtual: bool
    at_s: float
    """Monotonic seconds when it was said last."""

    @property
    def place(self) -> Geodetic:
        """Degrees, and metres above the ellipsoid."""
        return geodetic_from_ecef(self.ecef_m)


class GuardEvent(enum.StrEnum):
    """What a position message brought."""

    IMPLAUSIBLE = "base_implausible"
    MOVED = "base_moved"


class GuardNews(msgspec.Struct, frozen=True, kw_only=True):
    """Something to raise an alarm about, in plain words."""

    event: GuardEvent
    text: str
    station: int
    moved_m: float | None = None


class BaseGuard:
    """Watches the base of one stream; ``is_virtual_expected`` where bases are made for the rover.

    A virtual base moves with its rover by design: its moves are followed without a word.
    """

    def __init__(
        self,
        *,
        jump: BaseJump = BaseJump.STOP,
        moved_m: float = _MOVED_M,
        stop_m: float = _STOP_M,
        is_virtual_expected: bool = False,
    ) -> None:
        self._jump = jump
        self._moved_m = moved_m
        self._stop_m = stop_m
        self._is_virtual_expected = is_virtual_expected
        self._known: list[tuple[int, Ecef]] = []
        self._was_implausible = False
        self._held: Base | None = None
        self._is_accepted = False
        self.base: Base | None = None
        """The base that is believed."""
        self.n_implausible = 0
        self.n_moves = 0
        self.last_move: str | None = None
        """The last move in plain words."""

    @property
    def held_reason(self) -> str | None:
        """Why nothing of the stream may go out; None when it may."""
        if self._held is None or self.base is None:
            return None
        moved_m = chord_m(self._held.ecef_m, self.base.ecef_m)
        until = "until it is back or the new place is accepted"
        if self._is_accepted:
            until = "until it says its place again, which is accepted"
        return (
            f"the base of station {self.base.station} has jumped {_distance(moved_m)}: held back "
            f"{until}"
        )

    def accept(self) -> bool:
        """Believe the place that the stream is held back for; False if there is none.

        The stream goes on with the next message that says this place: with observations alone a
        rover would go on from the old one.
        """
        if self._held is None or self._is_accepted:
            return False
        self._is_accepted = True
        return True

    def position_seen(
        self, station: int, ecef_m: Ecef, now: float, *, is_virtual: bool = False
    ) -> tuple[bool, GuardNews | None]:
        """Take a position message.

        Gives whether the message may be forwarded, and what there is to raise an alarm about.
        """
        why = _implausible(ecef_m)
        if why is not None:
            self.n_implausible += 1
            if self._was_implausible:
                return False, None
            self._was_implausible = True
            text = f"station {station} says that its base is {why}: this message is dropped"
            return False, GuardNews(event=GuardEvent.IMPLAUSIBLE, text=text, station=station)
        self._was_implausible = False
        seen = Base(
            station=station,
            ecef_m=ecef_m,
            is_virtual=is_virtual or self._is_virtual_expected,
            at_s=now,
        )
        return self._compare(seen)

    def _compare(self, seen: Base) -> tuple[bool, GuardNews | None]:
        base = self.base
        if base is None:
            self._believe(seen)
            return True, None
        if self._is_now_accepted(seen):
            self._held = None
            self._believe(seen)
            return True, None
        moved_m = chord_m(base.ecef_m, seen.ecef_m)
        is_same_station = base.station == seen.station
        if seen.is_virtual and base.is_virtual:
            self.base = seen
            return True, None
        if moved_m <= self._moved_m:
            self._held = None
            # The first place stays the reference, so that a creeping base is noticed as well.
            self._believe(msgspec.structs.replace(seen, ecef_m=base.ecef_m))
            return True, None
        is_far = moved_m > self._stop_m and is_same_station
        if self._held is not None and chord_m(self._held.ecef_m, seen.ecef_m) <= self._moved_m:
            return False, None
        is_known = self._is_known(seen)
        news = self._news(base, seen, moved_m)
        if is_far and self._jump is BaseJump.STOP:
            self._held = seen
            return False, news
        self._held = None
        self._believe(seen)
        return True, None if is_known else news

    def _is_now_accepted(self, seen: Base) -> bool:
        """Whether the place is the one that was accepted; another one ends the acceptance."""
        is_accepted, self._is_accepted = self._is_accepted, False
        held = self._held
        return (
            is_accepted and held is not None and chord_m(held.ecef_m, seen.ecef_m) <= self._moved_m
        )

    def _news(self, base: Base, seen: Base, moved_m: float) -> GuardNews:
        self.n_moves += 1
        if base.station == seen.station:
            text = f"the base of station {seen.station} has moved {_distance(moved_m)}"
        else:
            text = (
                f"the stream has changed from station {base.station} to station {seen.station}, "
                f"{_distance(moved_m)} away"
            )
        self.last_move = text
        return GuardNews(
            event=GuardEvent.MOVED, text=text, station=seen.station, moved_m=round(moved_m, 4)
        )

    def _believe(self, base: Base) -> None:
        self.base = base
        self._remember(base)

    def _remember(self, base: Base) -> None:
        if not self._is_known(base):
            self._known.append((base.station, base.ecef_m))
            del self._known[:-_KNOWN_MAX]

    def _is_known(self, base: Base) -> bool:
        return any(
            station == base.station and chord_m(ecef_m, base.ecef_m) <= self._moved_m
            for station, ecef_m in self._known
        )


def _implausible(ecef_m: Ecef) -> str | None:
    """Say what is wrong with a place for a base; None for the surface of the Earth."""
    if not any(ecef_m):
        return "at the centre of the Earth (0, 0, 0)"
    height_m = geodetic_from_ecef(ecef_m).height_m
    if not _LOWEST_M <= height_m <= _HIGHEST_M:
        return f"at a height of {height_m:.0f} m"
    return None


def _distance(metres: float) -> str:
    return f"{metres / 1000.0:.1f} km" if metres >= 1000.0 else f"{metres:.2f} m"
