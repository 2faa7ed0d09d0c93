"""Decides what a request gets: data, the table, a page, a challenge or a refusal.

Pure: a request and the time in, a verdict out. All offences of requests are found here.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fwsim.ban import Attempt, BanPolicy, Offence
from fwsim.caster_fault import StreamFault, StreamFaults
from fwsim.caster_request import Request, is_digest_right
from fwsim.caster_spec import CasterSpec, MountSpec
from fwsim.reply import (
    DIALECTS,
    challenge_answer,
    page_answer,
    refusal_answer,
    stream_answer,
    table_answer,
)

STRAY_P = 0.3
LIFE_S = 1.0


class Outcome(StrEnum):
    """What a request came to."""

    STREAM = "stream"
    TABLE = "table"
    PAGE = "page"
    CHALLENGE = "challenge"
    REFUSED = "refused"
    MUTE = "mute"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What to answer; ``form`` names it."""

    outcome: Outcome
    form: str
    answer: bytes = field(default=b"", repr=False)
    is_chunked: bool = False
    attempt: Attempt | None = None
    offence: Offence | None = None


class Mount:
    """A mount as it is now."""

    def __init__(self, spec: MountSpec, *, seed: str) -> None:
        """Begin as described."""
        self.spec = spec
        self.dialect = spec.dialect
        self.is_away = False
        self.bytes_sent = 0
        self.faults = StreamFaults(seed=f"{seed}:{spec.name}")
        self.set_faults(spec.fault)

    @property
    def name(self) -> str:
        """The name in the table."""
        return self.spec.name

    @property
    def needs_gga(self) -> bool:
        """Tell whether nothing is sent before a usable GGA."""
        return self.spec.needs_gga or self.spec.is_virtual or DIALECTS[self.dialect].needs_gga

    @property
    def stops_without_gga(self) -> bool:
        """Tell whether data end when no GGA comes for long."""
        return DIALECTS[self.dialect].stops_without_gga

    @property
    def life_s(self) -> float | None:
        """How long a connection lasts, if the mount ends it."""
        return LIFE_S if DIALECTS[self.dialect].dies else None

    @property
    def wants_gga(self) -> bool:
        """Tell whether a GGA is welcome."""
        return self.needs_gga or self.stops_without_gga

    def set_faults(self, fault: StreamFault | None) -> None:
        """Replace the faults of the stream."""
        stray = DIALECTS[self.dialect].has_stray_text
        dialect = [StreamFault(kind="stray_text", p=STRAY_P)] if stray else []
        self.faults.set([*dialect, *([fault] if fault else [])])


