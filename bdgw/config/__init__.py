"""The configuration file: frozen models of its sections, and errors that a person can act on.

Unknown keys are refused with the nearest known name. Secrets stand in the environment or in a
file of their own, never here. Nothing that is physically true has a default.
"""

from bdgw.config.caster import CasterConfig, CasterMountConfig, CasterUserConfig
from bdgw.config.correction import AccountConfig, CorrectionConfig, GgaConfig, PlaceConfig
from bdgw.config.device import (
    DeviceConfig,
    HeadingConfig,
    ListenerConfig,
    MatchConfig,
    RtkConfig,
)
from bdgw.config.file import Config, load, load_users, parse
from bdgw.config.gateway import ApiConfig, BrokerConfig, GatewayConfig, LogConfig, TokenConfig
from bdgw.config.history import HistoryConfig, StoreConfig
from bdgw.config.outbox import OutboxConfig
from bdgw.config.shortmsg import (
    CapacityConfig,
    GroupConfig,
    PeerConfig,
    PermissionConfig,
    ShortMessageConfig,
)
from bdgw.config.value import SecretConfig

__all__ = [
    "AccountConfig",
    "ApiConfig",
    "BrokerConfig",
    "CapacityConfig",
    "CasterConfig",
    "CasterMountConfig",
    "CasterUserConfig",
    "Config",
    "CorrectionConfig",
    "DeviceConfig",
    "GatewayConfig",
    "GgaConfig",
    "GroupConfig",
    "HeadingConfig",
    "HistoryConfig",
    "ListenerConfig",
    "LogConfig",
    "MatchConfig",
    "OutboxConfig",
    "PeerConfig",
    "PermissionConfig",
    "PlaceConfig",
    "RtkConfig",
    "SecretConfig",
    "ShortMessageConfig",
    "StoreConfig",
    "TokenConfig",
    "load",
    "load_users",
    "parse",
]
