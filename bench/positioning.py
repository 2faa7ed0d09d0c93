"""The gateway's positioning beside RTKLIB: same files, same mask, forward; and damaged inputs.

References are those that the recordings came with. A fix is wrong when it is more than 10 cm off,
or beyond 5 cm and three of its own standard deviations.
"""

from __future__ import annotations

import gzip
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import msgspec
import numpy as np

from bdgw.geodesy import Ecef, ecef_from_geodetic, enu_from_ecef
from bdgw.model import FixKind
from bdgw.positioning.engine import EngineOptions
from bdgw.positioning.geometry import place_of
from bdgw.positioning.solution import Solution
from bdgw.recorded import Recording, read_recording, solutions
from bench import damage, rtklib
from bench.figure import Figure, Options, figure

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "gnss"
_NAVSYS = {"G": 1, "R": 4, "E": 8, "J": 16, "C": 32}
_WEEK_NS = 604_800_000_000_000
_TURNS = 3


@dataclass(eq=False)
class Set:
    """A pair of recordings with the truth of the rover, at rest or by the second of the week."""

    name: str
    rover: str
    base: str | None
    nav: tuple[str, ...]
    systems: str
    base_m: Ecef | None = None
    truth_m: Ecef | None = None
    track: str | None = None
    mask_deg: float = 15.0
    targets: dict[str, float] = field(default_factory=dict)


_MAT = "rtk/matrtklib-static"
_CSS = "rtk/cssrlib-265-kinematic"
_JDE = "rtk/jdesbonnet-20181004-static"
_SPI = "rtk/spirent-static-2km"
_MAT_BASE = ecef_from_geodetic(35.134707705, 136.977577939, 104.853)
_MAT_ROVER = ecef_from_geodetic(35.13469901, 136.97757549, 104.8626)
_NYA = "spp/nya1/NYA100NOR_S_20241240000_01D"
_NYA_NAV = (f"{_NYA}_CN.rnx.gz", f"{_NYA}_EN.rnx.gz", f"{_NYA}_GN.rnx.gz")
_KMS = "spp/kms3/KMS300DNK_R_20221591000_01H"


def _mat(name: str, systems: str, **targets: float) -> Set:
    return Set(
        name,
        f"{_MAT}/rover.obs.gz",
        f"{_MAT}/base.obs.gz",
        (f"{_MAT}/base.nav",),
        systems,
        _MAT_BASE,
        _MAT_ROVER,
        targets=targets,
    )


RTK_SETS = (
    _mat("static 1 m, five systems", "GRECJ", fixed=301, largest_mm=4.0, ms=3.0),
    _mat("static 1 m, BeiDou alone", "C", fixed=301),
    Set(
        "moving 5.4 km",
        f"{_CSS}/SEPT265G.21O.gz",
        f"{_CSS}/3034265G.21O.gz",
        (f"{_CSS}/SEPT2650.21P",),
        "GEJ",
        (-3959400.6310, 3385704.5330, 3667523.1110),
        track=f"{_CSS}/reference-rtklib-combined.pos",
        targets={"fixed": 352},
    ),
    Set(
        "static L1, lossy base",
        f"{_JDE}/rover-20181004-1237.ubx.gz",
        f"{_JDE}/base-20181004-1236.ubx.gz",
        (),
        "GR",
        (3774089.2120, -601661.6157, 5089321.2474),
        (3774088.995075473, -601661.8231360728, 5089321.385323984),
        targets={"mean_h_mm": 2.0},
    ),
    Set(
        "simulated 2 km",
        f"{_SPI}/Rover-static-2km-east_MO_Spirent.obs.gz",
        f"{_SPI}/Base-static_MO_Spirent.obs.gz",
        (f"{_SPI}/RINEX_EN_Spirent.23L", f"{_SPI}/RINEX_GN_Spirent.23N"),
        "GE",
        (4157177.06580187, 671230.476590636, 4774767.03105544),
        (4156857.1195929, 673209.028774142, 4774767.03105544),
        targets={"fixed": 580, "mean_mm": 1.5},
    ),
)
_PLACES = (
    (
        "single KMS3",
        f"{_KMS}_30S_MO.crx",
        (f"{_KMS}_MN.rnx.gz",),
        (3516213.438, 781859.8595, 5246037.966),
    ),
    ("single NYA1", f"{_NYA}_30S_MO.crx.gz", _NYA_NAV, (1202434.1303, 252632.2212, 6237772.4351)),
)
SINGLE_SETS = tuple(
    Set(f"{name}, {word}", rover, None, nav, systems, truth_m=truth)
    for name, rover, nav, truth in _PLACES
    for word, systems in (("all", "GRECJ"), ("BeiDou alone", "C"))
)


