"""What the publisher and the API are told."""

from __future__ import annotations

from bdgw.api.auth import Token
from bdgw.config import BrokerConfig, Config
from bdgw.errors import ConfigError
from bdgw.plan.secret import fetch
from bdgw.publish.mqtt import MqttSettings, Subscription
from bdgw.publish.nats_config import SYNC_LAG_S

__all__ = ["api_tokens", "broker_password", "mqtt_settings"]


def mqtt_settings(config: Config, url: str, *, heard: tuple[str, ...] = ()) -> MqttSettings:
    """Give what the publisher is told; ``url`` is the broker's address in force.

    ``heard`` are the filters of what the gateway subscribes to.

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
        sync_lag_s=SYNC_LAG_S if broker.url == "embedded" else 0.0,
        subscriptions=tuple(Subscription(topic_filter=each) for each in heard),
    )


def broker_password(broker: BrokerConfig) -> str | None:
    """Fetch the broker's password.

    Raises:
        ConfigError: it is missing; names the key and never the secret.
    """
    return None if broker.password is None else fetch("broker.password", broker.password)


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
            secret=fetch(f"api.tokens[{number}].secret", token.secret),
        )
        for number, token in enumerate(config.api.tokens, start=1)
    )
