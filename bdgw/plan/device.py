"""What the pool and the intake are told of devices and listening addresses."""

from __future__ import annotations

from collections.abc import Mapping

from bdgw.config import Config, DeviceConfig, HeadingConfig, MatchConfig, RtkConfig
from bdgw.errors import ConfigError
from bdgw.intake import DeviceFacts
from bdgw.model import Via
from bdgw.plan.secret import account_of
from bdgw.plan.trust import trust_of
from bdgw.receivers import (
    DeviceSpec,
    Endpoint,
    FileEndpoint,
    ListenerSpec,
    MatchRule,
    PeerRule,
    RegistrationRule,
    SentenceRule,
    SerialEndpoint,
    TcpListenEndpoint,
    UdpListenEndpoint,
    UnknownPolicy,
    parse_endpoint,
)
from bdgw.solving import HeadingSpec, SolveMode, SolverSpec

__all__ = ["device_facts", "device_specs", "listener_specs", "solver_specs"]


_SILENCE_S = 30.0
_TERMINAL_SILENCE_S = 180.0


def device_facts(device: DeviceConfig) -> DeviceFacts:
    """Give what every fix of a device repeats."""
    return DeviceFacts(
        id=device.id,
        via=_via(_endpoint(device.url, f"device {device.id!r}")),
        frame=device.frame,
        frame_epoch_year=device.epoch,
        sends_sky=device.sky,
    )


def _via(endpoint: Endpoint) -> Via:
    if isinstance(endpoint, SerialEndpoint):
        return Via.SERIAL
    return Via.FILE if isinstance(endpoint, FileEndpoint) else Via.IP


def _endpoint(url: str, owner: str) -> Endpoint:
    try:
        return parse_endpoint(url)
    except ValueError as error:
        raise ConfigError(f"{owner}: {error}") from None


def device_specs(config: Config) -> list[DeviceSpec]:
    """Give what the pool is told of each device.

    Raises:
        ConfigError: names device, key and what is allowed.
    """
    specs = []
    for device in config.device:
        owner = f"device {device.id!r}"
        endpoint = _endpoint(device.url, owner)
        try:
            specs.append(
                DeviceSpec(
                    id=device.id,
                    endpoint=endpoint,
                    match=None if device.match is None else _match(device.match),
                    silence_s=_silence_s(device),
                    account=account_of(owner, device.username, device.password),
                    ssl_context=trust_of(f"{owner}: ca_file", device.ca_file),
                )
            )
        except ValueError as error:
            raise ConfigError(f"{owner}: {error}") from None
    return specs


def _silence_s(device: DeviceConfig) -> float:
    if device.silence_s is not None:
        return device.silence_s
    return _TERMINAL_SILENCE_S if device.role == "terminal" else _SILENCE_S


def _match(match: MatchConfig) -> MatchRule:
    if match.registration is not None:
        return RegistrationRule(data=match.registration.encode())
    if match.registration_hex is not None:
        try:
            return RegistrationRule.from_hex(match.registration_hex)
        except ValueError:
            shown = repr(match.registration_hex)
            text = f"match.registration_hex = {shown}: 1 to 256 bytes in hexadecimal are needed"
            raise ValueError(text) from None
    if match.registration_line is not None:
        return RegistrationRule(data=match.registration_line.encode(), is_line=True)
    if match.peer is not None:
        try:
            return PeerRule(network=match.peer)
        except ValueError as error:
            raise ValueError(f"match.peer: {error}") from None
    return SentenceRule(text=match.sentence or "")


def listener_specs(config: Config) -> list[ListenerSpec]:
    """Give what the pool is told of each shared listening address.

    Raises:
        ConfigError: names listener, key and what is allowed.
    """
    specs = []
    for listener in config.listener:
        owner = f"listener {listener.url!r}"
        endpoint = _endpoint(listener.url, owner)
        if not isinstance(endpoint, TcpListenEndpoint | UdpListenEndpoint):
            raise ConfigError(f"{owner}: only tcp-listen:// and udp-listen:// are listeners")
        try:
            specs.append(
                ListenerSpec(
                    endpoint=endpoint,
                    unknown=UnknownPolicy(listener.unknown),
                    identify_s=listener.identify_s,
                )
            )
        except ValueError as error:
            raise ConfigError(f"{owner}: {error}") from None
    return specs


def solver_specs(config: Config) -> list[SolverSpec]:
    """Give what the solving room is told of each device that the gateway solves."""
    specs = []
    antex = config.gateway.antex
    types = {
        device.id: device.antenna.type
        for device in config.device
        if device.antenna is not None and device.antenna.type is not None
    }
    for device in config.device:
        if device.solve == "receiver":
            continue
        rtk = device.rtk or RtkConfig()
        specs.append(
            SolverSpec(
                device=device.id,
                mode=SolveMode(device.solve),
                has_base=device.correction != "none",
                mask_deg=rtk.mask_deg,
                is_static=rtk.static,
                max_age_s=rtk.max_age_s,
                wait_s=rtk.wait_s,
                heading=_heading(device.heading, types),
                antenna=types.get(device.id),
                antenna_height_m=(device.antenna and device.antenna.height_m) or 0.0,
                antex=None if antex is None else str(antex),
            )
        )
    return specs


def _heading(heading: HeadingConfig | None, types: Mapping[str, str]) -> HeadingSpec | None:
    if heading is None:
        return None
    return HeadingSpec(
        device=heading.of,
        baseline_m=heading.baseline_m,
        offset_deg=heading.offset_deg,
        antenna=types.get(heading.of),
    )
