"""Topic names: one function a topic. ``<p>`` of the documentation is ``root(gateway)``."""

from __future__ import annotations

__all__ = [
    "alarm",
    "connection",
    "device_of_repair",
    "fix",
    "health",
    "history_fix",
    "message_command",
    "message_event",
    "message_reply",
    "repair_commands",
    "repair_reply",
    "root",
    "sky",
]


def root(gateway: str) -> str:
    """Everything of one gateway is below this."""
    return f"bdgw/v1/{gateway}"


def connection(gateway: str) -> str:
    """Online or offline: retained, and the will's topic."""
    return f"{root(gateway)}/state/conn"


def health(gateway: str) -> str:
    """Summary a device, correction, terminal and of the outbox: retained."""
    return f"{root(gateway)}/state/health"


def fix(gateway: str, device: str) -> str:
    """Live fixes: retained, so that the broker keeps the latest."""
    return f"{root(gateway)}/dev/{device}/fix"


def history_fix(gateway: str, device: str) -> str:
    """Fixes that an outage has held up, and those that are sent again; never retained."""
    return f"{root(gateway)}/dev/{device}/history/fix"


def sky(gateway: str, device: str) -> str:
    """Satellites in view and used."""
    return f"{root(gateway)}/dev/{device}/event/sky"


def alarm(gateway: str, kind: str) -> str:
    """Alarms of one kind."""
    return f"{root(gateway)}/alarm/event/{kind}"


def message_event(gateway: str, kind: str) -> str:
    """Short messages: ``received``, and the ``status`` of those that go out."""
    return f"{root(gateway)}/shortmsg/event/{kind}"


def message_command(gateway: str, verb: str) -> str:
    """Commands about short messages: ``send``, ``cancel``; ``+`` is the filter for all."""
    return f"{root(gateway)}/shortmsg/command/{verb}"


def message_reply(gateway: str, command_id: str) -> str:
    """The answer to a command, where no response topic is given (MQTT 3.1.1)."""
    return f"{root(gateway)}/shortmsg/command/reply/{command_id}"


def repair_commands(gateway: str) -> str:
    """What to subscribe to for requests to send fixes again."""
    return f"{root(gateway)}/dev/+/command/repair"


def device_of_repair(gateway: str, topic: str) -> str | None:
    """Tell the device that such a request is about; None: the topic is none of these."""
    prefix, suffix = f"{root(gateway)}/dev/", "/command/repair"
    if not (topic.startswith(prefix) and topic.endswith(suffix)):
        return None
    device = topic[len(prefix) : -len(suffix)]
    return device if device and "/" not in device else None


def repair_reply(gateway: str, device: str, request_id: str) -> str:
    """Where such a request is answered that names no response topic (MQTT 3.1.1)."""
    return f"{root(gateway)}/dev/{device}/command/reply/{request_id}"
