"""One short-message terminal: bytes of the host in, bytes to the host out. Pure.

It refuses in the words of its family, knows its card and its interval, reports beams, boots, and
goes wrong on demand. What it transmits goes to the air, what the air brings it hands over.
"""

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol

from fwsim.rdss_agenda import Agenda
from fwsim.rdss_card import Card, Family
from fwsim.rdss_fault import FaultState, TerminalFault
from fwsim.rdss_gate import Gate, OnAir
from fwsim.rdss_manner import Manner
from fwsim.rdss_report import Reporter
from fwsim.rdss_speak_bd1 import Bd1Speaker
from fwsim.rdss_speak_bd2 import Bd2Speaker
from fwsim.rdss_speak_bd3 import Bd3Speaker
from fwsim.rdss_spec import BEAMS, TerminalSpec
from fwsim.rdss_word import (
    AskMessages,
    AskReport,
    AskVersion,
    AskWait,
    Delivery,
    Feedback,
    Fix,
    Harm,
    Hush,
    Locate,
    Outcome,
    ReadCard,
    Receipts,
    Report,
    Request,
    Send,
    Speaker,
    Status,
)

IDLE_S = 1.0
LOW_BATTERY_PERCENT = 5
MAX_UNREAD_BYTES = 262_144
SPEAKERS: Mapping[Family, Callable[[Manner], Speaker]] = {
    Family.BD1: Bd1Speaker,
    Family.BD2: Bd2Speaker,
    Family.BD3: Bd3Speaker,
}


class Air(Protocol):
    """What a terminal transmits to and listens to."""

    def lost_beams(self, terminal: str) -> frozenset[int] | None:
        """Return the beams that are gone for a terminal now; None is all of them."""
        ...

    def transmit(self, terminal: "SimTerminal", card: Card, request: OnAir) -> None:
        """Take a request that leaves the antenna now."""
        ...

    def refused(self, terminal: "SimTerminal", request: OnAir, outcome: Outcome) -> None:
        """Hear of a request that does not leave the terminal."""
        ...


