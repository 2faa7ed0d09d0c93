"""Other formats of the same fixes, off unless configured: one adapter a consumer's convention.

The encoders are pure and know no socket; servers and clients are thin and know no format. An
adapter that publishes hands its messages to whoever it was given, and knows no broker.
"""

from bdgw.adapters.adapter import Adapter, Message, Post
from bdgw.adapters.frame import Refusal
from bdgw.adapters.gpsd_server import GpsdServer
from bdgw.adapters.group import AdapterGroup
from bdgw.adapters.jt808_client import Jt808Adapter, Past
from bdgw.adapters.jt808_code import CodeFile
from bdgw.adapters.jt808_keeper import BacklogFile
from bdgw.adapters.publishing import Format, HomeAssistantAdapter, PublishingAdapter
from bdgw.adapters.spec import (
    BinarySpec,
    GeoJsonSpec,
    GpsdSpec,
    HomeAssistantSpec,
    Jt808Spec,
    OwnTracksSpec,
)

__all__ = [
    "Adapter",
    "AdapterGroup",
    "BacklogFile",
    "BinarySpec",
    "CodeFile",
    "Format",
    "GeoJsonSpec",
    "GpsdServer",
    "GpsdSpec",
    "HomeAssistantAdapter",
    "HomeAssistantSpec",
    "Jt808Adapter",
    "Jt808Spec",
    "Message",
    "OwnTracksSpec",
    "Past",
    "Post",
    "PublishingAdapter",
    "Refusal",
]
