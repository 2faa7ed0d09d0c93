"""One connection to the caster: request in, answer out, then data out and GGA in."""

import asyncio
import random
import ssl
from typing import Protocol

from fwsim.ban import BanPolicy, Offence
from fwsim.caster_door import Door, Mount, Outcome, Verdict
from fwsim.caster_fault import Batch
from fwsim.caster_line import Line
from fwsim.caster_outlet import Outlet
from fwsim.caster_request import MalformedError, Request, read_gga, read_request
from fwsim.reply import chunk, chunked, refusal_answer

MUTE_S = 120.0
MAX_LINE_BYTES = 512
# A client that leaves this much unread is as good as gone.
MAX_UNSENT_BYTES = 1 << 20


class House(Protocol):
    """What a session needs of its caster."""

    door: Door
    policy: BanPolicy
    n_ggas: int
    n_ggas_bad: int
    n_ggas_unwanted: int
    n_slow: int
    start_s: float

    @property
    def outlet(self) -> Outlet:
        """Return the streams."""
        ...

    def now_s(self) -> float:
        """Return the caster's clock."""
        ...

    def say(self, event: dict[str, object]) -> None:
        """Report."""
        ...

    def find(self, name: str) -> Mount | None:
        """Return a mount, if there is one of that name."""
        ...


