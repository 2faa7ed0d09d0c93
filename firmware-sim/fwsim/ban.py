"""How a strict caster treats its clients: what it counts, when it bans, when it forgives.

Modelled on free public casters: a counter of failed or useless connects per address, reset by a
good session, and a ban of a quarter of an hour that grows when it does not teach. Pure: the time
(seconds of any steady clock) is a parameter, and secrets never come here.
"""

import math
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Offence(StrEnum):
    """What a well-behaved client never does."""

    UNKNOWN_MOUNT = "unknown_mount"
    BAD_CREDENTIALS = "bad_credentials"
    MALFORMED = "malformed"
    TOO_SOON = "too_soon"
    TOO_SOON_AFTER_REFUSAL = "too_soon_after_refusal"
    SECOND_SESSION = "second_session"
    UNWANTED_GGA = "unwanted_gga"
    TOO_MANY_FAILURES = "too_many_failures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a caster allows; times in seconds.

    ``attempt_pause_s`` runs from the beginning of one connect to the beginning of the next for
    the same address, mount and account. ``refusal_pause_s`` is the same after an answer that
    a retry cannot change (401, 403, 404 and their older forms). ``slack_s`` forgives what the
    way adds. ``max_failures`` counts connects without a good session between them.
    """

    attempt_pause_s: float = 10.0
    refusal_pause_s: float = 300.0
    slack_s: float = 0.25
    max_offences: int = 10
    max_failures: int = 60
    window_s: float = 3600.0
    ban_s: float = 900.0
    max_ban_s: float = 7200.0
    good_after_s: float = 10.0
    sessions_per_account: int = 1


STRICT = Rules()
# Forgives all but malformed requests and bad credentials, as most local casters do.
LENIENT = Rules(
    attempt_pause_s=0.0,
    refusal_pause_s=0.0,
    max_offences=1_000_000,
    max_failures=1_000_000,
    sessions_per_account=1_000_000,
)
RULES = {"strict": STRICT, "lenient": LENIENT}
# One client that invents mounts or accounts must not fill the table of a caster.
MAX_KEYS_PER_ADDRESS = 256


@dataclass(frozen=True, slots=True)
class Attempt:
    """Who asks for what: the key of the pauses."""

    address: str
    mount: str
    account: str | None


@dataclass(slots=True)
class _Client:
    """What is known of one address."""

    offences: deque[float] = field(default_factory=deque)
    failures: deque[float] = field(default_factory=deque)
    last_s: dict[Attempt, float] = field(default_factory=dict)
    refused_s: dict[Attempt, float] = field(default_factory=dict)
    challenged_s: dict[Attempt, float] = field(default_factory=dict)
    banned_until_s: float = -math.inf
    next_ban_s: float = 0.0


class BanPolicy:
    """The counters of one caster and the verdict on each connect."""

    def __init__(self, rules: Rules = STRICT) -> None:
        """Start with nobody known."""
        self.rules = rules
        self.offences: Counter[Offence] = Counter()
        self.n_failures = 0
        self.n_bans = 0
        self.n_turned_away = 0
        self._clients: dict[str, _Client] = {}

    def allow(self, **changes: float) -> None:
        """Change single rules while running."""
        self.rules = replace(self.rules, **changes)  # type: ignore[arg-type]

    def is_banned(self, address: str, now_s: float) -> bool:
        """Tell whether an address is turned away at the door; count it if so."""
        if now_s >= self._client(address).banned_until_s:
            return False
        self.n_turned_away += 1
        return True

    def attempted(self, attempt: Attempt, now_s: float) -> Offence | None:
        """Note a connect whose request was read; return the offence that it is."""
        client = self._client(attempt.address)
        since_s = now_s - client.last_s.get(attempt, -math.inf) + self.rules.slack_s
        refused_s = now_s - client.refused_s.get(attempt, -math.inf) + self.rules.slack_s
        _remember(client.last_s, attempt, now_s)
        if since_s < self.rules.attempt_pause_s:
            return self.offended(attempt.address, Offence.TOO_SOON, now_s)
        if refused_s < self.rules.refusal_pause_s:
            return self.offended(attempt.address, Offence.TOO_SOON_AFTER_REFUSAL, now_s)
        return None

    def challenged(self, attempt: Attempt, now_s: float) -> None:
        """Note an answer that asks for credentials: the next connect is its second half.

        That holds once within the pause: who never answers the challenge comes too soon.
        """
        client = self._client(attempt.address)
        since_s = now_s - client.challenged_s.get(attempt, -math.inf)
        if since_s >= self.rules.attempt_pause_s:
            client.last_s.pop(attempt, None)
            _remember(client.challenged_s, attempt, now_s)

    def refused(self, attempt: Attempt, now_s: float, *, is_final: bool) -> Offence | None:
        """Note an answer without data; ``is_final``: one that a retry cannot change."""
        client = self._client(attempt.address)
        if is_final:
            _remember(client.refused_s, attempt, now_s)
        return self.failed(attempt.address, now_s)

    def failed(self, address: str, now_s: float) -> Offence | None:
        """Note a connect that brought nobody anything."""
        client = self._client(address)
        self.n_failures += 1
        self._add(client.failures, now_s)
        if len(client.failures) > self.rules.max_failures:
            client.failures.clear()
            self.offences[Offence.TOO_MANY_FAILURES] += 1
            self._ban(client, now_s)
            return Offence.TOO_MANY_FAILURES
        return None

    def offended(self, address: str, offence: Offence, now_s: float) -> Offence:
        """Count an offence, and ban when there were too many within the window."""
        client = self._client(address)
        self.offences[offence] += 1
        self._add(client.offences, now_s)
        if len(client.offences) >= self.rules.max_offences:
            client.offences.clear()
            self._ban(client, now_s)
        return offence

    def ended(self, attempt: Attempt, now_s: float, *, good_s: float) -> Offence | None:
        """Note the end of a session that had data for ``good_s`` seconds."""
        client = self._client(attempt.address)
        if good_s < self.rules.good_after_s:
            return self.failed(attempt.address, now_s)
        client.failures.clear()
        client.refused_s.pop(attempt, None)
        client.next_ban_s = 0.0
        return None

    def counters(self) -> dict[str, object]:
        """Return what is published."""
        return {
            "offences": sum(self.offences.values()),
            "offences_by_kind": {str(kind): n for kind, n in sorted(self.offences.items())},
            "failures": self.n_failures,
            "bans": self.n_bans,
            "turned_away": self.n_turned_away,
        }

    def _client(self, address: str) -> _Client:
        return self._clients.setdefault(address, _Client())

    def _add(self, times: deque[float], now_s: float) -> None:
        times.append(now_s)
        while times and now_s - times[0] > self.rules.window_s:
            times.popleft()

    def _ban(self, client: _Client, now_s: float) -> None:
        self.n_bans += 1
        ban_s = client.next_ban_s or self.rules.ban_s
        client.banned_until_s = now_s + ban_s
        client.next_ban_s = min(2 * ban_s, self.rules.max_ban_s)


def _remember(table: dict[Attempt, float], attempt: Attempt, now_s: float) -> None:
    table.pop(attempt, None)
    table[attempt] = now_s
    if len(table) > MAX_KEYS_PER_ADDRESS:
        del table[next(iter(table))]
