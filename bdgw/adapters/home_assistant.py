"""What Home Assistant is told: that a tracker exists, and where it is. Pure.

Source: Home Assistant, "MQTT device tracker" and "MQTT discovery". A tracker without a state topic
takes its place from the attributes ``latitude``, ``longitude`` and ``gps_accuracy``.
"""

from __future__ import annotations

from typing import Any

import msgspec

from bdgw.adapters.frame import Refusal, is_near_wgs84, is_wgs84
from bdgw.adapters.spec import HomeAssistantSpec
from bdgw.model import DeviceFix, FixKind
from bdgw.timescale import format_utc

__all__ = ["attributes_topic", "birth_topic", "config_topic", "encode_config", "encode_place"]

BIRTH = b"online"
_NEAR_M = 1.0
_encoder = msgspec.json.Encoder()


def birth_topic(spec: HomeAssistantSpec) -> str:
    """Where Home Assistant says that it has started and forgotten."""
    return f"{spec.prefix}/status"


def config_topic(spec: HomeAssistantSpec, device: str) -> str:
    """Where the announcement of a device stands, retained."""
    return f"{spec.prefix}/device_tracker/{_unique_id(spec, device)}/config"


def attributes_topic(spec: HomeAssistantSpec, device: str) -> str:
    """Where the place of a device stands, retained."""
    return f"{spec.root}/dev/{device}/homeassistant"


def encode_config(spec: HomeAssistantSpec, device: str, *, version: str) -> bytes:
    """Write the announcement: who it is, where its place stands, and how to see it is gone."""
    unique_id = _unique_id(spec, device)
    value: dict[str, Any] = {
        "name": None,  # the entity is the device: Home Assistant then shows the device's name
        "unique_id": unique_id,
        "default_entity_id": f"device_tracker.{unique_id.lower().replace('-', '_')}",
        "source_type": "gps",
        "json_attributes_topic": attributes_topic(spec, device),
        "availability": [
            {
                "topic": spec.connection_topic,
                "value_template": "{{ value_json.state }}",
                "payload_available": "online",
                "payload_not_available": "offline",
            }
        ],
        "device": {"identifiers": [unique_id], "name": device, "sw_version": f"bdgw {version}"},
        "origin": {"name": "bdgw", "sw_version": version},
    }
    return _encoder.encode(value)


def encode_place(item: DeviceFix) -> bytes | Refusal:
    """Write where a device is, or say why that cannot be told.

    Frames within two metres of WGS 84 are taken as they are: zones are circles of tens of metres.
    No accuracy better than a metre is claimed for them then.
    """
    fix = item.fix
    if fix.kind is FixKind.NONE or fix.lat_deg is None or fix.lon_deg is None:
        return Refusal.NO_POSITION
    if item.frame is None:
        return Refusal.FRAME_UNKNOWN
    if not is_near_wgs84(item.frame):
        return Refusal.FRAME_NOT_WGS84
    value: dict[str, Any] = {
        "latitude": fix.lat_deg,
        "longitude": fix.lon_deg,
        "gps_accuracy": _accuracy_m(fix.acc_h_m, item.frame),
        "altitude": fix.alt_msl_m,
        "vertical_accuracy": fix.acc_v_m,
        "speed_m_s": fix.speed_m_s,
        "course_deg": fix.course_deg,
        "heading_deg": None if fix.heading is None else fix.heading.heading_deg,
        "fix": fix.kind.value,
        "frame": item.frame,
        "epoch": item.frame_epoch_year,
        "sats_used": fix.sats_used,
        "t_fix": None if fix.t_gpst_ns is None else format_utc(fix.t_gpst_ns),
    }
    return _encoder.encode({name: part for name, part in value.items() if part is not None})


def _accuracy_m(acc_h_m: float | None, frame: str) -> float | None:
    if acc_h_m is None or is_wgs84(frame):
        return acc_h_m
    return max(acc_h_m, _NEAR_M)


def _unique_id(spec: HomeAssistantSpec, device: str) -> str:
    return f"bdgw_{spec.gateway}_{device}"
