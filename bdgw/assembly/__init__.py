"""The larger parts of the gateway, each put together from the checked configuration.

``bdgw.app`` joins them; here is what it takes to build one of them.
"""

from bdgw.assembly.adapters import build_adapters
from bdgw.assembly.augmentation import build_augmentation, check_augmentation
from bdgw.assembly.history import build_history
from bdgw.assembly.ports import DeviceEvent, build_pool, new_receiver_session

__all__ = [
    "DeviceEvent",
    "build_adapters",
    "build_augmentation",
    "build_history",
    "build_pool",
    "check_augmentation",
    "new_receiver_session",
]
