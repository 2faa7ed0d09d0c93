"""Whether the antennas that a configuration names are in the file that it names."""

from __future__ import annotations

from bdgw.config import Config
from bdgw.errors import ConfigError, UnavailableError
from bdgw.rinex.antex import NULL_ANTENNA, Antex, antenna_name
from bdgw.solving.antenna_file import read_antennas

__all__ = ["check_antennas"]


def check_antennas(config: Config) -> list[str]:
    """Read the file for every antenna that is named; give what a person should know.

    Only who asks for a check is stopped: a gateway that runs solves without calibrations, and
    says so, rather than not at all.

    Raises:
        ConfigError: the file cannot be read, or has not every one of them.
    """
    if config.gateway.antex is None:
        return []
    path = str(config.gateway.antex)
    named: dict[str, list[str]] = {}
    for device in config.device:
        if device.antenna is not None and device.antenna.type is not None:
            named.setdefault(device.antenna.type, []).append(device.id)
    if not named:
        _read(path, NULL_ANTENNA)
    problems, remarks = [], []
    for name, devices in named.items():
        if antenna_name(name)[0] == NULL_ANTENNA:
            continue
        owner = f"{', '.join(f'device {device!r}' for device in devices)}: antenna.type = {name!r}"
        found = _read(path, name).find(name)
        if found is None:
            problems.append(f"{owner}: not in {path}, nor with radome NONE")
        elif found.remark is not None:
            remarks.append(f"{owner}: {found.remark}")
    if problems:
        raise ConfigError("\n".join(problems))
    return remarks


def _read(path: str, name: str) -> Antex:
    try:
        return read_antennas(path, name)
    except UnavailableError as error:
        raise ConfigError(f"gateway.antex = {error}") from None
