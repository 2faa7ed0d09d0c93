"""What a terminal is doing, judged by what it says and by what it stops saying.

A pure machine: facts and the time go in, a status and a reason in words come out. An open port
proves nothing and neither does a stream of position sentences: a terminal is READY only while it
answers questions, has a card, may transmit and hears a beam.
"""

from __future__ import annotations

from bdgw.shortmsg.terminal_status import TerminalHealthLimits, TerminalStatus
from bdgw.shortmsg.vocabulary import RefusalReason, SignalSeen

__all__ = ["TerminalHealth", "TerminalHealthLimits", "TerminalStatus"]

_BEAMS_TO_RECOVER = 2
"""Reports with a usable beam that end DEAF; one may be a wave that lifted the antenna."""
_LOST_TO_BUSY = 2
"""One lost feedback is a brown-out or a byte error; two in a row are a way of being."""


class TerminalHealth:
    """The status machine of one connection.

    Methods that take facts return True when status or reason changed. ``now`` is monotonic
    seconds and never decreases.
    """

    def __init__(self, limits: TerminalHealthLimits, *, now: float) -> None:
        self._limits = limits
        self._status = TerminalStatus.STARTING
        self._reason = "no card read yet"
        self._since_s = now
        self._closed_text: str | None = None
        self._reboot_text: str | None = None
        self._has_card: bool | None = None
        self._n_unanswered = 0
        self._n_bytes = 0
        self._n_frames = 0
        self._n_answers = 0
        self._silence: tuple[TerminalStatus, str] | None = None
        self._suppressed_by: RefusalReason | None = None
        self._suppressed_until_s = now
        self._is_lift_presumed = False
        self._no_beam_from_s: float | None = None
        self._last_signal_s = now
        self._n_beams = 0
        self._is_deaf = False
        self._best_beam = ""
        self._n_no_lock = 0
        self._n_lost = 0
        self._busy_until_s: float | None = None

    @property
    def status(self) -> TerminalStatus:
        """What the terminal is doing."""
        return self._status

    @property
    def reason(self) -> str:
        """Why, in words."""
        return self._reason

    @property
    def since_s(self) -> float:
        """When the status last changed, monotonic seconds."""
        return self._since_s

    @property
    def is_suppressed(self) -> bool:
        """The terminal must not transmit."""
        return self._suppressed_by is not None

    @property
    def is_row_complete(self) -> bool:
        """As many questions for the card as make a judgement were in vain."""
        return self._n_unanswered % self._limits.n_unanswered == 0

    def blocks_sending(self) -> RefusalReason | None:
        """Tell why no request should be made now; None while one may."""
        match self._status:
            case TerminalStatus.READY:
                return None
            case TerminalStatus.NO_CARD:
                return RefusalReason.NO_CARD
            case TerminalStatus.SUPPRESSED:
                return self._suppressed_by
            case TerminalStatus.DEAF:
                # Refusals alone must not forbid the next trial: it is the only way out.
                return RefusalReason.NO_LOCK if self._is_deaf else None
            case TerminalStatus.BUSY if self._busy_until_s is None:
                return None
            case _:
                return RefusalReason.BUSY

    # --- facts --------------------------------------------------------------------------------

    def bytes_seen(self, n_bytes: int) -> None:
        """Bytes came, decoded or not."""
        self._n_bytes += n_bytes

    def frame_decoded(self) -> None:
        """A valid frame of the terminal's family came."""
        self._n_frames += 1

    def answered(self, now: float) -> bool:
        """The question for the card got its answer."""
        self._n_unanswered = 0
        self._silence = None
        return self._judge(now)

    def answered_otherwise(self) -> None:
        """A question other than that for the card got its answer."""
        self._n_answers += 1

    def asked(self) -> None:
        """The card is asked for, the question that every terminal answers."""
        if self._n_unanswered % self._limits.n_unanswered == 0:
            self._n_bytes = self._n_frames = self._n_answers = 0

    def unanswered(self, now: float) -> bool:
        """The card was not shown in time; each full row of such questions is judged anew."""
        self._n_unanswered += 1
        if self._n_unanswered % self._limits.n_unanswered == 0:
            self._silence = self._kind_of_silence()
        return self._judge(now)

    def nobody_found(self, now: float) -> bool:
        """No family answered the question for its card: a whole row in vain."""
        self._n_unanswered = self._limits.n_unanswered
        self._silence = self._kind_of_silence()
        return self._judge(now)

    def card_seen(self, now: float, *, is_there: bool) -> bool:
        """The terminal spoke about its card."""
        self._has_card = is_there
        self._reboot_text = None
        return self._judge(now)

    def rebooted(self, now: float, text: str) -> bool:
        """The terminal has started anew; what it said before holds no more."""
        self._reboot_text = text
        self._has_card = None
        self._busy_until_s = None
        self._n_unanswered = 0
        self._silence = None
        self._n_lost = 0
        self._forget_beams()
        return self._judge(now)

    def signal_seen(self, signal: SignalSeen, now: float) -> bool:
        """The terminal reported its beams."""
        if not signal.codes and not signal.cn0_dbhz:
            best, is_usable = "no beam", False
        elif signal.cn0_dbhz:
            cn0_dbhz = max(value for _, value in signal.cn0_dbhz)
            best = f"best beam {cn0_dbhz:g} dB-Hz"
            is_usable = cn0_dbhz >= self._limits.usable_cn0_dbhz
        else:
            code = max(value for _, value in signal.codes)
            best, is_usable = f"best power code {code}", code > 0
        if now - self._last_signal_s > self._limits.signal_stale_s:
            self._no_beam_from_s = None
        self._last_signal_s = now
        if is_usable:
            self._no_beam_from_s = None
            self._n_beams += 1
            if self._n_beams >= _BEAMS_TO_RECOVER:
                self._is_deaf = False
                self._n_no_lock = 0
            return self._judge(now)
        self._n_beams = 0
        if self._no_beam_from_s is None:
            self._no_beam_from_s = now
        if not self._is_deaf and now - self._no_beam_from_s >= self._limits.deaf_s:
            self._is_deaf = True
            self._best_beam = best
        return self._judge(now)

    def suppression_seen(self, reason: RefusalReason | None, now: float) -> bool:
        """The terminal said that it may not transmit, or (None) that it may."""
        self._suppressed_by = reason
        self._suppressed_until_s = now + self._limits.suppressed_s
        self._is_lift_presumed = False
        return self._judge(now)

    def refused(self, reason: RefusalReason, now: float) -> bool:
        """A request was refused by the terminal."""
        self._n_lost = 0
        if reason in (RefusalReason.SUPPRESSED, RefusalReason.SILENT):
            return self.suppression_seen(reason, now)
        if reason is RefusalReason.BUSY:
            self._busy_until_s = now + self._limits.busy_s
        self._n_no_lock = self._n_no_lock + 1 if reason is RefusalReason.NO_LOCK else 0
        return self._judge(now)

    def accepted(self, now: float) -> bool:
        """A request was accepted: the terminal is locked, allowed and not busy."""
        self._n_lost = self._n_no_lock = 0
        self._busy_until_s = None
        self._suppressed_by = None
        self._is_lift_presumed = False
        self._forget_beams()
        return self._judge(now)

    def feedback_lost(self, now: float) -> bool:
        """A request got no feedback in its time."""
        self._n_lost += 1
        return self._judge(now)

    def closed(self, now: float, text: str) -> bool:
        """The port is gone."""
        self._closed_text = text
        return self._judge(now)

    # --- time ---------------------------------------------------------------------------------

    def tick(self, now: float) -> bool:
        """Let what has run out run out."""
        if self._busy_until_s is not None and now >= self._busy_until_s:
            self._busy_until_s = None
        if self._suppressed_by is not None and now >= self._suppressed_until_s:
            self._suppressed_by = None
            self._is_lift_presumed = True
        if self._is_deaf and now >= self._last_signal_s + self._limits.signal_stale_s:
            self._forget_beams()
        return self._judge(now)

    def deadline(self) -> float | None:
        """When ``tick`` may change something, None while only facts can."""
        times_s = []
        if self._busy_until_s is not None:
            times_s.append(self._busy_until_s)
        if self._suppressed_by is not None:
            times_s.append(self._suppressed_until_s)
        if self._is_deaf:
            times_s.append(self._last_signal_s + self._limits.signal_stale_s)
        return min(times_s, default=None)

    # --- judgement ----------------------------------------------------------------------------

    def _forget_beams(self) -> None:
        self._no_beam_from_s = None
        self._is_deaf = False
        self._n_beams = 0

    def _judge(self, now: float) -> bool:
        status, reason = self._opinion()
        if status is self._status and reason == self._reason:
            return False
        if status is not self._status:
            self._since_s = now
        self._status, self._reason = status, reason
        return True

    def _opinion(self) -> tuple[TerminalStatus, str]:
        if self._closed_text is not None:
            return TerminalStatus.CLOSED, self._closed_text
        if self._silence is not None:
            return self._silence
        if self._reboot_text is not None:
            return TerminalStatus.REBOOTING, f"{self._reboot_text}; its card is read again"
        if self._has_card is None:
            return TerminalStatus.STARTING, "no card read yet"
        if not self._has_card:
            return TerminalStatus.NO_CARD, "the terminal says that it has no card, or a dead one"
        return self._way_to_the_sky()

    def _kind_of_silence(self) -> tuple[TerminalStatus, str]:
        n = self._limits.n_unanswered
        if self._n_answers:
            return (
                TerminalStatus.NO_CARD,
                f"it answers other questions, and not {n} questions for its card",
            )
        if not self._n_bytes:
            return (
                TerminalStatus.DEAD,
                f"no byte after {n} questions: power, cable or baud rate?",
            )
        if not self._n_frames:
            return (
                TerminalStatus.GARBAGE,
                f"bytes come after {n} questions and none decode: baud rate or protocol family?",
            )
        return (
            TerminalStatus.NOT_LISTENING,
            f"it talks and has not answered {n} questions: is the line towards it connected?",
        )

    def _way_to_the_sky(self) -> tuple[TerminalStatus, str]:
        limits = self._limits
        if self._suppressed_by is RefusalReason.SILENT:
            return TerminalStatus.SUPPRESSED, "radio silence (静默): it receives only"
        if self._suppressed_by is not None:
            return TerminalStatus.SUPPRESSED, "suppressed by the system (抑制): it receives only"
        if self._is_deaf:
            return (
                TerminalStatus.DEAF,
                f"it answers and hears no satellite for {limits.deaf_s:g} s ({self._best_beam}): "
                "antenna, its cable, or the view to the south?",
            )
        if self._n_no_lock >= limits.n_no_lock:
            return (
                TerminalStatus.DEAF,
                f"{limits.n_no_lock} requests in a row refused for want of lock",
            )
        if self._busy_until_s is not None:
            return TerminalStatus.BUSY, "it says that it is busy"
        if self._n_lost >= _LOST_TO_BUSY:
            return (
                TerminalStatus.BUSY,
                f"it answers questions and gave no feedback to {_LOST_TO_BUSY} requests in a row",
            )
        if self._is_lift_presumed:
            return (
                TerminalStatus.READY,
                f"no word of suppression for {limits.suppressed_s:g} s: a request may try",
            )
        return TerminalStatus.READY, "it answers, has a card and may transmit"
