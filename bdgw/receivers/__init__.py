"""The room where bytes come in: serial ports, TCP both ways, UDP and recordings.

``ReceiverPool`` runs every configured device in one task group: it opens the link, feeds a fresh
protocol session per connection, judges by decoded data what the device is doing, and reconnects
for ever with jittered backoff. It knows no protocol: sessions come from a factory, and a
``classify`` function says which events are good frames, epochs or skipped bytes.
"""

from bdgw.receivers.clock import Clock, SystemClock
from bdgw.receivers.descriptor_limit import raise_descriptor_limit
from bdgw.receivers.endpoint import (
    Endpoint,
    FileEndpoint,
    NtripEndpoint,
    SerialEndpoint,
    TcpEndpoint,
    TcpListenEndpoint,
    UdpListenEndpoint,
    format_endpoint,
    parse_endpoint,
)
from bdgw.receivers.pool import ReceiverPool
from bdgw.receivers.pump import Pump
from bdgw.receivers.snapshot import ListenerSnapshot, QuarantinedPeer, ReceiverSnapshot
from bdgw.receivers.spec import (
    DeviceSpec,
    ListenerSpec,
    MatchRule,
    PeerRule,
    RegistrationRule,
    SentenceRule,
    UnknownPolicy,
)
from bdgw.receivers.verdict import Classify, Epoch, Good, Skipped, Verdict

__all__ = [
    "Classify",
    "Clock",
    "DeviceSpec",
    "Endpoint",
    "Epoch",
    "FileEndpoint",
    "Good",
    "ListenerSnapshot",
    "ListenerSpec",
    "MatchRule",
    "NtripEndpoint",
    "PeerRule",
    "Pump",
    "QuarantinedPeer",
    "ReceiverPool",
    "ReceiverSnapshot",
    "RegistrationRule",
    "SentenceRule",
    "SerialEndpoint",
    "Skipped",
    "SystemClock",
    "TcpEndpoint",
    "TcpListenEndpoint",
    "UdpListenEndpoint",
    "UnknownPolicy",
    "Verdict",
    "format_endpoint",
    "parse_endpoint",
    "raise_descriptor_limit",
]