def run(options: Options) -> Iterator[Figure]:
    """Give the figures of every set."""
    if not DATA.exists():
        return
    for one in RTK_SETS:
        yield from _rtk(one, with_damage=not options.quick)
    yield from _growth()
    for one in SINGLE_SETS:
        yield from _single(one)


def _read(name: str) -> Recording:
    data = (DATA / name).read_bytes()
    return read_recording(gzip.decompress(data) if name.endswith(".gz") else data)


@cache
def load(one: Set) -> tuple[Recording, Recording | None, list[Recording]]:
    base = None if one.base is None else _read(one.base)
    if base is not None and one.base_m is not None:
        base.places = [(0, one.base_m)]
    return _read(one.rover), base, [_read(name) for name in one.nav]


@cache
def truth_of(one: Set) -> Callable[[float], Ecef | None]:
    if one.track is None:
        return lambda _: one.truth_m
    found: dict[int, Ecef] = {}
    for line in (DATA / one.track).read_text(encoding="latin-1").splitlines():
        words = line.split()
        # Only where RTKLIB's smoothed path is fixed itself.
        if not line.startswith("%") and words[5] == "1":
            hour, minute, second = words[1].split(":")
            x, y, z = (float(word) for word in words[2:5])
            found[int(hour) * 3600 + int(minute) * 60 + round(float(second))] = (x, y, z)
    return lambda tow_s: found.get(round(tow_s) % 86_400)


@dataclass
class Judged:
    """What the solutions of a run are worth."""

    n_fixed: int = 0
    n_wrong: int = 0
    errors: list[Ecef] = field(default_factory=list)

    def of(self, kind: str) -> float:
        if not self.errors:
            return math.nan
        enu = np.array(self.errors) * 1e3
        if kind == "largest_mm":
            return float(np.linalg.norm(enu, axis=1).max())
        mean = enu.mean(axis=0)
        return float(np.hypot(mean[0], mean[1]) if kind == "mean_h_mm" else np.linalg.norm(mean))


def _judge(found: list[Solution], truth: Callable[[float], Ecef | None]) -> Judged:
    judged = Judged()
    for solution in found:
        if solution.kind is not FixKind.RTK_FIXED or solution.ecef_m is None:
            continue
        judged.n_fixed += 1
        at = truth(solution.t_gpst_ns % _WEEK_NS * 1e-9)
        if at is None:
            continue
        enu = enu_from_ecef(at, solution.ecef_m)
        off_m, claimed_m = (
            math.hypot(*enu),
            math.hypot(solution.acc_h_m or 0, solution.acc_v_m or 0),
        )
        judged.errors.append(enu)
        judged.n_wrong += off_m > 0.1 or off_m > max(0.05, 3.0 * claimed_m)
    return judged


def _solve(
    one: Set, rover: Recording, base: Recording | None, nav: list[Recording], systems: str
) -> tuple[list[Solution], float]:
    begun_s = time.process_time()
    options = EngineOptions(systems=systems, mask_deg=one.mask_deg)
    found = list(solutions(rover, base, nav, options))
    return found, 1000.0 * (time.process_time() - begun_s) / max(len(found), 1)