class Session:
    """One connection from accept to close."""

    def __init__(
        self,
        number: int,
        house: House,
        line: Line,
        *,
        seed: str,
    ) -> None:
        """Take over a connection."""
        self.number = number
        self._mount: Mount | None = None
        self.bytes_sent = 0
        self.n_ggas = 0
        self.address = line.address
        self.account: str | None = None
        self._house = house
        self._line = line
        self._rng = random.Random(f"session:{seed}:{number}")  # noqa: S311 - reproducible
        self._is_chunked = False
        self._is_open = True
        self._reason = "client left"
        self._begin_s = house.now_s()
        self._first_data_s: float | None = None
        self._last_gga_s: float | None = None
        self._is_unwanted_told = False
        self._is_joined = False

    @property
    def mount(self) -> Mount:
        """The mount of a session with data."""
        if self._mount is None:
            raise RuntimeError("a session without data has no mount")
        return self._mount

    def is_on(self, mount: Mount) -> bool:
        """Tell whether this session has the data of a mount."""
        return self._mount is mount

    async def run(self) -> None:
        """Live until either side ends it."""
        try:
            await self._serve()
        except (OSError, asyncio.IncompleteReadError, ssl.SSLError):
            self._reason = "connection lost"
        finally:
            await self._line.closed()

    def close(self, reason: str, *, is_reset: bool = False) -> None:
        """End it from the caster's side, in good order or with a reset."""
        self._reason = reason
        self._is_open = False
        if self._is_chunked and not is_reset:
            self._line.send(chunk(b""))
        self._line.close(is_reset=is_reset)

    def deliver(self, batch: Batch) -> None:
        """Send what left the mount, unless this client does not deserve it now."""
        if not self._is_open or not self._may_have_data():
            return
        data = batch.data
        if self._is_chunked:
            data = chunked(data, self._borders(batch))
        self._line.send(data)
        if self._first_data_s is None:
            self._first_data_s = self._house.now_s()
        self.bytes_sent += len(batch.data)
        self.mount.bytes_sent += len(batch.data)
        if self._line.unsent_bytes > MAX_UNSENT_BYTES:
            self._house.n_slow += 1
            self.close("too slow", is_reset=True)

    def _may_have_data(self) -> bool:
        mount = self.mount
        if mount.needs_gga and self._last_gga_s is None:
            return False
        if mount.stops_without_gga:
            since_s = self._begin_s if self._last_gga_s is None else self._last_gga_s
            return self._house.now_s() - since_s <= mount.spec.stop_s
        return True

    def _borders(self, batch: Batch) -> list[int]:
        """Choose chunk borders inside the frames, and none where a frame ends."""
        borders = []
        begin = 0
        for piece in batch.pieces:
            if len(piece.data) > 1:
                borders.append(begin + self._rng.randrange(1, len(piece.data)))
            begin += len(piece.data)
        return borders

    async def _serve(self) -> None:
        if self._house.policy.is_banned(self.address, self._begin_s):
            self._say("turned_away", address=self.address)
            return
        head, rest = await self._line.read_head()
        if not head:
            self._house.policy.failed(self.address, self._house.now_s())
            self._say("request", address=self.address, outcome="none")
            return
        try:
            request = read_request(head)
        except MalformedError as error:
            await self._refuse_malformed(str(error))
            return
        verdict = self._house.door.ask(request, self.address, self._house.now_s())
        self._tell_request(request, verdict)
        await self._follow(request, verdict, rest)

    async def _refuse_malformed(self, reason: str) -> None:
        now_s = self._house.now_s()
        self._house.policy.offended(self.address, Offence.MALFORMED, now_s)
        self._say("request", address=self.address, outcome="malformed", reason=reason)
        self._tell_offence(Offence.MALFORMED)
        await self._line.send_last(refusal_answer("malformed", ""))

    async def _follow(self, request: Request, verdict: Verdict, rest: bytes) -> None:
        pace = self._house.find(request.mount)
        if pace is not None and pace.spec.reply_delay_s:
            await asyncio.sleep(pace.spec.reply_delay_s)
        drip_s = pace.spec.drip_s if pace is not None else 0.0
        if verdict.outcome == Outcome.MUTE:
            await self._be_mute(verdict)
        elif verdict.outcome == Outcome.STREAM:
            await self._stream(request, verdict, rest, drip_s)
        else:
            await self._line.send_last(verdict.answer, drip_s)

    async def _be_mute(self, verdict: Verdict) -> None:
        await self._line.swallow(MUTE_S)
        if verdict.attempt is not None:
            self._house.policy.ended(verdict.attempt, self._house.now_s(), good_s=0.0)

    async def _stream(self, request: Request, verdict: Verdict, rest: bytes, drip_s: float) -> None:
        self._mount = self._house.find(request.mount)
        self._is_chunked = verdict.is_chunked
        attempt = verdict.attempt
        self.account = attempt.account if attempt else None
        self._house.door.entered(self.account)
        try:
            await self._line.send_slowly(verdict.answer, drip_s)
            if not self.mount.needs_gga:
                self._join()
            header = request.headers.get("ntrip-gga")
            if header is not None:
                self._hear(header.encode())
            await self._listen_for(rest, self.mount.life_s)
        finally:
            self._is_open = False
            self._house.outlet.leave(self, self.mount)
            self._house.door.left(self.account)
            now_s = self._house.now_s()
            good_s = 0.0 if self._first_data_s is None else now_s - self._first_data_s
            if attempt is not None:
                self._house.policy.ended(attempt, now_s, good_s=good_s)
            self._say(
                "end",
                mount=self.mount.name,
                reason=self._reason,
                seconds=round(now_s - self._begin_s, 3),
                bytes=self.bytes_sent,
                ggas=self.n_ggas,
            )

    async def _listen_for(self, rest: bytes, life_s: float | None) -> None:
        try:
            async with asyncio.timeout(life_s):
                await self._listen(rest)
        except TimeoutError:
            self._reason = "dies"

    async def _listen(self, rest: bytes) -> None:
        """Read lines until the client leaves."""
        data = rest
        while True:
            *lines, data = data.split(b"\n")
            for line in lines:
                self._hear(line)
            data = data[-MAX_LINE_BYTES:]
            part = await self._line.read()
            if not part:
                return
            data += part

    def _hear(self, line: bytes) -> None:
        """Take a line from the client: a GGA, or something that is none."""
        if not line.strip():
            return
        position = read_gga(line)
        talkers = self.mount.spec.talkers
        if position is None or (talkers and position.talker not in talkers):
            self._house.n_ggas_bad += 1
            return
        self.n_ggas += 1
        self._house.n_ggas += 1
        self._say(
            "gga",
            mount=self.mount.name,
            talker=position.talker,
            quality=position.quality,
            lat_deg=round(position.lat_deg, 6),
            lon_deg=round(position.lon_deg, 6),
        )
        if not self.mount.wants_gga:
            self._be_offended()
        elif position.is_usable:
            self._last_gga_s = self._house.now_s()
            self._join()
            self._house.outlet.place(self, self.mount, position, self.deliver)

    def _join(self) -> None:
        if not self._is_joined:
            self._is_joined = True
            self._house.outlet.join(self, self.mount, self.deliver)

    def _be_offended(self) -> None:
        self._house.n_ggas_unwanted += 1
        if not self._is_unwanted_told:
            self._is_unwanted_told = True
            self._house.policy.offended(self.address, Offence.UNWANTED_GGA, self._house.now_s())
            self._tell_offence(Offence.UNWANTED_GGA)

    def _tell_request(self, request: Request, verdict: Verdict) -> None:
        self._say(
            "request",
            address=self.address,
            method=request.method,
            mount=request.mount,
            version=request.version,
            agent=request.agent[:80],
            credentials=request.scheme,
            has_gga="ntrip-gga" in request.headers,
            outcome=str(verdict.outcome),
            form=verdict.form,
        )
        if verdict.offence is not None:
            self._tell_offence(verdict.offence)

    def _tell_offence(self, kind: Offence) -> None:
        bans = self._house.policy.n_bans
        self._say("offence", kind=str(kind), address=self.address, bans=bans)

    def _say(self, event: str, **facts: object) -> None:
        now_s = round(self._house.now_s() - self._house.start_s, 3)
        self._house.say({"event": event, "at_s": now_s, "session": self.number, **facts})
