"""The simulator is a second opinion only as long as it shares nothing with the gateway."""

import ast
import sys
from pathlib import Path

import fwsim

PACKAGE = Path(fwsim.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))


def imported_roots(path: Path) -> set[str]:
    roots = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            roots.add((node.module or "").split(".")[0])
    return roots


def test_simulator_imports_the_standard_library_and_itself_only():
    assert len(FILES) > 15
    for path in FILES:
        foreign = imported_roots(path) - sys.stdlib_module_names - {"fwsim"}
        assert not foreign, f"{path.name} imports {foreign}"


def test_pure_modules_know_no_clock_and_no_port():
    pure = (
        *("scene", "constellation", "sky", "dialect", "truth", "nmea", "receiver", "faults"),
        *("gnss_time", "orbit", "glonass", "element", "broadcast", "atmosphere", "carrier"),
        *("observation", "reference_station", "station_source", "correction"),
        *("rtcm_frame", "rtcm_head", "rtcm_msm", "rtcm_legacy", "rtcm_ephemeris", "rtcm_station"),
    )
    for name in pure:
        roots = imported_roots(PACKAGE / f"{name}.py")
        assert not roots & {"time", "asyncio", "socket", "os", "io", "pathlib"}, name