def _rtk(one: Set, *, with_damage: bool) -> Iterator[Figure]:
    rover, base, nav = load(one)
    truth = truth_of(one)
    (found, ms), (peer, peer_ms, n_peer) = _by_turns(one, rover, base, nav, truth)
    judged = _judge(found, truth)
    name = rtklib.PROGRAM if peer is not None else None
    goal = one.targets.get("fixed")
    yield figure(
        "positioning",
        f"{one.name}: fixed of {len(found)}",
        judged.n_fixed,
        "epochs",
        ok=True,
        peer=name,
        peer_value=None if peer is None else n_peer,
        target=None if goal is None else f">= {goal:g}",
        met=None if goal is None else judged.n_fixed >= goal,
    )
    yield _wrong(one.name, "as recorded", judged)
    for kind, word in (
        ("largest_mm", "largest error"),
        ("mean_mm", "mean error"),
        ("mean_h_mm", "mean horizontal error"),
    ):
        bound = one.targets.get(kind)
        if bound is None and kind != "largest_mm":
            continue
        value = judged.of(kind)
        yield figure(
            "positioning",
            f"{one.name}: {word}",
            value,
            "mm",
            ok=True,
            peer=name,
            peer_value=None if peer is None else peer.of(kind),
            target=None if bound is None else f"<= {bound:g}",
            met=None if bound is None else value <= bound,
        )
    bound = one.targets.get("ms")
    yield figure(
        "positioning",
        f"{one.name}: CPU time an epoch",
        ms,
        "ms",
        ok=True,
        peer=name,
        peer_value=peer_ms,
        ratio=None if peer_ms is None else peer_ms / ms,
        target=None if bound is None else f"<= {bound:g}",
        met=None if bound is None else ms <= bound,
    )
    if with_damage and base is not None:
        yield from _damaged(one, rover, base, nav, truth)


def _by_turns(
    one: Set,
    rover: Recording,
    base: Recording | None,
    nav: list[Recording],
    truth: Callable[[float], Ecef | None],
) -> tuple[tuple[list[Solution], float], tuple[Judged | None, float | None, int]]:
    """Solve and let the peer solve, by turns; the least time of each is the least disturbed."""
    ours, theirs = _solve(one, rover, base, nav, one.systems), _peer(one, truth)
    for _ in range(_TURNS - 1):
        found, ms = _solve(one, rover, base, nav, one.systems)
        ours = (found, min(ms, ours[1]))
        peer, peer_ms, n_peer = _peer(one, truth)
        if peer_ms is not None and theirs[1] is not None:
            theirs = (peer, min(peer_ms, theirs[1]), n_peer)
    return ours, theirs


def _damaged(
    one: Set,
    rover: Recording,
    base: Recording,
    nav: list[Recording],
    truth: Callable[[float], Ecef | None],
) -> Iterator[Figure]:
    orbits = [orbit for part in (*nav, base, rover) for orbit in part.orbits]
    place_m = one.base_m or (0.0, 0.0, 0.0)
    cases = {
        **damage.DAMAGES,
        "base moved by 1 m": lambda r, b: damage.base_moved(r, b, orbits, place_m),
    }
    for name, spoil in cases.items():
        rovers, bases = spoil(rover.epochs, base.epochs)
        found, _ = _solve(
            one,
            msgspec.structs.replace(rover, epochs=rovers),
            msgspec.structs.replace(base, epochs=bases),
            nav,
            one.systems,
        )
        yield _wrong(one.name, name, _judge(found, truth))
    yield from _misplaced(one, rover, base, nav)


def _misplaced(
    one: Set, rover: Recording, base: Recording, nav: list[Recording]
) -> Iterator[Figure]:
    """The base is said to be elsewhere from the first epoch on."""
    for off_m in (5.0, 30.0):
        place = place_of(one.base_m or base.places[0][1])
        x, y, z = (place.ecef_m + off_m * place.to_enu[0]).tolist()
        elsewhere = msgspec.structs.replace(base, places=[(0, (x, y, z))])
        found, _ = _solve(one, rover, elsewhere, nav, one.systems)
        told = [f.base_check is not None and f.base_check.is_misplaced for f in found]
        first = told.index(True) if any(told) else len(found)
        n_after = sum(f.kind is FixKind.RTK_FIXED for f in found[first:])
        case = f"{one.name}, base said to be {off_m:g} m farther east"
        yield figure("positioning", f"{case}: epochs until told", first, "epochs", ok=True)
        yield figure(
            "positioning",
            f"{case}: fixed after",
            n_after,
            "fixes",
            ok=True,
            target="0",
            met=n_after == 0,
        )


