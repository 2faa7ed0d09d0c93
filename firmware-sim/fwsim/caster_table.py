"""The source table of a simulated caster, correct or with the defects of real ones. Pure."""

from collections.abc import Iterable, Sequence

from fwsim.caster_spec import MountSpec

CRLF = "\r\n"
END = "ENDSOURCETABLE"
SYSTEM_NAMES = {"G": "GPS", "R": "GLO", "E": "GAL", "C": "BDS", "J": "QZSS", "S": "SBAS"}
MSM_DECADES = {"G": 1070, "R": 1080, "E": 1090, "S": 1100, "J": 1110, "C": 1120}
LEGACY = {"G": 1004, "R": 1012}
EPHEMERIDES = {"G": 1019, "R": 1020, "E": 1046, "C": 1042, "J": 1044}
# More than 200 kB, as the largest public tables have.
N_HUGE_ROWS = 3000
# Text in cp1250 that is no valid UTF-8.
CP1250_NAME = "Łódź".encode("cp1250")


def details_of(mount: MountSpec) -> str:
    """Return what a computed station of a mount sends: numbers and seconds between them."""
    legacy = LEGACY if mount.is_legacy else {}
    numbers = [
        legacy.get(letter, MSM_DECADES[letter] + mount.msm)
        for letter in mount.systems
        if letter in MSM_DECADES
    ]
    cells = [f"{mount.position_number}({mount.position_every_s})", "1033(30)"]
    cells += [f"{number}({1 / mount.rate_hz:g})" for number in numbers]
    if mount.ephemeris_every_s:
        found = [EPHEMERIDES[letter] for letter in mount.systems if letter in EPHEMERIDES]
        cells += [f"{number}({mount.ephemeris_every_s})" for number in found]
    return ",".join(cells)


def stream_row(mount: MountSpec, *, wants_gga: bool, frame: str | None = None) -> str:
    """Write the STR record of a mount; ``frame`` replaces the reference frame it announces."""
    systems = "+".join(SYSTEM_NAMES.get(letter, letter) for letter in mount.systems)
    authentication = {"none": "N", "basic": "B", "digest": "D"}[mount.authentication]
    cells = (
        "STR",
        mount.name,
        mount.identifier,
        mount.format,
        details_of(mount) if mount.details is None else mount.details,
        "2",
        systems,
        mount.network,
        mount.country,
        f"{mount.lat_deg:.2f}",
        f"{mount.lon_deg:.2f}",
        str(int(wants_gga)),
        str(int(mount.is_virtual)),
        "fwsim",
        "none",
        authentication,
        "N",
        "9600",
        frame or mount.frame,
    )
    return ";".join(cells)


def source_table(
    rows: Iterable[str], *, host: str, port: int, defect: str = "none"
) -> tuple[bytes, int]:
    """Write the body and the length to announce, which one defect makes wrong."""
    first: Sequence[str] = (
        f"CAS;{host};{port};fwsim;Simulated;0;CHN;31.30;121.50;0.0.0.0;0;none",
        "NET;fwsim;Simulated;B;N;none;none;none;none",
    )
    lines = [line.encode("latin-1", "replace") for line in (*first, *rows)]
    lines += _defective_rows(defect)
    if defect != "no_end":
        lines.append(END.encode())
    body = b"".join(line + CRLF.encode() for line in lines)
    return body, len(body) // 2 if defect == "wrong_length" else len(body)


def _defective_rows(defect: str) -> list[bytes]:
    if defect == "cp1250":
        row = b"STR;LODZ;%b;RTCM 3.2;1005(10),1077(1);2;GPS;ASG;POL;51.78;19.45;0;0;x;none;N;N;0;"
        return [row % CP1250_NAME]
    if defect == "semicolon":
        return [b'STR;QUOTED;"Kraj; miasto";RTCM 3.2;1005(10);2;GPS;X;POL;50;20;0;0;x;none;N;N;0;']
    if defect == "huge":
        # Far away, so that nobody who looks for the nearest finds them first.
        far = "STR;FAR{:04d};Far;RTCM 3.2;1005(10);2;GPS;X;NZL;-40.0;175.0;0;0;x;none;N;N;0;"
        return [far.format(i).encode() for i in range(N_HUGE_ROWS)]
    return []
