"""The larger parts of the gateway, each put together from the checked configuration.

``bdgw.app`` joins them; here is what it takes to build one of them.
"""

from bdgw.assembly.adapters import build_adapters
from bdgw.assembly.antennas import check_antennas
from bdgw.assembly.api import build_api_server
from bdgw.assembly.augmentation import build_augmentation, check_augmentation
from bdgw.assembly.history import build_history
from bdgw.assembly.ports import DeviceEvent, build_pool, new_receiver_session
from bdgw.assembly.publisher import build_publisher

__all__ = [
    "DeviceEvent",
    "build_adapters",
    "build_api_server",
    "build_augmentation",
    "build_history",
    "build_pool",
    "build_publisher",
    "check_antennas",
    "check_augmentation",
    "new_receiver_session",
]
