"""Why a connection was lost and why a publish was refused, as closed sets. Pure.

Source: MQTT 5.0, sections 2.4 (reason codes) and 3.4.2.1 (PUBACK).
"""

from __future__ import annotations

import enum

import msgspec

__all__ = ["Loss", "LossKind", "is_final", "is_success", "reason_name", "refusal_text"]


class LossKind(enum.StrEnum):
    """Why there is no connection; the label under which reconnects are counted."""

    DNS = "dns"
    NETWORK = "network"
    """Refused, unreachable, reset."""
    TLS = "tls"
    TIMEOUT = "timeout"
    """No answer while connecting."""
    REFUSED = "refused"
    """The broker answered CONNECT with a failing code."""
    CLOSED = "closed"
    """The connection ended without a word."""
    DISCONNECTED = "disconnected"
    """The broker ended it with a DISCONNECT that gives a reason."""
    TAKEN_OVER = "taken_over"
    """Another client uses the same client id."""
    KEEPALIVE = "keepalive"
    """No answer to PINGREQ."""
    STALLED = "stalled"
    """Connected, but nothing is acknowledged."""
    STOPPED = "stopped"
    """We ended it."""


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a connection, or of the attempt to make one."""

    kind: LossKind
    text: str


_NAMES = {
    0x80: "unspecified_error",
    0x83: "implementation_specific_error",
    0x87: "not_authorized",
    0x90: "topic_name_invalid",
    0x91: "packet_identifier_in_use",
    0x95: "packet_too_large",
    0x97: "quota_exceeded",
    0x99: "payload_format_invalid",
}
# The same message can never succeed. Everything else may be the broker's trouble of the moment.
_FINAL = frozenset({0x87, 0x90, 0x95, 0x99})


def is_success(code: int) -> bool:
    """Whether a PUBACK with this code means delivered ("no matching subscribers" does)."""
    return code < 0x80


def is_final(code: int) -> bool:
    """Whether sending the same message again is pointless."""
    return code in _FINAL


def reason_name(code: int) -> str:
    """The word for a reason code, for counters and logs."""
    return _NAMES.get(code, f"reason_{code:#04x}")


# MQTT 3.1.1, section 3.2.2.3.
_CONNACK_3 = {
    1: "unsupported protocol version",
    2: "client identifier rejected",
    3: "server unavailable",
    4: "bad user name or password",
    5: "not authorized",
}
# MQTT 5, sections 3.2.2.2 and 3.14.2.1.
_CONNACK_5 = {
    0x00: "normal disconnection",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x84: "unsupported protocol version",
    0x85: "client identifier not valid",
    0x86: "bad user name or password",
    0x87: "not authorized",
    0x88: "server unavailable",
    0x89: "server busy",
    0x8A: "banned",
    0x8B: "server shutting down",
    0x8D: "keep alive timeout",
    0x8E: "session taken over",
    0x93: "receive maximum exceeded",
    0x95: "packet too large",
    0x96: "message rate too high",
    0x97: "quota exceeded",
    0x98: "administrative action",
    0x9C: "use another server",
    0x9D: "server moved",
    0x9F: "connection rate exceeded",
}


def refusal_text(code: int, *, is_v5: bool) -> str:
    """In words, why a CONNECT was refused or a connection ended."""
    return (_CONNACK_5 if is_v5 else _CONNACK_3).get(code, f"code {code:#04x}").capitalize()
