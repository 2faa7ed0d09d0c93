"""Other formats of the same fixes, off unless configured: one adapter a consumer's convention.

The encoders are pure and know no socket; servers and clients are thin and know no format. An
adapter that publishes hands its messages to whoever it was given, and knows no broker.
"""

from bdgw.adapters.adapter import Adapter, Message, Post
from bdgw.adapters.frame import Refusal
from bdgw.adapters.gpsd_server import GpsdServer
from bdgw.adapters.group import AdapterGroup
from bdgw.adapters.publishing import Format, HomeAssistantAdapter, PublishingAdapter
from bdgw.adapters.spec import (
    BinarySpec,
    GeoJsonSpec,
    GpsdSpec,
    HomeAssistantSpec,
    OwnTracksSpec,
)

__all__ = [
    "Adapter",
    "AdapterGroup",
    "BinarySpec",
    "Format",
    "GeoJsonSpec",
    "GpsdServer",
    "GpsdSpec",
    "HomeAssistantAdapter",
    "HomeAssistantSpec",
    "Message",
    "OwnTracksSpec",
    "Post",
    "PublishingAdapter",
    "Refusal",
]
