"""The state of the gateway as plain values, for the API and for the health message.

Built from snapshots, never from a driver; keys carry units and unknown is absent. Health is
decoded frames, acknowledged publishes and moving epochs, never an open socket.
"""

from bdgw.status.gateway import GatewayStatus

__all__ = ["GatewayStatus"]
