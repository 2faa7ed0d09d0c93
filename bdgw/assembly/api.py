"""Builds the REST API's server."""

from __future__ import annotations

from bdgw import __version__
from bdgw.api.app import StatusSource, build_api
from bdgw.api.devices import DeviceSource
from bdgw.api.server import ApiServer
from bdgw.api.shortmsg import MessageSource
from bdgw.config import Config
from bdgw.plan import api_tokens, host_and_port

__all__ = ["build_api_server"]


def build_api_server(
    config: Config,
    status: StatusSource,
    devices: DeviceSource,
    messages: MessageSource | None,
) -> ApiServer | None:
    """Build it, which takes its address; None where the configuration has no API.

    Raises:
        UnavailableError: the address cannot be had.
    """
    if config.api is None:
        return None
    app = build_api(
        status,
        devices,
        tokens=api_tokens(config),
        anonymous=config.api.anonymous,
        version=__version__,
        messages=messages,
    )
    host, port = host_and_port(config.api.listen)
    return ApiServer(app, host=host, port=port)
