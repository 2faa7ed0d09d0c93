"""What a terminal lets out, and when: the card's interval and level. Pure."""

import math
from collections.abc import Mapping

from fwsim.rdss_card import Card, Content, Form, capacity_bits
from fwsim.rdss_spec import TerminalSpec
from fwsim.rdss_word import AskMessages, Locate, Outcome, Send

MAX_ADDRESS = (1 << 24) - 1
MAX_CACHED_INTERVALS = 4
LEAST_WAIT_S = 1.0
OnAir = Send | AskMessages | Locate


class Gate:
    """Judges requests; remembers when each card may send again. Time is a parameter."""

    def __init__(self, spec: TerminalSpec) -> None:
        """Begin with cards that have never sent."""
        self._spec = spec
        self._allowed_s: dict[tuple[int, bool], float] = {}
        self.busy_until_s = -math.inf

    def forget(self) -> None:
        """Lose power."""
        self.busy_until_s = -math.inf
        if not self._spec.manner.keeps_interval:
            self._allowed_s.clear()

    def judge(
        self, request: OnAir, card: Card | None, now_s: float, states: Mapping[Outcome, bool]
    ) -> tuple[Outcome, float]:
        """Decide like a terminal: what it is, then what it may, then when.

        ``states``: what keeps the whole terminal from sending, in the order of its checks.

        Returns:
            The outcome, and the seconds to wait: until it goes out or until it may be repeated.
        """
        if card is None:
            return Outcome.NO_CARD, 0.0
        for outcome, is_so in states.items():
            if is_so:
                return outcome, 0.0
        if isinstance(request, Send):
            if request.problem is not None or not 0 < request.to <= MAX_ADDRESS:
                return Outcome.FAILED, 0.0
            if self._is_too_long(request, card):
                return Outcome.PERMISSION, 0.0
        return self._when(request, card, now_s)

    def wait_s(self, card: Card | None, now_s: float, *, is_global: bool = False) -> float:
        """Return the seconds until a card may send again."""
        if card is None:
            return 0.0
        return max(0.0, self._allowed_s.get((card.address, is_global), -math.inf) - now_s)

    def enter(self, request: OnAir, card: Card, begin_s: float) -> float:
        """Note that a card sends; return its interval in seconds."""
        is_global = _is_global(request)
        interval_s = interval_of(card, is_global=is_global)
        self._allowed_s[card.address, is_global] = begin_s + interval_s
        return interval_s

    def fitted(self, request: OnAir, card: Card) -> OnAir:
        """Cut a message that is too long, as some terminals do silently."""
        if not isinstance(request, Send):
            return request
        limit_bits = self._limit_bits(request, card)
        if request.content.air_bits <= limit_bits:
            return request
        return shortened(request, limit_bits)

    def _when(self, request: OnAir, card: Card, now_s: float) -> tuple[Outcome, float]:
        is_global = _is_global(request)
        wait_s = self.wait_s(card, now_s, is_global=is_global)
        busy_s = max(0.0, self.busy_until_s - now_s)
        if wait_s == 0.0 and busy_s == 0.0:
            return Outcome.ACCEPTED, 0.0
        limit_s = MAX_CACHED_INTERVALS * interval_of(card, is_global=is_global)
        if self._spec.manner.caches_early and wait_s <= limit_s:
            return Outcome.ACCEPTED, wait_s
        return Outcome.TOO_EARLY, max(wait_s, busy_s, LEAST_WAIT_S)

    def _is_too_long(self, request: Send, card: Card) -> bool:
        if request.is_global and card.global_level == 0:
            return True
        is_over = request.content.air_bits > self._limit_bits(request, card)
        return is_over and self._spec.manner.oversize == "refuse"

    def _limit_bits(self, request: Send, card: Card) -> int:
        is_plain = not request.is_global and not request.is_express
        if self._spec.level_bits is not None and is_plain:
            return self._spec.level_bits
        return capacity_bits(
            card,
            self._spec.family,
            is_express=request.is_express,
            is_global=request.is_global,
        )


def _is_global(request: OnAir) -> bool:
    return isinstance(request, Send) and request.is_global


def interval_of(card: Card, *, is_global: bool) -> float:
    """Return the interval of a service of a card, in seconds."""
    return card.global_interval_s if is_global else card.interval_s


def shortened(request: Send, limit_bits: int) -> Send:
    """Return the beginning of a message that fits."""
    content = request.content
    if content.form is Form.HANZI:
        n_bits = 16 * (limit_bits // 14)
    else:
        unit = 4 if content.form is Form.CODE else 8
        n_bits = limit_bits // unit * unit
    data = content.data[: -(-n_bits // 8)]
    return Send(
        name=request.name,
        to=request.to,
        content=Content(form=content.form, data=data, n_bits=min(n_bits, 8 * len(data))),
        is_express=request.is_express,
        is_global=request.is_global,
    )
