"""From the configuration file to the values that each room takes.

Nothing is opened here. Rooms never see the configuration; they are told these frozen values.
"""

from __future__ import annotations

from bdgw.api.auth import Token
from bdgw.config import BrokerConfig, Config, DeviceConfig, MatchConfig, SecretConfig
from bdgw.errors import ConfigError
from bdgw.intake import DeviceFacts
from bdgw.model import Via
from bdgw.publish.mqtt import MqttSettings
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

__all__ = [
    "api_tokens",
    "broker_password",
    "device_facts",
    "device_specs",
    "host_and_port",
    "listener_specs",
    "mqtt_settings",
]


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
                    silence_s=device.silence_s,
                )
            )
        except ValueError as error:
            raise ConfigError(f"{owner}: {error}") from None
    return specs


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


def mqtt_settings(config: Config, url: str) -> MqttSettings:
    """Give what the publisher is told; ``url`` is the broker's address in force.

    Raises:
        ConfigError: a file that is named does not exist, or a secret is missing.
    """
    broker = config.broker
    default_version = "3.1.1" if broker.url == "embedded" else "5"
    for key in ("ca_file", "cert_file", "key_file"):
        path = getattr(broker, key)
        if path is not None and not path.is_file():
            raise ConfigError(f"broker.{key} = {str(path)!r}: no such file")
    return MqttSettings(
        url=url,
        client_id=broker.client_id or f"bdgw-{config.gateway.id}",
        version=broker.version or default_version,  # type: ignore[arg-type]
        username=broker.username,
        password=broker_password(broker),
        ca_file=broker.ca_file,
        cert_file=broker.cert_file,
        key_file=broker.key_file,
    )


def broker_password(broker: BrokerConfig) -> str | None:
    """Fetch the broker's password.

    Raises:
        ConfigError: it is missing; names the key and never the secret.
    """
    return None if broker.password is None else _secret("broker.password", broker.password)


def api_tokens(config: Config) -> tuple[Token, ...]:
    """Fetch the tokens of the API.

    Raises:
        ConfigError: one is missing; names the key and never the secret.
    """
    if config.api is None:
        return ()
    return tuple(
        Token(
            name=token.name,
            role=token.role,
            secret=_secret(f"api.tokens[{number}].secret", token.secret),
        )
        for number, token in enumerate(config.api.tokens, start=1)
    )


def _secret(key: str, secret: SecretConfig) -> str:
    try:
        return secret.read().get_secret_value()
    except ConfigError as error:
        raise ConfigError(f"{key}: {error}") from None


def host_and_port(text: str) -> tuple[str, int]:
    """Split ``host:port``; an empty host is every address."""
    host, _, port = text.rpartition(":")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - an empty host is asked for
