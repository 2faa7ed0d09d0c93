"""What is known of correction services, as data: hosts, what a port means, what they want.

Endpoints drift and contracts differ, so each value carries how well it is known, and a
configuration may say otherwise. A port decides the frame of the coordinates that a rover gets,
and the same number means different frames at different services. No accounts here, ever.
"""

from __future__ import annotations

import enum

import msgspec

__all__ = ["SERVICES", "KnownMount", "Mark", "Service", "ServicePort", "find_service"]


class Mark(enum.StrEnum):
    """How well a value is known."""

    CERTAIN = "certain"
    """Two independent sources, or a standard."""
    SINGLE = "single source"
    UNCERTAIN = "uncertain"
    """Contradicted, or it depends on the contract."""


class ServicePort(msgspec.Struct, frozen=True, kw_only=True):
    """What a port of a service means."""

    port: int
    frame: str | None = None
    frame_epoch_year: float | None = None
    mark: Mark


class KnownMount(msgspec.Struct, frozen=True, kw_only=True):
    """A mountpoint that a service is known to offer."""

    mount: str
    systems: str | None = None
    """RINEX letters."""
    mark: Mark


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """One correction service."""

    name: str
    """How a configuration names it."""
    title: str
    hosts: tuple[tuple[str, Mark], ...] = ()
    ports: tuple[ServicePort, ...] = ()
    mounts: tuple[KnownMount, ...] = ()
    needs_gga: bool | None = None
    """None: as the sourcetable says."""
    needs_gga_mark: Mark = Mark.UNCERTAIN
    sessions_per_account: int = 1
    sessions_mark: Mark = Mark.UNCERTAIN
    note: str = ""

    def find_port(self, port: int) -> ServicePort | None:
        """What the port means, None where nothing is known of it."""
        return next((each for each in self.ports if each.port == port), None)


_CGCS2000_EPOCH = 2000.0
"""CGCS2000 is ITRF97 at this epoch, always; the other frames are at the epoch of today."""

SERVICES: tuple[Service, ...] = (
    Service(
        name="qianxun",
        title="千寻知寸 FindCM",
        hosts=(("rtk.ntrip.qxwz.com", Mark.CERTAIN),),
        ports=(
            ServicePort(port=8001, frame="ITRF2008", mark=Mark.SINGLE),
            ServicePort(port=8002, frame="WGS84", mark=Mark.SINGLE),
            ServicePort(
                port=8003, frame="CGCS2000", frame_epoch_year=_CGCS2000_EPOCH, mark=Mark.SINGLE
            ),
        ),
        mounts=(
            KnownMount(mount="AUTO", mark=Mark.CERTAIN),
            KnownMount(mount="RTCM32_GGB", systems="GRC", mark=Mark.CERTAIN),
            KnownMount(mount="RTCM30_GG", systems="GR", mark=Mark.UNCERTAIN),
        ),
        needs_gga=True,
        needs_gga_mark=Mark.CERTAIN,
        sessions_mark=Mark.SINGLE,
    ),
    Service(
        name="cmcc",
        title="中国移动高精度定位",
        hosts=(("120.253.226.97", Mark.SINGLE), ("120.253.239.161", Mark.SINGLE)),
        ports=(
            ServicePort(
                port=8001, frame="CGCS2000", frame_epoch_year=_CGCS2000_EPOCH, mark=Mark.SINGLE
            ),
            ServicePort(port=8002, frame="WGS84", mark=Mark.SINGLE),
        ),
        mounts=(
            KnownMount(mount="RTCM33_GRCEJ", systems="GRCEJ", mark=Mark.CERTAIN),
            KnownMount(mount="RTCM33_GRCEpro", systems="GRCE", mark=Mark.CERTAIN),
            KnownMount(mount="RTCM33_GRCE", systems="GRCE", mark=Mark.CERTAIN),
            KnownMount(mount="RTCM33_GRC", systems="GRC", mark=Mark.CERTAIN),
            KnownMount(mount="RTCM30_GR", systems="GR", mark=Mark.CERTAIN),
        ),
        needs_gga=True,
        needs_gga_mark=Mark.UNCERTAIN,
        note="its ports are numbered otherwise than 千寻's: 8001 is CGCS2000 here",
    ),
    Service(
        name="sixents",
        title="六分科技",
        hosts=(("vrs.sixents.com", Mark.SINGLE), ("rtk.sixents.com", Mark.SINGLE)),
        ports=(ServicePort(port=8002, mark=Mark.SINGLE),),
        mounts=(
            KnownMount(mount="RTCM32_GRECJ2", systems="GRECJ", mark=Mark.SINGLE),
            KnownMount(mount="RTCM32_GNSS_RTK", mark=Mark.SINGLE),
            KnownMount(mount="RTCM32_GGB", systems="GRC", mark=Mark.SINGLE),
        ),
        needs_gga=True,
        needs_gga_mark=Mark.SINGLE,
        note="answers ICY 200 OK and wants the position at once; the frame is the contract's",
    ),
    Service(
        name="generic",
        title="any other caster",
        ports=(ServicePort(port=2101, mark=Mark.CERTAIN),),
        note="frame and account are the operator's to say; positions as the sourcetable says",
    ),
)


def find_service(host: str) -> Service | None:
    """The service that a host name or address belongs to, None for a caster of its own."""
    folded = host.casefold().rstrip(".")
    for service in SERVICES:
        if any(folded == name for name, _ in service.hosts):
            return service
    return None
