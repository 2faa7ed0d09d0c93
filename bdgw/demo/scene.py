"""What the demo is made of: simulated caster, devices and terminals, and both configurations."""

from __future__ import annotations

__all__ = [
    "BASE_MOUNT",
    "CORRECTED",
    "CORRECTION",
    "GATEWAY",
    "SHIP",
    "SHIP_CARD",
    "SIMULATED",
    "TEXTS",
    "caster_arguments",
    "configuration",
    "rdss_arguments",
    "ship_configuration",
]

GATEWAY = "demo"
SHIP = "ship"
"""The other gateway, which only the satellites reach."""
CORRECTION = "net"
CORRECTED = "rover-1"
"""The rover whose quality is watched."""
BASE_MOUNT = "BASE"
_PATIENCE = (
    # Faster than real receivers, so that a short demo shows all of it.
    "quality=corrected,float_after_s=1,fixed_after_s=2,"
    "fixed_max_age_s=2.5,float_max_age_s=4,dgnss_max_age_s=6"
)
SIMULATED = (
    # Two rovers and a base station on serial lines, and a field device that dials in over TCP.
    "name=rover-1,port=pty:{folder}/rover-1,rate_hz=10,track=circle,speed_m_s=2,radius_m=40,"
    f"dialect=4.11,order=ublox,sentences=RMC+VTG+GGA+GSA+GSV+GST,{_PATIENCE}",
    "name=rover-2,port=pty:{folder}/rover-2,rate_hz=1,track=line,speed_m_s=12,"
    "waypoints=31.30:121.50+31.36:121.62,dialect=4.11,order=unicore,"
    f"sentences=GGA+GSA+GSV+GST+RMC+VTG,{_PATIENCE}",
    "name=buoy-7,port=tcp:127.0.0.1:{port},rate_hz=1,track=static,dialect=old-bd,order=mtk,"
    "quality=dgnss,registration=DTU-0007",
    "name=base-1,kind=base,port=pty:{folder}/base-1,rate_hz=1,lat_deg=31.31,lon_deg=121.51,"
    "station=7,msm=7,position_every_s=2",
)
SHORE_CARD, SHIP_CARD = 412_001, 312_345
TEXTS = (
    # One after the other; with an end, only the first one.
    "东海浪高三米，请即回港避风。",
    "收到请回复，补给船明早六点到。",
    "三号浮标电池电压偏低，请检查。",
)
TERMINALS = (
    # Two families, so that the text goes from one terminal language to another.
    f"name=shore,family=bd3,port=pty:{{folder}}/rdss-shore,address={SHORE_CARD},interval_s=60",
    f"name=ship,family=bd2-2.1,port=pty:{{folder}}/rdss-ship,address={SHIP_CARD},interval_s=60",
)
_SPEED = "20"
"""A card that may send once a minute may send every 3 s, so that a short demo shows all of it."""
_CONFIG = """
[gateway]
id = "{gateway}"
state_dir = "{folder}/state"
[broker]
url = "embedded"
listen = "127.0.0.1:{mqtt_port}"
[api]
listen = "127.0.0.1:0"
anonymous = "read"
[log]
level = "warning"
[[correction]]
name = "net"
url = "ntrip://127.0.0.1:{caster_port}"
mount = "BASE"
frame = "CGCS2000"
epoch = 2000.0
gga = {{ when = "never" }}
[[correction]]
name = "site"
url = "device://base-1"
frame = "CGCS2000"
epoch = 2000.0
[caster]
listen = "127.0.0.1:{own_port}"
mounts = [{{ name = "SITE", source = "device:base-1", is_open = true }}]
[[device]]
id = "rover-1"
url = "serial://{folder}/rover-1"
correction = "net"
[[device]]
id = "rover-2"
url = "serial://{folder}/rover-2"
correction = "site"
[[device]]
id = "base-1"
url = "serial://{folder}/base-1"
role = "base"
frame = "CGCS2000"
epoch = 2000.0
[[device]]
id = "buoy-7"
url = "tcp-listen://127.0.0.1:{port}"
match = {{ registration_line = "DTU-0007" }}
[[device]]
id = "rdss-1"
url = "serial://{folder}/rdss-shore"
role = "terminal"
family = "bd3"
[shortmsg]
receipt_batch_s = 0.5
peers = [{{ name = "{ship}", addresses = [{ship_card}], family = "bd2-2.1" }}]
"""
_SHIP_CONFIG = """
[gateway]
id = "{ship}"
state_dir = "{folder}/ship"
[broker]
url = "embedded"
listen = "127.0.0.1:0"
[log]
level = "warning"
[[device]]
id = "rdss-1"
url = "serial://{folder}/rdss-ship"
role = "terminal"
family = "bd2-2.1"
[shortmsg]
receipt_batch_s = 0.5
peers = [{{ name = "{gateway}", addresses = [{shore_card}], family = "bd3" }}]
"""


def caster_arguments() -> list[str]:
    """Give the simulator's arguments for the caster of the ground-augmentation network."""
    mount = f"name={BASE_MOUNT},msm=7,position_every_s=1,lat_deg=31.30,lon_deg=121.50"
    return ["caster", "--mount", mount, "--control", "-"]


def rdss_arguments(folder: object) -> list[str]:
    """Give the simulator's arguments for the terminals and the satellites between them."""
    arguments = ["rdss", "--speed", _SPEED]
    for terminal in TERMINALS:
        arguments += ["--terminal", terminal.format(folder=folder)]
    return arguments


def configuration(**values: object) -> str:
    """Give the gateway's configuration with folder and ports filled in."""
    return _CONFIG.format(gateway=GATEWAY, ship=SHIP, ship_card=SHIP_CARD, **values)


def ship_configuration(folder: object) -> str:
    """Give the other gateway's configuration."""
    return _SHIP_CONFIG.format(gateway=GATEWAY, ship=SHIP, shore_card=SHORE_CARD, folder=folder)
