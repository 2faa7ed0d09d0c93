"""From the configuration file to the values that each room takes.

Nothing is opened here. Rooms never see the configuration; they are told these frozen values.
"""

from bdgw.plan.adapter import AdapterSpec, adapter_specs
from bdgw.plan.broker import api_tokens, broker_password, mqtt_settings
from bdgw.plan.caster import caster_spec, caster_tls, caster_users, users_file
from bdgw.plan.correction import (
    correction_bindings,
    correction_routes,
    correction_specs,
    correction_tls,
)
from bdgw.plan.device import device_facts, device_specs, listener_specs, solver_specs
from bdgw.plan.history import history_limits, history_path, store_password
from bdgw.plan.outbox import outbox_bounds, outbox_pace, outbox_path
from bdgw.plan.secret import host_and_port
from bdgw.plan.shortmsg import office_spec

__all__ = [
    "AdapterSpec",
    "adapter_specs",
    "api_tokens",
    "broker_password",
    "caster_spec",
    "caster_tls",
    "caster_users",
    "correction_bindings",
    "correction_routes",
    "correction_specs",
    "correction_tls",
    "device_facts",
    "device_specs",
    "history_limits",
    "history_path",
    "host_and_port",
    "listener_specs",
    "mqtt_settings",
    "office_spec",
    "outbox_bounds",
    "outbox_pace",
    "outbox_path",
    "solver_specs",
    "store_password",
    "users_file",
]
