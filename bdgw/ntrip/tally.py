"""What a client has counted over all its connections. Pure."""

from __future__ import annotations

from collections import Counter

from bdgw.ntrip.client_event import Dialect
from bdgw.ntrip.conversation import Conversation
from bdgw.ntrip.position_rule import PositionRule
from bdgw.ntrip.spec import NtripClientSpec
from bdgw.ntrip.state import ClientSnapshot, ClientState

__all__ = ["Tally"]


class Tally:
    """The sums over all connections that are over, and the present one on top of them."""

    def __init__(self) -> None:
        self.n_lost: Counter[str] = Counter()
        self.n_attempts = self.n_accepted = self.n_good = self.n_frames = 0
        self.bytes_in = self.bytes_out = self.n_positions = self.n_write_drops = 0
        self.byte_at_s: float | None = None
        self.frame_at_s: float | None = None
        self.peer = ""
        self.dialect: Dialect | None = None

    def add(self, talk: Conversation) -> None:
        """Take over what a connection counted."""
        self.n_accepted += talk.granted_at_s is not None
        self.bytes_in += talk.bytes_in
        self.bytes_out += talk.bytes_out
        self.n_positions += talk.n_positions
        self.n_write_drops += talk.n_write_drops
        self.byte_at_s = talk.byte_at_s or self.byte_at_s
        self.peer = talk.peer or self.peer
        self.dialect = talk.dialect or self.dialect

    def snapshot(
        self,
        spec: NtripClientSpec,
        talk: Conversation | None,
        now: float,
        *,
        state: ClientState,
        state_age_s: float,
        next_attempt_in_s: float | None,
        n_failures: int,
        rule: PositionRule,
    ) -> ClientSnapshot:
        """All of it at ``now``; ``talk`` is the present connection."""
        byte_at_s = self.byte_at_s if talk is None else talk.byte_at_s or self.byte_at_s
        return ClientSnapshot(
            caster=str(spec.address),
            mount=spec.mount,
            state=state,
            state_age_s=state_age_s,
            peer=(talk.peer if talk is not None else "") or self.peer,
            next_attempt_in_s=next_attempt_in_s,
            n_attempts=self.n_attempts,
            n_accepted=self.n_accepted + (talk is not None and talk.granted_at_s is not None),
            n_good=self.n_good,
            n_failures=n_failures,
            n_lost=dict(self.n_lost),
            bytes_in=self.bytes_in + (0 if talk is None else talk.bytes_in),
            bytes_out=self.bytes_out + (0 if talk is None else talk.bytes_out),
            n_frames=self.n_frames,
            n_positions=self.n_positions + (0 if talk is None else talk.n_positions),
            sends_position=rule.is_on if talk is None else talk.sends_position,
            position_rule=rule.text,
            last_byte_age_s=_age(byte_at_s, now),
            last_frame_age_s=_age(self.frame_at_s, now),
            write_stalled_s=None if talk is None else _age(talk.stalled_at_s, now),
            n_write_drops=self.n_write_drops + (0 if talk is None else talk.n_write_drops),
            dialect=(None if talk is None else talk.dialect) or self.dialect,
        )


def _age(at_s: float | None, now: float) -> float | None:
    return None if at_s is None else max(0.0, now - at_s)
