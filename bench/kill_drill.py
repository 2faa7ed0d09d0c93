"""A gateway in the middle of a busy hour, killed with SIGKILL again and again: what became of all?

The witness owns the terminals, the satellites and the shore, which live on when the gateway dies;
what the antennas really sent, and what was acknowledged to users, is what it judges by.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from bdgw.shortmsg.budget import Priority
from bdgw.shortmsg.outgoing import Peer, Submission
from bdgw.store.direct import DirectStore
from bench import kill_child
from bench.figure import Figure, Options, figure
from bench.kill_child import SHORE, Answered, Asked
from bench.kill_verdict import Verdict, Wish, Witnessed
from bench.short_link import Side, Yard
from fwsim.rdss_card import Card
from fwsim.rdss_card import Family as SimFamily
from fwsim.rdss_network import SimNetwork
from fwsim.rdss_spec import NetworkSpec, TerminalSpec

__all__ = ["Drill", "run"]

HANDSET = 300001
CARDS = {"t1": (175607, 60), "t2": (175608, 40), "t3": (175609, 30)}
BUSY_S, EVENING_S = 3600.0, 2700.0
"""Of submissions and kills, and until the last deadline."""
KILLS_AN_HOUR = 10
N_KILLS, QUICK_KILLS = 200, 20
_PRIORITIES = [*Priority, Priority.DATA, Priority.ROUTINE, Priority.ROUTINE]
_MEAN_GAP_S = 20.0
_TICKS_MAX = 400
_LEAST_STEP_S = 1e-3
_ROUNDING_S = 1e-6
"""The clocks of two lives have different zeros."""
_TALKS_MAX = 300
_EXCHANGES_A_S = 0.25
"""About so many in a busy hour."""
_REPORTS = (b"$BDBSI", b"$BDPWI")


class Drill:
    """One busy hour, so many kills in it, and the evening in which all must come to its end."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        n_kills: int,
        *,
        busy_s: float = BUSY_S,
        evening_s: float = EVENING_S,
        mode: str = "careful",
    ) -> None:
        self._rng = random.Random(f"kills {seed}")
        self._path = folder / f"ledger-{seed}.db"
        self._network = SimNetwork(NetworkSpec(seed=str(seed), loss=0.05, duplicate=0.02))
        self._yard = Yard(self._network, seed=seed)
        families = {"t1": SimFamily.BD1, "t2": SimFamily.BD2, "t3": SimFamily.BD3}
        self._sims = {
            name: self._network.add(_terminal(name, families[name], *CARDS[name])) for name in CARDS
        }
        shore = self._network.add(_terminal("shore", SimFamily.BD1, SHORE, 20))
        ship = frozenset(address for address, _ in CARDS.values())
        self._shore = Side(self._yard, {"t1": shore}, peers=(Peer(name="ship", addresses=ship),))
        self._end_s = busy_s + evening_s
        self._wishes = list(self._plan(busy_s, evening_s))
        self._waiting = list(self._wishes)
        # Drawn by count of exchanges, so that it falls into work and not into waiting.
        n_exchanges = round(busy_s * _EXCHANGES_A_S)
        self._kill_at = sorted(self._rng.sample(range(n_exchanges), n_kills))
        self._n_exchanges = 0
        self._deadline_s: float | None = 0.0
        self._heard: dict[str, bytes] = {}
        self._mean_s = 1e-3
        self._cancels: dict[str, float] = {}
        self.kill_times_s: list[float] = []
        self._server = _Lives(folder / f"door-{seed}", self._path, mode)

    def run(self) -> Verdict:
        """Live through it and judge."""
        with closing(self._server):
            self._run(self._end_s)
            self._server.rest()
        ship = {address for address, _ in CARDS.values()}
        witnessed = Witnessed(
            wishes=self._wishes,
            sent=[one for one in self._network.truth if one.sender in ship],
            heard=[one.text for _, one in self._shore.heard],
            kill_times_s=self.kill_times_s,
            n_inside_interval=self._network.counters["interval_violations"],
            n_too_early=self._network.counters["refused_too_early"],
        )
        with closing(DirectStore(str(self._path))) as store:
            return witnessed.judge(store)

    # --- what users want ------------------------------------------------------------------------

    def _plan(self, busy_s: float, evening_s: float) -> Iterator[Wish]:
        rng, at_s, tag = self._rng, 5.0, 0
        while at_s < busy_s:
            tag += 1
            kind = rng.random()
            to = SHORE if kind < 0.5 else HANDSET
            n_characters = rng.randrange(60, 250) if kind < 0.12 else rng.randrange(2, 20)
            text = f"{tag}号" + "报" * n_characters
            yield Wish(
                tag=tag,
                at_s=at_s,
                content=text,
                submission=Submission(
                    to=to,
                    text=text,
                    priority=rng.choice(_PRIORITIES),
                    valid_s=rng.uniform(0.2, 0.9) * evening_s if to == SHORE else None,
                    supersede_key=rng.choice([None, None, None, "position"]),
                    idempotency_key=f"wish-{tag}",
                ),
            )
            at_s += rng.expovariate(1.0 / _MEAN_GAP_S)

    # --- time -----------------------------------------------------------------------------------

    def _run(self, until_s: float) -> None:
        yard = self._yard
        while yard.now < until_s:
            self._settle()
            times = [self._network.deadline(), self._deadline_s, *self._shore.deadlines()]
            times += [wish.at_s for wish in self._waiting[:1]]
            next_s = min((at_s for at_s in times if at_s is not None), default=until_s)
            yard.now = min(max(next_s, yard.now + _LEAST_STEP_S), until_s)

    def _settle(self) -> None:
        """Until nobody has anything to say at this instant."""
        now = self._yard.now
        for _ in range(_TALKS_MAX):
            self._network.advance(now)
            is_busy = self._shore.step()
            is_news = self._listen()
            is_due = self._deadline_s is not None and self._deadline_s <= now - _ROUNDING_S
            wants = self._waiting and self._waiting[0].at_s <= now
            if is_news or is_due or wants:
                is_busy |= self._exchange()
            elif not is_busy:
                return
        raise AssertionError("they never stop talking")

    def _listen(self) -> bool:
        """Collect what terminals say; beams, told every second, wait for weightier news."""
        is_news = False
        for name, sim in self._sims.items():
            data = sim.data_to_send()
            if data:
                self._heard[name] = self._heard.get(name, b"") + data
                is_news |= not data.startswith(_REPORTS)
        return is_news

    def _exchange(self) -> bool:
        heard, self._heard = self._heard, {}
        now, rng = self._yard.now, self._rng
        wishes = [wish for wish in self._waiting if wish.at_s <= now]
        asked = Asked(
            now=now,
            heard=heard,
            submissions=[(wish.tag, wish.submission) for wish in wishes],
            cancels=self._cancels_now(),
        )
        self._n_exchanges += 1
        is_time = bool(self._kill_at) and self._kill_at[0] <= self._n_exchanges
        way = rng.choice(("between", "during", "inside")) if is_time else None
        if is_time:
            del self._kill_at[0]
        if way == "inside":
            ticks = rng.randrange(1, _TICKS_MAX)
            asked = msgspec.structs.replace(asked, die_after_ticks=ticks)
        began_s = time.perf_counter()
        is_sent = self._server.ask(asked)
        if way == "during":
            # Somewhere in its work on this: in memory, in a commit, in the fsync, in the answer.
            wait_s = rng.uniform(0.0, 1.5) * self._mean_s
            while time.perf_counter() - began_s < wait_s:
                pass
            self._server.kill()
        answer = self._server.answer() if is_sent else None
        took_s = time.perf_counter() - began_s
        if answer is not None:
            self._mean_s += 0.05 * (took_s - self._mean_s)
            self._take(answer)
        if way == "between":
            self._server.kill()
        if way in ("between", "during") or answer is None:
            self._bury()
        return True

    def _take(self, answer: Answered) -> None:
        by_tag = {wish.tag: wish for wish in self._waiting}
        for tag, message_id in answer.accepted:
            wish = by_tag[tag]
            assert wish.message_id in (None, message_id), "one key, two messages"
            wish.message_id = message_id
            self._waiting.remove(wish)
            if self._rng.random() < 0.1:
                self._cancels[message_id] = self._yard.now + self._rng.uniform(0.0, 200.0)
        for tag, cause in answer.refused:
            by_tag[tag].cause = cause
            self._waiting.remove(by_tag[tag])
        self._deadline_s = answer.deadline_s
        for name, data in answer.said.items():
            self._sims[name].receive(data, self._yard.now)

    def _cancels_now(self) -> list[str]:
        due = [name for name, at_s in self._cancels.items() if at_s <= self._yard.now]
        for name in due:
            del self._cancels[name]
        return due

    def _bury(self) -> None:
        """It is dead; the next life begins some seconds later, and time went on meanwhile."""
        self.kill_times_s.append(self._yard.now)
        self._server.again()
        self._network.advance(self._yard.now)
        self._deadline_s = self._yard.now + self._rng.choice((0.0, 2.0, 20.0, 90.0))


