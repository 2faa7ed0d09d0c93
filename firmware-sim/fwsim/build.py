"""Composition: a description becomes live objects; concrete classes meet only here."""

import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fwsim.capture import CaptureSource, read_capture
from fwsim.correction import Corrections, Patience
from fwsim.device import Device, ReceiverSource, Source
from fwsim.dialect import DIALECTS, Dialect
from fwsim.faults import FaultLine
from fwsim.gnss_time import NS_PER_S, gpst_of_utc_ns
from fwsim.ports import FilePort, Port, UdpPort
from fwsim.pty_port import PtyPort
from fwsim.receiver import Behaviour, Receiver
from fwsim.reference_station import Move, ReferenceStation, StationSpec
from fwsim.scene import Circle, EpochGrid, Place, Static, Track, line_through, random_waypoints
from fwsim.spec import DeviceSpec, SpecError
from fwsim.station_source import StationSource, grid_rate_hz
from fwsim.tcp_port import Modem, TcpDialPort, TcpListenPort
from fwsim.truth import Fix
from fwsim.uart import Uart

CIRCLE_SPEED_M_S = 2.5
LINE_SPEED_M_S = 12.0

Tell = Callable[[dict[str, object]], None]


def build_port(text: str, modem: Modem | None = None, *, is_reading: bool = True) -> Port:
    """Make the port that ``pty:PATH``, ``tcp:HOST:PORT`` … names; it is not open yet.

    One that is not reading leaves what is sent to it in the kernel.

    Raises:
        SpecError: no such kind of port, or no port number.
    """
    kind, _, rest = text.partition(":")
    if kind in {"pty", "file"} and rest:
        return PtyPort(Path(rest), is_reading=is_reading) if kind == "pty" else FilePort(Path(rest))
    host, _, number = rest.rpartition(":")
    if kind not in {"tcp", "tcp-listen", "udp"} or not number.isdigit() or int(number) > 65535:
        msg = (
            f"port {text!r} is not pty:PATH, file:PATH, tcp:HOST:PORT, tcp-listen:HOST:PORT "
            "or udp:HOST:PORT"
        )
        raise SpecError(msg)
    host = host.strip("[]") or "127.0.0.1"
    if kind == "tcp":
        return TcpDialPort(host, int(number), modem, is_reading=is_reading)
    if kind == "udp":
        return UdpPort(host, int(number))
    return TcpListenPort(host, int(number), is_reading=is_reading)


def build_device_port(spec: DeviceSpec) -> Port:
    """Make the port of a device, with the habits of its modem."""
    modem = Modem(
        registration=spec.registration,
        heartbeat=spec.heartbeat,
        heartbeat_s=spec.heartbeat_s,
        reconnect_s=spec.reconnect_s,
    )
    return build_port(spec.port, modem, is_reading=spec.reads)


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
    corrections = None
    if spec.quality is None:
        patience = Patience(
            dgnss_after_s=spec.dgnss_after_s,
            float_after_s=spec.float_after_s,
            fixed_after_s=spec.fixed_after_s,
            fixed_max_age_s=spec.fixed_max_age_s,
            float_max_age_s=spec.float_max_age_s,
            dgnss_max_age_s=spec.dgnss_max_age_s,
        )
        corrections = Corrections(spec.systems, patience)
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
            quality=spec.quality or ((0.0, Fix.SINGLE),),
        ),
        sky_every_s=spec.sky_every_s,
        geoid_m=spec.geoid_m,
        station=spec.station,
        seed=seed,
        corrections=corrections,
        error_scale=spec.error_scale,
    )


def build_station(spec: DeviceSpec, *, start_utc_ns: int, seed: str) -> ReferenceStation:
    """Make the reference station of a description.

    Raises:
        ValueError: a setting that no message can carry.
    """
    start_gpst_ns = gpst_of_utc_ns(start_utc_ns)
    moves = tuple(
        Move(
            at_gpst_ns=start_gpst_ns + round(at_s * NS_PER_S),
            east_m=east_m,
            north_m=north_m,
            up_m=up_m,
            is_told_only=spec.move_is_told_only,
        )
        for at_s, east_m, north_m, up_m in spec.move
    )
    station = StationSpec(
        place=Place(lat_deg=spec.lat_deg, lon_deg=spec.lon_deg, alt_hae_m=spec.alt_hae_m),
        language=spec.output.removeprefix("nmea+"),
        station=spec.station,
        systems=spec.systems,
        msm=spec.msm,
        is_legacy=spec.legacy,
        rate_hz=spec.rate_hz,
        position_number=spec.position_number,
        position_every_s=spec.position_every_s,
        descriptor_every_s=spec.descriptor_every_s,
        bias_every_s=spec.bias_every_s,
        ephemeris_every_s=spec.ephemeris_every_s,
        ephemerides=spec.ephemerides,
        mask_deg=spec.mask_deg,
        moves=moves,
    )
    return ReferenceStation(station, seed=seed, name=spec.name)


def build_source(
    spec: DeviceSpec, *, start_utc_ns: int, seed: str, max_epochs: int | None, max_s: float
) -> Source:
    """Make what a device sends: a capture, the epochs of a receiver or of a station."""
    if spec.replay is not None:
        return CaptureSource(
            read_capture(spec.replay),
            speed=spec.speed,
            is_loop=spec.loop,
            chunk_bytes=spec.chunk,
            byte_rate=spec.byte_rate,
            max_s=max_s,
        )
    if spec.kind == "rover":
        receiver = build_receiver(spec, start_utc_ns=start_utc_ns, seed=seed)
        return ReceiverSource(
            receiver, latency_s=spec.latency_s, max_epochs=max_epochs, max_s=max_s
        )
    speaker = None
    if spec.output.startswith("nmea+"):
        told = replace(spec, rate_hz=grid_rate_hz(spec.rate_hz))
        speaker = build_receiver(told, start_utc_ns=start_utc_ns, seed=seed)
    return StationSource(
        build_station(spec, start_utc_ns=start_utc_ns, seed=seed),
        start_utc_ns=start_utc_ns,
        receiver=speaker,
        latency_s=spec.latency_s,
        max_epochs=max_epochs,
        max_s=max_s,
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
    return Device(
        name=spec.name,
        source=build_source(
            spec, start_utc_ns=start_utc_ns, seed=seed, max_epochs=max_epochs, max_s=max_s
        ),
        port=port,
        faults=FaultLine(spec.fault, seed=f"{seed}:{spec.name}"),
        uart=None if spec.baud is None else Uart(spec.baud),
        is_lossless=is_lossless or spec.replay is not None,
        on_written=on_written,
        on_damaged=on_damaged,
    )
