"""Builds the adapters, from the checked configuration."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

from bdgw import __version__
from bdgw.adapters import (
    Adapter,
    AdapterGroup,
    BacklogFile,
    BinarySpec,
    CodeFile,
    Format,
    GeoJsonSpec,
    GpsdServer,
    GpsdSpec,
    HomeAssistantAdapter,
    HomeAssistantSpec,
    Jt808Adapter,
    Jt808Spec,
    Message,
    OwnTracksSpec,
    Past,
    Post,
    PublishingAdapter,
    Refusal,
    geojson,
    owntracks,
    record,
)
from bdgw.config import Config
from bdgw.history import History
from bdgw.model import DeviceFix
from bdgw.plan import adapter_specs
from bdgw.publish import payload
from bdgw.publish.outbox import Lane, Outbox, Outgoing
from bdgw.receivers import Clock

__all__ = ["build_adapters"]


def build_adapters(
    config: Config,
    outbox: Outbox,
    *,
    history: History | None,
    boot: str,
    clock: Clock,
    rng: random.Random,
) -> AdapterGroup:
    """Put the adapters together; nothing is opened yet.

    Raises:
        ConfigError: names the adapter, and what its format cannot say.
    """

    def post(message: Message) -> None:
        outbox.put(
            Outgoing(
                topic=message.topic,
                payload=message.payload,
                lane=Lane.STATE if message.is_state else Lane.LIVE,
                qos=message.qos,
                retain=message.retain,
                supersede_key=message.key,
                schema=message.schema,
                content_type=message.content_type,
            ),
            now_s=clock.monotonic_s(),
        )

    return AdapterGroup(
        [
            _build_jt808(
                spec,
                config.gateway.state_dir,
                history=history,
                boot=boot,
                clock=clock,
                rng=rng,
            )
            if isinstance(spec, Jt808Spec)
            else _build(spec, post=post, clock=clock, rng=rng)
            for spec in adapter_specs(config)
        ]
    )


def _build_jt808(
    spec: Jt808Spec,
    state_dir: Path,
    *,
    history: History | None,
    boot: str,
    clock: Clock,
    rng: random.Random,
) -> Jt808Adapter:
    past = None
    if history is not None:
        file = BacklogFile(state_dir / f"jt808-{spec.name}-backlog.json")
        past = Past(history=history, boot=boot, file=file)
    codes = CodeFile(state_dir / f"jt808-{spec.name}.json")
    return Jt808Adapter(spec, codes=codes, past=past, monotonic_s=clock.monotonic_s, rng=rng)


def _build(
    spec: GpsdSpec | HomeAssistantSpec | OwnTracksSpec | GeoJsonSpec | BinarySpec,
    *,
    post: Post,
    clock: Clock,
    rng: random.Random,
) -> Adapter:
    if isinstance(spec, GpsdSpec):
        return GpsdServer(spec, utc_ns=clock.utc_ns, rng=rng)
    if isinstance(spec, HomeAssistantSpec):
        return HomeAssistantAdapter(spec, post=post, version=__version__)
    form = _format(spec)
    return PublishingAdapter(spec.name, spec.devices, form, post=post, period_s=spec.period_s)


def _format(spec: OwnTracksSpec | GeoJsonSpec | BinarySpec) -> Format:
    if isinstance(spec, OwnTracksSpec):
        return Format(
            kind="owntracks",
            encode=owntracks.encode_location,
            topic=partial(owntracks.topic_of, spec.user),
        )
    if isinstance(spec, GeoJsonSpec):
        return Format(
            kind="geojson",
            encode=partial(_feature, spec),
            topic=lambda device: f"{spec.root}/dev/{device}/geojson",
            content_type=geojson.MEDIA_TYPE,
        )
    return Format(
        kind="binary",
        encode=record.encode_fix,
        topic=lambda device: f"{spec.root}/dev/{device}/fix/bin",
        content_type=record.MEDIA_TYPE,
        schema="bdgw/fix-binary/1",
    )


def _feature(spec: GeoJsonSpec, item: DeviceFix) -> bytes | Refusal:
    write = partial(payload.device_fix_payload, spec.gateway)
    return geojson.encode_feature(item, write, agreed=spec.frames)