class _Lives:
    """The child that forks one life after the other."""

    def __init__(self, address: Path, path: Path, mode: str) -> None:
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(address))
        self._door.listen()
        root = Path(__file__).resolve().parents[1]
        self._child = subprocess.Popen(
            [sys.executable, kill_child.__file__, str(path), str(address), mode],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'firmware-sim'}"},
        )
        self._begin()

    def _begin(self) -> None:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write("live\n")
        self._child.stdin.flush()
        self._pid = int(self._child.stdout.readline())
        self._link, _ = self._door.accept()

    def ask(self, asked: Asked) -> bool:
        """False: nobody is there any more."""
        try:
            self._link.sendall(kill_child.packed(asked))
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def answer(self) -> Answered | None:
        """What left the gateway; None: it died before all of it had."""
        head = self._exactly(4)
        data = None if head is None else self._exactly(int.from_bytes(head, "big"))
        return None if data is None else msgspec.msgpack.decode(data, type=Answered)

    def _exactly(self, n: int) -> bytes | None:
        data = b""
        while len(data) < n:
            try:
                more = self._link.recv(n - len(data))
            except ConnectionResetError:
                return None
            if not more:
                return None
            data += more
        return data

    def kill(self) -> None:
        """As a power cut of the process."""
        os.kill(self._pid, signal.SIGKILL)

    def again(self) -> None:
        """Wait for its death, and begin the next life."""
        self._dead()
        self._begin()

    def _dead(self) -> None:
        assert self._child.stdout is not None
        assert self._child.stdin is not None
        self._link.close()
        self._child.stdin.write("bury\n")
        self._child.stdin.flush()
        line = self._child.stdout.readline()
        assert line == "dead\n", line

    def rest(self) -> None:
        """Let its last facts come to the disk, as in any idle moment."""
        time.sleep(0.2)

    def close(self) -> None:
        """End the last life as any other."""
        os.kill(self._pid, signal.SIGKILL)
        self._dead()
        with self._child as child:
            assert child.stdin is not None
            child.stdin.close()
        self._door.close()


