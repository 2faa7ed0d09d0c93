"""Which family answers: asks each for its card, which costs nothing on air.

Source: RDSS digest, 1 (order and waiting time). Whole frames come in, as the port's
splitter gives them; requests go out.
"""

from __future__ import annotations

from collections.abc import Iterable

from bdgw.errors import DecodeError
from bdgw.shortmsg.family import bd1_frame as bd1
from bdgw.shortmsg.family import bd2_sentence as bd2
from bdgw.shortmsg.family import bd3_sentence as bd3
from bdgw.shortmsg.family.bd1 import MAX_ADDRESS as MAX_BD2_ADDRESS
from bdgw.shortmsg.family.frame import Frame
from bdgw.shortmsg.family.port import is_binary
from bdgw.shortmsg.family.registry import codec_of
from bdgw.shortmsg.vocabulary import Family

__all__ = ["ANSWER_S", "PROBE_ORDER", "ProbeMachine"]

PROBE_ORDER = (Family.BD1, Family.BD2, Family.BD3)
ANSWER_S = 3.0

_ONLY_BD3 = (bd3.SignalReport, bd3.Cn0Report, bd3.MessageReport, bd3.Feedback)


class ProbeMachine:
    """Asks one family after the other until one answers; then ``family`` says which.

    An answer counts whenever it comes, also after the next question. An ``ICI`` of a box that is
    known for BD3 (a longer address than 2.1 has, or sentences that only BD3 has) is not enough:
    it is asked for BD3 too, and taken for 2.1 only if it does not answer that.
    """

    def __init__(
        self, *, order: Iterable[Family] = PROBE_ORDER, answer_s: float = ANSWER_S
    ) -> None:
        self.family: Family | None = None
        self.is_finished = False
        self._waiting_for = list(order)
        self._asks_bd3 = Family.BD3 in self._waiting_for
        self._answer_s = answer_s
        self._out = b""
        self._give_up_at: float | None = None
        self._second_best: Family | None = None
        self._is_bd3_likely = False

    def start(self, *, now: float) -> None:
        """Ask the first family."""
        self._ask_next(now)

    def receive_frame(self, frame: bytes, *, now: float) -> None:
        """Take a whole frame of any family."""
        if self.is_finished:
            return
        family = Family.BD1 if is_binary(frame) else Family.BD2  # 2.1 reads those of BD3 too
        try:
            value = codec_of(family).decode(frame)
        except DecodeError:
            return
        self._judge(value, now)

    def tick(self, *, now: float) -> None:
        """Go on to the next family when this one has had its time."""
        if self._give_up_at is not None and now >= self._give_up_at:
            self._ask_next(now)

    def deadline(self) -> float | None:
        """When ``tick`` is due."""
        return self._give_up_at

    def data_to_send(self) -> bytes:
        """Drain the question."""
        out, self._out = self._out, b""
        return out

    def _judge(self, value: Frame, now: float) -> None:
        self._is_bd3_likely |= isinstance(value, _ONLY_BD3)
        if isinstance(value, bd1.CardReport):
            self._finish(Family.BD1)
        elif isinstance(value, bd3.CardReport):
            self._finish(Family.BD3)
        elif isinstance(value, bd2.CardReport):
            may_be_bd3 = self._is_bd3_likely or value.card_id > MAX_BD2_ADDRESS
            if not (may_be_bd3 and self._asks_bd3):
                self._finish(Family.BD2)
                return
            self._second_best = Family.BD2
            if Family.BD3 in self._waiting_for:
                self._waiting_for = [Family.BD3]
                self._ask_next(now)

    def _ask_next(self, now: float) -> None:
        if not self._waiting_for:
            self._finish(self._second_best)
            return
        self._out = codec_of(self._waiting_for.pop(0)).read_card()
        self._give_up_at = now + self._answer_s

    def _finish(self, family: Family | None) -> None:
        self.family = family
        self.is_finished = True
        self._give_up_at = None
        self._out = b""