class SimTerminal:
    """A terminal on an agenda; ``receive``, ``data_to_send``, ``deadline``, ``advance``."""

    def __init__(
        self,
        spec: TerminalSpec,
        *,
        seed: str = "0",
        agenda: Agenda | None = None,
        air: Air | None = None,
        start_utc: datetime = datetime(2026, 1, 1, tzinfo=UTC),
    ) -> None:
        """Power up; the banner is due at once."""
        self.spec = spec
        self.card = spec.card
        self.counters: Counter[str] = Counter()
        self.is_destroyed = False
        self._agenda = agenda if agenda is not None else Agenda()
        self._air = air
        self._start_utc = start_utc
        self._rng = random.Random(f"rdss:{seed}:{spec.name}")  # noqa: S311
        self._speaker = SPEAKERS[spec.family](spec.manner)
        self._gate = Gate(spec)
        self._faults = FaultState(seed=f"{seed}:{spec.name}")
        self._reporter = Reporter(self._say_report, self._after)
        self._out = bytearray()
        self._life = 0
        self._off_until_s = 0.0
        self._heard_s = -math.inf
        self._boot()

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes of the host at a time."""
        self._agenda.advance(now)
        self.counters["bytes_in"] += len(data)
        if not self.is_on or self._faults.is_on("deaf", now):
            self.counters["bytes_unheard"] += len(data)
            return
        if now - self._heard_s > IDLE_S and self._speaker.forget():
            self.counters["half_commands"] += 1
        self._heard_s = now
        for request in self._speaker.hear(self._faults.damage(data, now)):
            self.counters["commands"] += 1
            if self.is_on:
                self._obey(request)

    def data_to_send(self) -> bytes:
        """Return what is to go to the host since the last call."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def deadline(self) -> float | None:
        """Return when something is due, here or elsewhere on the same agenda."""
        return self._agenda.deadline()

    def advance(self, now: float) -> None:
        """Let time pass."""
        self._agenda.advance(now)

    @property
    def family(self) -> Family:
        """The protocol that it speaks."""
        return self.spec.family

    @property
    def is_on(self) -> bool:
        """Whether it is neither dead, destroyed nor booting."""
        return not self.is_destroyed and self._agenda.now_s >= self._off_until_s

    def bad_commands(self) -> int:
        """Return how many bytes or lines of the host made no command."""
        return self._speaker.n_bad

    def hear(self, said: Delivery | Receipts | Fix) -> str:
        """Hand over what the air brings; return its fate: delivered or why not."""
        if not self.is_on:
            return "terminal_off"
        if self.card is None:
            return "no_card"
        if not self.beams():
            return "no_lock"
        if isinstance(said, Delivery):
            self.counters["messages_out"] += 1
            self._say(self._speaker.message(said, self.card.address))
        elif isinstance(said, Receipts):
            self._say(self._speaker.receipts(said, self.card.address))
        else:
            self._say(self._speaker.fix(said))
        return "delivered"

    def beams(self) -> Mapping[int, int]:
        """Return the beams that are usable now and how strong they are."""
        now_s = self._agenda.now_s
        if self._faults.is_on("no_lock", now_s) or self._faults.is_on("antenna", now_s):
            return {}
        beams = self.spec.beams or BEAMS[self.family]
        lost = self._air.lost_beams(self.spec.name) if self._air is not None else frozenset()
        if lost is None:
            return {}
        return {beam: power for beam, power in beams.items() if power and beam not in lost}

    def change(self, fault: TerminalFault) -> None:
        """Make something go wrong, or ``none`` right again, from now on."""
        self.counters[f"fault_{fault.kind}"] += 1
        self._faults.set(fault, self._agenda.now_s)
        if fault.kind == "reboot":
            self._reset(self._speaker.report(Report.POWER, self.status()), fault.boot_s)
        elif fault.kind == "dead":
            self._reset(b"", fault.for_s)
        elif fault.kind in {"swap", "remove"}:
            self.card = None
            if fault.card is not None:
                card = fault.card
                pause_s = 0.0 if math.isinf(fault.for_s) else fault.for_s
                self._agenda.at(self._agenda.now_s + pause_s, lambda: self._insert(card))
        elif fault.kind == "none" and math.isinf(self._off_until_s):
            self._reset(b"", 0.0)

    def _obey(self, request: Request) -> None:
        match request:
            case Send() | AskMessages() | Locate():
                self._submit(request)
            case ReadCard():
                self._read_card(request)
            case AskReport():
                self._reporter.ask(request.report, request.interval_s)
            case Hush():
                self._reporter.hush(request.report)
            case AskVersion():
                self._tell_version(is_serial=request.is_serial)
            case AskWait():
                wait_s = self._gate.wait_s(self.card, self._agenda.now_s)
                self._say(self._speaker.wait(wait_s))
            case Harm():
                self._harm(request)
            case _:
                self.counters["unknown_commands"] += 1

    def _read_card(self, request: ReadCard) -> None:
        if not request.is_subordinates:
            self._say(self._speaker.card(request.name, self.card))
        elif self.card is not None:
            self._say(self._speaker.subordinates(self.card, request.page))

    def _tell_version(self, *, is_serial: bool) -> None:
        serial = self.card.serial if self.card is not None else 0
        self._say(self._speaker.version(self.spec.version, serial, is_serial=is_serial))

    def _harm(self, request: Harm) -> None:
        self.counters["harmful_commands"] += 1
        if request.is_fatal:
            self.is_destroyed = True
            self._life += 1
        elif request.is_silencing:
            self._faults.set(TerminalFault(kind="silent"), self._agenda.now_s)

    def _submit(self, request: OnAir) -> None:
        """Transmit a request, or refuse it in the words of the family."""
        now_s = self._agenda.now_s
        outcome, wait_s = self._gate.judge(request, self.card, now_s, self._obstacles())
        self.counters[outcome.value] += 1
        if outcome is not Outcome.ACCEPTED or self.card is None:
            if self._air is not None:
                self._air.refused(self, request, outcome)
            self._after(
                self._rng.uniform(*self.spec.refusal_s),
                lambda: self._feed_back(request.name, outcome, wait_s),
            )
            return
        # A request that waits in the terminal counts from its own turn.
        interval_s = self._gate.enter(request, self.card, now_s + wait_s)
        feedback_s = max(self._rng.uniform(*self.spec.feedback_s), self.spec.transmit_s)
        if self._faults.strike("late_feedback"):
            feedback_s += self._faults.late_s
        self._gate.busy_until_s = now_s + feedback_s
        is_lost = self._faults.strike("lose_feedback")
        is_brownout = self._faults.strike("brownout")
        self._after(
            wait_s + self.spec.transmit_s, lambda: self._transmit(request, is_brownout=is_brownout)
        )
        if not is_lost:
            next_s = max(0.0, wait_s + interval_s - feedback_s)
            self._after(
                feedback_s, lambda: self._feed_back(request.name, Outcome.ACCEPTED, 0.0, next_s)
            )

    def _obstacles(self) -> Mapping[Outcome, bool]:
        now_s = self._agenda.now_s
        return {
            Outcome.SUPPRESSED: self._faults.is_on("suppressed", now_s),
            Outcome.SILENT: self._faults.is_on("silent", now_s),
            Outcome.BATTERY: self._faults.is_on("battery", now_s),
            Outcome.NO_LOCK: not self.beams(),
        }

    def _transmit(self, request: OnAir, *, is_brownout: bool) -> None:
        if self.card is None:
            return
        self.counters["on_air"] += 1
        if self._air is not None:
            self._air.transmit(self, self.card, self._gate.fitted(request, self.card))
        if is_brownout:
            frame = self._feedback(request.name, Outcome.ACCEPTED, 0.0, 0.0)
            self._reset(frame, self._faults.boot_s)

    def _feed_back(self, name: str, outcome: Outcome, wait_s: float, next_s: float = 0.0) -> None:
        self._say(self._feedback(name, outcome, wait_s, next_s))
        if outcome is Outcome.ACCEPTED:
            self._say_lines(self.spec.manner.free_text)

    def _feedback(self, name: str, outcome: Outcome, wait_s: float, next_s: float) -> bytes:
        feedback = Feedback(
            name=name,
            outcome=outcome,
            at_utc=self._utc(),
            address=self.card.address if self.card is not None else 0,
            wait_s=wait_s,
            next_s=next_s,
        )
        return self._speaker.feedback(feedback)

    def status(self) -> Status:
        """Return how it is now."""
        now_s = self._agenda.now_s
        percent = self.spec.battery_percent
        if self._faults.is_on("battery", now_s):
            percent = min(LOW_BATTERY_PERCENT, percent)
        return Status(
            card=self.card,
            at_utc=self._utc(),
            beams=self.beams(),
            is_suppressed=self._faults.is_on("suppressed", now_s),
            is_silent=self._faults.is_on("silent", now_s),
            battery_percent=percent,
            hardware_faults=int(self._faults.is_on("antenna", now_s)),
        )

    def _boot(self) -> None:
        self._say_lines(self.spec.manner.banner)
        if self.spec.manner.announces_card:
            self._say(self._speaker.card("", self.card))
        if self.spec.unasked_s:
            self._after(
                self.spec.unasked_s,
                lambda: self._reporter.ask(Report.POWER, self.spec.unasked_s),
            )

    def _reset(self, frame: bytes, off_s: float) -> None:
        """Lose power in the middle of a frame; come back after so long, or never."""
        if self.is_destroyed:
            return
        if frame and self.is_on:
            self._say(self._faults.cut(frame))
        self.counters["resets"] += 1
        self._life += 1
        self._speaker.forget()
        self._reporter.hush(None)
        self._gate.forget()
        self._off_until_s = self._agenda.now_s + off_s
        if not math.isinf(off_s):
            self._after(off_s, self._boot)

    def _insert(self, card: Card) -> None:
        self.card = card
        if self.spec.manner.announces_card and self.is_on:
            self._say(self._speaker.card("", card))

    def _say_report(self, report: Report) -> None:
        self._say(self._speaker.report(report, self.status()))

    def _say_lines(self, lines: tuple[str, ...]) -> None:
        for line in lines:
            self._say(f"{line}\r\n".encode())

    def _say(self, data: bytes) -> None:
        data = self._faults.damage(data, self._agenda.now_s)
        self.counters["bytes_out"] += len(data)
        if len(self._out) + len(data) > MAX_UNREAD_BYTES:
            self.counters["bytes_unread"] += len(data)
            return
        self._out += data

    def _after(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do something later, unless power is lost before."""
        life = self._life
        self._agenda.at(
            self._agenda.now_s + delay_s, lambda: action() if life == self._life else None
        )

    def _utc(self) -> datetime:
        return self._start_utc + timedelta(seconds=self._agenda.now_s)