def _terminal(name: str, family: SimFamily, address: int, interval_s: int) -> TerminalSpec:
    card = Card(address=address, interval_s=interval_s, level=3)
    return TerminalSpec(name=name, family=family, card=card, power_every_s=0.0)


def drills(n_kills: int, *, seed: int = 0) -> Iterator[Verdict]:
    """Busy hours until there were so many kills."""
    n_done = 0
    with tempfile.TemporaryDirectory() as folder:
        while n_done < n_kills:
            drill = Drill(Path(folder), seed, min(KILLS_AN_HOUR, n_kills - n_done))
            verdict = drill.run()
            n_done += verdict.n_kills
            seed += 1
            yield verdict


def run(options: Options) -> Iterator[Figure]:
    """Two hundred kills, twenty with ``--quick``."""
    verdicts = list(drills(QUICK_KILLS if options.quick else N_KILLS))
    faults = [fault for verdict in verdicts for fault in verdict.faults]
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    yield figure(
        "kills",
        "SIGKILL in busy hours: messages lost, sent twice, untold, or inside an interval",
        len(faults),
        "messages",
        ok=not faults,
        kills=sum(one.n_kills for one in verdicts),
        hours=len(verdicts),
        accepted=sum(one.n_accepted for one in verdicts),
        on_air=sum(one.n_on_air for one in verdicts),
        possibly_sent=sum(one.n_possibly_sent for one in verdicts),
        sent_again_in_flight=sum(one.n_sent_again_in_flight for one in verdicts),
    )
