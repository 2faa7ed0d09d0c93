"""Composition: a description becomes live objects; concrete classes meet only here."""

import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fwsim.capture import CaptureSource, read_capture
from fwsim.device import Device, ReceiverSource, Source
from fwsim.dialect import DIALECTS, Dialect
from fwsim.faults import FaultLine
from fwsim.ports import FilePort, Port, UdpPort
from fwsim.pty_port import PtyPort
from fwsim.receiver import Behaviour, Receiver
from fwsim.scene import Circle, EpochGrid, Place, Static, Track, line_through, random_waypoints
from fwsim.spec import DeviceSpec, SpecError
from fwsim.tcp_port import Modem, TcpDialPort, TcpListenPort
from fwsim.uart import Uart

CIRCLE_SPEED_M_S = 2.5
LINE_SPEED_M_S = 12.0

Tell = Callable[[dict[str, object]], None]


def build_port(text: str, modem: Modem | None = None) -> Port:
    """Make the port that ``pty:PATH``, ``tcp:HOST:PORT`` … names; it is not open yet.

    Raises:
        SpecError: no such kind of port, or no port number.
    """
    kind, _, rest = text.partition(":")
    if kind in {"pty", "file"} and rest:
        return PtyPort(Path(rest)) if kind == "pty" else FilePort(Path(rest))
    host, _, number = rest.rpartition(":")
    if kind not in {"tcp", "tcp-listen", "udp"} or not number.isdigit() or int(number) > 65535:
        msg = (
            f"port {text!r} is not pty:PATH, file:PATH, tcp:HOST:PORT, tcp-listen:HOST:PORT "
            "or udp:HOST:PORT"
        )
        raise SpecError(msg)
    host = host.strip("[]") or "127.0.0.1"
    if kind == "tcp":
        return TcpDialPort(host, int(number), modem)
    if kind == "udp":
        return UdpPort(host, int(number))
    return TcpListenPort(host, int(number))


def build_device_port(spec: DeviceSpec) -> Port:
    """Make the port of a device, with the habits of its modem."""
    modem = Modem(
        registration=spec.registration,
        heartbeat=spec.heartbeat,
        heartbeat_s=spec.heartbeat_s,
        reconnect_s=spec.reconnect_s,
    )
    return build_port(spec.port, modem)


def build_track(spec: DeviceSpec, seed: str) -> Track:
    """Make the trajectory; what the description leaves open is drawn from the seed."""
    rng = random.Random(f"track:{seed}:{spec.name}")  # noqa: S311 - reproducible, not secret
    place = Place(lat_deg=spec.lat_deg, lon_deg=spec.lon_deg, alt_hae_m=spec.alt_hae_m)
    if spec.track == "circle":
        return Circle(
            place=place,
            radius_m=spec.radius_m,
            speed_m_s=spec.speed_m_s or CIRCLE_SPEED_M_S,
            start_angle_rad=rng.uniform(0.0, math.tau),
        )
    if spec.track == "line":
        waypoints = spec.waypoints or random_waypoints(place, rng)
        return line_through(waypoints, speed_m_s=spec.speed_m_s or LINE_SPEED_M_S)
    return Static(place=place)


def build_dialect(spec: DeviceSpec) -> Dialect:
    """Take the dialect, with the decimals that the description changes."""
    dialect = DIALECTS[spec.dialect]
    changed = {
        key: value
        for key in ("minute_decimals", "height_decimals", "time_decimals")
        if (value := getattr(spec, key)) is not None
    }
    return replace(dialect, **changed)


def build_receiver(spec: DeviceSpec, *, start_utc_ns: int, seed: str) -> Receiver:
    """Make the receiver of a description."""
    return Receiver(
        name=spec.name,
        track=build_track(spec, seed),
        grid=EpochGrid(rate_hz=spec.rate_hz, start_utc_ns=start_utc_ns),
        dialect=build_dialect(spec),
        order=spec.order,
        kinds=spec.sentences,
        systems=spec.systems,
        behaviour=Behaviour(
            cold_start_s=spec.cold_start_s,
            acquire_s=spec.acquire_s,
            losses=spec.loss,
            quality=spec.quality,
        ),
        sky_every_s=spec.sky_every_s,
        geoid_m=spec.geoid_m,
        station=spec.station,
        seed=seed,
    )


def build_device(
    spec: DeviceSpec,
    port: Port,
    *,
    start_utc_ns: int,
    seed: str,
    max_epochs: int | None = None,
    max_s: float = math.inf,
    is_lossless: bool = False,
    on_written: Tell | None = None,
    on_damaged: Tell | None = None,
) -> Device:
    """Make a device on its open port."""
    source: Source
    if spec.replay is None:
        receiver = build_receiver(spec, start_utc_ns=start_utc_ns, seed=seed)
        source = ReceiverSource(
            receiver, latency_s=spec.latency_s, max_epochs=max_epochs, max_s=max_s
        )
    else:
        source = CaptureSource(
            read_capture(spec.replay),
            speed=spec.speed,
            is_loop=spec.loop,
            chunk_bytes=spec.chunk,
            byte_rate=spec.byte_rate,
            max_s=max_s,
        )
    return Device(
        name=spec.name,
        source=source,
        port=port,
        faults=FaultLine(spec.fault, seed=f"{seed}:{spec.name}"),
        uart=None if spec.baud is None else Uart(spec.baud),
        is_lossless=is_lossless or spec.replay is not None,
        on_written=on_written,
        on_damaged=on_damaged,
    )