class Door:
    """All rules by which a caster lets clients in."""

    def __init__(
        self,
        spec: CasterSpec,
        mounts: Mapping[str, Mount],
        policy: BanPolicy,
        table: Callable[[], tuple[bytes, int]],
    ) -> None:
        """``table`` writes the source table and its length."""
        self._spec = spec
        self._mounts = mounts
        self._policy = policy
        self._table = table
        self._sessions: Counter[str] = Counter()

    def entered(self, account: str | None) -> None:
        """Count a session of an account."""
        if account is not None:
            self._sessions[account] += 1

    def left(self, account: str | None) -> None:
        """Count its end."""
        if account is not None:
            self._sessions[account] -= 1

    def ask(self, request: Request, address: str, now_s: float) -> Verdict:
        """Decide; who was banned by this very request gets nothing."""
        attempt = Attempt(address, request.mount, _account(request))
        verdict = self._judge(request, attempt, now_s)
        if verdict.offence is not None and self._policy.is_banned(address, now_s):
            return Verdict(
                outcome=Outcome.REFUSED, form="nothing", attempt=attempt, offence=verdict.offence
            )
        return verdict

    def _judge(self, request: Request, attempt: Attempt, now_s: float) -> Verdict:
        if request.method != "GET":
            form = "bad_password" if request.method == "SOURCE" else "push"
            return self._refuse(form, attempt, now_s)
        hasty = self._policy.attempted(attempt, now_s)
        if not request.mount:
            return self._show_table(request, attempt, hasty)
        mount = self._mounts.get(request.mount)
        if mount is None or mount.is_away:
            offence = hasty
            if mount is None:
                offence = self._policy.offended(attempt.address, Offence.UNKNOWN_MOUNT, now_s)
            form = "not_found" if request.version == 2 else "sourcetable_v1"
            return self._refuse(form, attempt, now_s, is_final=True, offence=offence)
        return (
            self._authenticate(request, mount, attempt, now_s, hasty)
            or self._count_sessions(attempt, now_s)
            or self._speak(request, mount, attempt, now_s, hasty)
        )

    def _show_table(self, request: Request, attempt: Attempt, offence: Offence | None) -> Verdict:
        if request.is_browser:
            return Verdict(outcome=Outcome.PAGE, form="page", answer=page_answer("fwsim caster"))
        form = "sourcetable_v2" if request.version == 2 else "sourcetable_v1"
        body, length = self._table()
        return Verdict(
            outcome=Outcome.TABLE,
            form=form,
            answer=table_answer(form, body, length=length),
            attempt=attempt,
            offence=offence,
        )

    def _authenticate(
        self,
        request: Request,
        mount: Mount,
        attempt: Attempt,
        now_s: float,
        hasty: Offence | None,
    ) -> Verdict | None:
        kind = mount.spec.authentication
        if kind == "none":
            return None
        realm = f"/{mount.name}"
        if kind == "digest" and request.digest() is None:
            self._policy.challenged(attempt, now_s)
            answer = challenge_answer(realm, self._nonce(mount.name), mount.spec.algorithm)
            return Verdict(
                outcome=Outcome.CHALLENGE,
                form="challenge",
                answer=answer,
                attempt=attempt,
                offence=hasty,
            )
        if self._is_known(request, mount, realm):
            return None
        offence = self._policy.offended(attempt.address, Offence.BAD_CREDENTIALS, now_s)
        form = "unauthorised_v2" if request.version == 2 else "unauthorised_v1"
        return self._refuse(form, attempt, now_s, is_final=True, offence=offence)

    def _is_known(self, request: Request, mount: Mount, realm: str) -> bool:
        names = mount.spec.accounts or tuple(self._spec.accounts)
        accounts = {name: self._spec.accounts[name] for name in names}
        if mount.spec.authentication == "digest":
            nonce = self._nonce(mount.name)
            return is_digest_right(request, nonce=nonce, realm=realm, accounts=accounts)
        found = request.basic()
        return found is not None and accounts.get(found[0]) == found[1]

    def _nonce(self, name: str) -> str:
        return hashlib.sha256(f"nonce:{self._spec.seed}:{name}".encode()).hexdigest()[:32]

    def _count_sessions(self, attempt: Attempt, now_s: float) -> Verdict | None:
        account = attempt.account
        limit = self._policy.rules.sessions_per_account
        if account is None or self._sessions[account] < limit:
            return None
        offence = self._policy.offended(attempt.address, Offence.SECOND_SESSION, now_s)
        return self._refuse("already_connected", attempt, now_s, offence=offence)

    def _speak(
        self,
        request: Request,
        mount: Mount,
        attempt: Attempt,
        now_s: float,
        hasty: Offence | None,
    ) -> Verdict:
        dialect = DIALECTS[mount.dialect]
        form = dialect.form
        is_deaf = form == "v1_only" and request.version == 2
        if dialect.is_mute or is_deaf:
            return Verdict(outcome=Outcome.MUTE, form="nothing", attempt=attempt, offence=hasty)
        if form == "v2_only" and request.version == 1:
            return self._refuse("old_version", attempt, now_s, offence=hasty)
        if not dialect.is_stream:
            is_final = dialect.is_final
            return self._refuse(form, attempt, now_s, is_final=is_final, offence=hasty)
        if form in {"v1_only", "v2_only"}:
            form = "auto"
        answer = stream_answer(form, request.version)
        return Verdict(
            outcome=Outcome.STREAM,
            form=form,
            answer=answer.data,
            is_chunked=answer.is_chunked,
            attempt=attempt,
            offence=hasty,
        )

    def _refuse(
        self,
        form: str,
        attempt: Attempt,
        now_s: float,
        *,
        is_final: bool = False,
        offence: Offence | None = None,
    ) -> Verdict:
        worn_out = self._policy.refused(attempt, now_s, is_final=is_final)
        if form.startswith("sourcetable"):
            body, length = self._table()
            answer = table_answer(form, body, length=length)
        else:
            answer = refusal_answer(form, attempt.mount)
        return Verdict(
            outcome=Outcome.REFUSED,
            form=form,
            answer=answer,
            attempt=attempt,
            offence=offence or worn_out,
        )


def _account(request: Request) -> str | None:
    """Return who the request says it is, right or wrong."""
    basic = request.basic()
    if basic is not None:
        return basic[0]
    return (request.digest() or {}).get("username")