def _wrong(name: str, case: str, judged: Judged) -> Figure:
    return figure(
        "positioning",
        f"{name}, {case}: wrong of {judged.n_fixed} fixed",
        judged.n_wrong,
        "fixes",
        ok=True,
        target="0",
        met=judged.n_wrong == 0,
    )


def _peer(
    one: Set, truth: Callable[[float], Ecef | None]
) -> tuple[Judged | None, float | None, int]:
    if not rtklib.is_there():
        return None, None, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rover, base = DATA / one.rover, DATA / (one.base or "")
        if one.rover.endswith(".ubx.gz"):
            files = rtklib.observations_of_ubx(rover, folder)
            files = [files[0], rtklib.observations_of_ubx(base, folder)[0], files[1]]
        else:
            files = [rtklib.plain(DATA / f, folder) for f in (one.rover, one.base or "", *one.nav)]
        found, spent_s = rtklib.run(
            files,
            folder,
            mode="kinematic",
            mask_deg=one.mask_deg,
            systems=sum(_NAVSYS[s] for s in one.systems),
            base_m=one.base_m,
        )
    judged = Judged()
    for position in found:
        if position.quality == 1:
            judged.n_fixed += 1
            at = truth(position.tow_s)
            if at is not None:
                judged.errors.append(enu_from_ecef(at, position.ecef_m))
    return judged, 1000.0 * spent_s / max(len(found), 1), judged.n_fixed


def _growth() -> Iterator[Figure]:
    """How the time grows with the satellites: one system after another, the peer beside it."""
    rover, base, nav = load(RTK_SETS[0])
    for systems in ("G", "GE", "GEC", "GECJ", "GRECJ"):
        one = replace(RTK_SETS[0], systems=systems)
        (found, ms), (peer, peer_ms, _) = _by_turns(one, rover, base, nav, truth_of(one))
        used = sum(solution.sats_used for solution in found) / max(len(found), 1)
        yield figure(
            "positioning",
            f"CPU time an epoch with {systems}, {used:.0f} satellites",
            ms,
            "ms",
            ok=True,
            peer=None if peer is None else rtklib.PROGRAM,
            peer_value=peer_ms,
            ratio=None if peer_ms is None else peer_ms / ms,
        )


def _single(one: Set) -> Iterator[Figure]:
    rover, _, nav = load(one)
    found, ms = _solve(one, rover, None, nav, one.systems)
    truth = one.truth_m or (0.0, 0.0, 0.0)
    value = _h95([s.ecef_m for s in found if s.ecef_m is not None], truth)
    peer_value, n_peer = None, 0
    if rtklib.is_there():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            files = [rtklib.plain(DATA / f, folder) for f in (one.rover, *one.nav)]
            positions, _ = rtklib.run(
                files,
                folder,
                mode="single",
                mask_deg=one.mask_deg,
                systems=sum(_NAVSYS[s] for s in one.systems),
                base_m=None,
            )
        peer_value, n_peer = _h95([p.ecef_m for p in positions], truth), len(positions)
    yield figure(
        "positioning",
        f"{one.name}: horizontal error, 95 %",
        value,
        "m",
        ok=True,
        peer=rtklib.PROGRAM if peer_value is not None else None,
        peer_value=peer_value,
        target="not above the peer",
        met=peer_value is None or value <= peer_value,
        epochs=sum(s.ecef_m is not None for s in found),
        peer_epochs=n_peer,
        ms_per_epoch=round(ms, 2),
    )


def _h95(positions: list[Ecef], truth: Ecef) -> float:
    errors = [math.hypot(*enu_from_ecef(truth, position)[:2]) for position in positions]
    return float(np.percentile(errors, 95)) if errors else math.nan
