"""What the adapters are told; refuses what a format cannot say."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from bdgw.adapters.frame import is_near_wgs84, is_wgs84
from bdgw.adapters.spec import (
    BinarySpec,
    Edition,
    GeoJsonSpec,
    GpsdSpec,
    HomeAssistantSpec,
    Jt808Spec,
    Jt808Terminal,
    OwnTracksSpec,
)
from bdgw.config import Config
from bdgw.config.adapter import (
    BinaryAdapterConfig,
    GeoJsonAdapterConfig,
    GpsdAdapterConfig,
    HomeAssistantAdapterConfig,
    Jt808AdapterConfig,
    Jt808TerminalConfig,
    OwnTracksAdapterConfig,
)
from bdgw.errors import ConfigError
from bdgw.plan.secret import fetch, host_and_port
from bdgw.publish import topics

__all__ = ["AdapterSpec", "adapter_specs"]

AdapterSpec = GpsdSpec | OwnTracksSpec | HomeAssistantSpec | GeoJsonSpec | BinarySpec | Jt808Spec


def adapter_specs(config: Config) -> list[AdapterSpec]:
    """Give what each adapter is told.

    Raises:
        ConfigError: names the adapter, and the device whose frame its format cannot say.
    """
    return [_spec(config, adapter) for adapter in config.adapter]


def _spec(
    config: Config,
    adapter: GpsdAdapterConfig
    | OwnTracksAdapterConfig
    | HomeAssistantAdapterConfig
    | GeoJsonAdapterConfig
    | BinaryAdapterConfig
    | Jt808AdapterConfig,
) -> AdapterSpec:
    name, gateway = adapter.name or adapter.kind, config.gateway.id
    if isinstance(adapter, Jt808AdapterConfig):
        return _jt808(config, adapter, name)
    root = topics.root(gateway)
    devices = adapter.devices or tuple(device.id for device in config.device)
    if isinstance(adapter, GpsdAdapterConfig):
        host, port = host_and_port(adapter.listen)
        return GpsdSpec(
            name=name, devices=devices, host=host, port=port, max_clients=adapter.max_clients
        )
    if isinstance(adapter, BinaryAdapterConfig):
        return BinarySpec(name=name, devices=devices, root=root, period_s=adapter.period_s)
    if isinstance(adapter, GeoJsonAdapterConfig):
        agreed = adapter.frames
        _check_frames(
            config, name, devices, "GeoJSON is WGS 84", lambda frame: _is_agreed(frame, agreed)
        )
        return GeoJsonSpec(
            name=name,
            devices=devices,
            gateway=gateway,
            root=root,
            frames=agreed,
            period_s=adapter.period_s,
        )
    _check_frames(config, name, devices, "its readers expect WGS 84", is_near_wgs84)
    if isinstance(adapter, OwnTracksAdapterConfig):
        user = adapter.user or gateway
        return OwnTracksSpec(name=name, devices=devices, user=user, period_s=adapter.period_s)
    return HomeAssistantSpec(
        name=name,
        devices=devices,
        gateway=gateway,
        root=root,
        connection_topic=topics.connection(gateway),
        prefix=adapter.prefix,
        period_s=adapter.period_s,
    )


def _is_agreed(frame: str, agreed: tuple[str, ...]) -> bool:
    return is_wgs84(frame) or frame in agreed


def _check_frames(
    config: Config,
    name: str,
    devices: tuple[str, ...],
    why: str,
    is_fit: Callable[[str], bool],
) -> None:
    """Refuse devices whose own frame is unknown or unfit; that of a correction comes at run."""
    for device in config.device:
        if device.id not in devices:
            continue
        owner = f"adapter {name!r}: device {device.id!r}"
        if device.frame is None:
            raise ConfigError(f"{owner} has no frame: {why}, so its frame must be named")
        if not is_fit(device.frame):
            raise ConfigError(f"{owner} is in {device.frame}: {why}")


def _jt808(config: Config, adapter: Jt808AdapterConfig, name: str) -> Jt808Spec:
    parts = urlsplit(adapter.url)
    try:
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")  # a name that no resolver would take is a UnicodeError there
    except ValueError:
        host = port = None
    if not host or not port or parts.path or parts.query or parts.username:
        raise ConfigError(f"adapter {name!r}: url = {adapter.url!r}: tcp://host:port is needed")
    _check_frames(
        config, name, adapter.devices, "platforms expect WGS 84 or CGCS2000", is_near_wgs84
    )
    return Jt808Spec(
        name=name,
        host=host,
        port=port,
        edition=Edition(adapter.version),
        terminals=tuple(_terminal(name, terminal) for terminal in adapter.terminals),
        is_gcj02=adapter.coordinates == "gcj02",
        period_s=adapter.period_s,
        heartbeat_s=adapter.heartbeat_s,
        max_waiting=adapter.max_waiting,
    )


def _terminal(adapter: str, terminal: Jt808TerminalConfig) -> Jt808Terminal:
    key = f"adapter {adapter!r}: terminal of device {terminal.device!r}"
    code = terminal.auth_code
    plate = terminal.plate or ""
    try:
        plate.encode("gbk")
    except UnicodeEncodeError:
        raise ConfigError(f"{key}: plate = {plate!r}: GBK has no such character") from None
    return Jt808Terminal(
        device=terminal.device,
        phone=terminal.phone,
        terminal_id=terminal.terminal_id,
        maker_id=terminal.maker_id,
        model=terminal.model,
        is_acc_on=terminal.acc_on,
        province=terminal.province,
        city=terminal.city,
        plate=plate,
        plate_color=terminal.plate_color or 0,
        imei=terminal.imei or "",
        auth_code=None if code is None else fetch(f"{key}: auth_code", code),
    )
