"""Which device is this? Decided from the first bytes of a connection. Pure.

The answer is a function of the bytes alone, never of how the network cut them. Registrations are
looked at first; sentences only count once no registration can match any more.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

import msgspec

from bdgw.receivers.spec import MatchRule, PeerRule, RegistrationRule, SentenceRule

__all__ = ["Answer", "Identification", "Identified", "NeedMore", "RuleBook", "Unknown"]


class Identified(msgspec.Struct, frozen=True):
    """It is ``device``; ``rest`` is what belongs to the decoder."""

    device: str
    rest: bytes


class NeedMore(msgspec.Struct, frozen=True):
    """Not decided yet."""


class Unknown(msgspec.Struct, frozen=True):
    """No device claims this peer."""

    reason: str


Answer = Identified | NeedMore | Unknown

_NEED_MORE = NeedMore()


class RuleBook:
    """The rules of one listener, checked against each other once."""

    def __init__(self, rules: Mapping[str, MatchRule | None]) -> None:
        """Take the rule of each device id; None is allowed for a device that is alone.

        Raises:
            ValueError: two devices could claim the same peer.
        """
        self.only_device: str | None = None
        self._networks: list[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, str]] = []
        self._sentences: list[tuple[re.Pattern[bytes], str]] = []
        prefixes: list[tuple[bytes, bool, str]] = []
        for device, rule in rules.items():
            match rule:
                case None:
                    if len(rules) > 1:
                        raise ValueError(
                            f"device {device!r} shares its listener with {len(rules) - 1} other(s) "
                            "and needs a match rule: registration, peer or sentence_id"
                        )
                    self.only_device = device
                case RegistrationRule():
                    if rule.is_line:
                        prefixes.append((rule.data + b"\n", True, device))
                        prefixes.append((rule.data + b"\r\n", True, device))
                    else:
                        prefixes.append((rule.data, False, device))
                case PeerRule():
                    self._networks.append((ipaddress.ip_network(rule.network), device))
                case SentenceRule():
                    self._sentences.append((_sentence_pattern(rule.text), device))
        self._prefixes = tuple((data, device) for data, _, device in prefixes)
        self._networks.sort(key=lambda row: row[0].prefixlen, reverse=True)
        _refuse_ambiguity(self._prefixes)
        _refuse_twins(rules)

    @property
    def has_sentences(self) -> bool:
        """Some device is told by a sentence."""
        return bool(self._sentences)

    @property
    def reads_bytes(self) -> bool:
        """What a peer sends can name a device."""
        return bool(self._prefixes or self._sentences)

    def device_of_peer(self, host: str) -> str | None:
        """The device that owns an address; the smallest network wins."""
        if self.only_device is not None:
            return self.only_device
        if not self._networks or not host:
            return None
        address = _plain_address(host)
        for network, device in self._networks:
            if address.version == network.version and address in network:
                return device
        return None

    def match_registration(self, data: bytes) -> Answer:
        """Compare the beginning of ``data`` with every registration."""
        is_possible = False
        for prefix, device in self._prefixes:
            if data.startswith(prefix):
                return Identified(device, data[len(prefix) :])
            is_possible = is_possible or prefix.startswith(data)
        return _NEED_MORE if is_possible else Unknown("no registration of a known device")

    def match_sentence(self, line: bytes) -> str | None:
        """The device that one complete line names; the first in order of configuration."""
        if not line.startswith(b"$"):
            return None
        for pattern, device in self._sentences:
            if pattern.search(line):
                return device
        return None


class Identification:
    """Collects the first bytes of one connection until they name a device, within limits."""

    def __init__(self, rules: RuleBook, *, max_bytes: int) -> None:
        self._rules = rules
        self._max_bytes = max_bytes
        self._data = b""
        self._scanned_bytes = 0
        self._answer: Answer = _NEED_MORE

    @property
    def data(self) -> bytes:
        """Everything received so far."""
        return self._data

    def receive(self, data: bytes) -> Answer:
        """Take more bytes. After an answer other than NeedMore nothing more may come."""
        self._data += data
        self._answer = self._decide()
        return self._answer

    def expire(self) -> Unknown:
        """Time is up."""
        if not self._data:
            return Unknown("sent nothing")
        return Unknown("did not name its device in time")

    def _decide(self) -> Answer:
        head = self._data[: self._max_bytes]
        answer = self._rules.match_registration(head)
        if isinstance(answer, Identified):
            return Identified(answer.device, self._data[len(head) - len(answer.rest) :])
        if isinstance(answer, Unknown):
            if not self._rules.has_sentences:
                return answer
            device = self._scan_lines(head)
            if device is not None:
                return Identified(device, self._data)
        if len(head) >= self._max_bytes:
            return Unknown(f"did not name its device in {self._max_bytes} bytes")
        return _NEED_MORE

    def _scan_lines(self, head: bytes) -> str | None:
        while (end := head.find(b"\n", self._scanned_bytes)) >= 0:
            line = head[self._scanned_bytes : end]
            self._scanned_bytes = end + 1
            # A sentence may begin after binary data or half a line.
            start = max(line.rfind(b"$"), 0)
            device = self._rules.match_sentence(line[start:].rstrip(b"\r"))
            if device is not None:
                return device
        return None


def _sentence_pattern(text: str) -> re.Pattern[bytes]:
    escaped = re.escape(text.encode("ascii"))
    return re.compile(rb"(?<![0-9A-Za-z])" + escaped + rb"(?![0-9A-Za-z])")


def _plain_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _refuse_ambiguity(prefixes: tuple[tuple[bytes, str], ...]) -> None:
    # In the order of their bytes, what begins with another one stands behind it.
    beginnings: list[tuple[bytes, str]] = []
    for data, device in sorted(prefixes):
        while beginnings and not data.startswith(beginnings[-1][0]):
            beginnings.pop()
        for shorter, other in beginnings:
            if device != other:
                raise ValueError(
                    f"the registration of {other!r} ({shorter!r}) is the beginning of that of "
                    f"{device!r} ({data!r}); they cannot be told apart"
                )
        beginnings.append((data, device))


def _refuse_twins(rules: Mapping[str, MatchRule | None]) -> None:
    seen: dict[MatchRule, str] = {}
    for device, rule in rules.items():
        if rule is None:
            continue
        if rule in seen:
            raise ValueError(f"devices {seen[rule]!r} and {device!r} have the same match rule")
        seen[rule] = device
