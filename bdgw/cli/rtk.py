"""The command on recorded raw data: ``rtk``."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bdgw.cli.output import chunks_of, print_json, say
from bdgw.errors import DecodeError, UnavailableError

if TYPE_CHECKING:
    from bdgw.geodesy import Ecef
    from bdgw.recorded import Recording

__all__ = ["rtk"]


def rtk(
    *,
    rover: Annotated[str, typer.Option(metavar="FILE", help="observations of the rover")],
    base: Annotated[
        str | None, typer.Option(metavar="FILE", help="observations of the base")
    ] = None,
    nav: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="navigation; may be given again")
    ] = None,
    base_position: Annotated[
        str | None,
        typer.Option(metavar="X,Y,Z", help="antenna of the base, if not as its file says"),
    ] = None,
    reference: Annotated[
        str | None, typer.Option(metavar="X,Y,Z", help="true position of the rover, to compare")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="where the solutions go")],
    systems: Annotated[str, typer.Option(help="systems to use, of G R E C J")] = "GRECJ",
    mask: Annotated[float, typer.Option(min=0, max=89, help="lowest elevation, degrees")] = 15.0,
    static: Annotated[bool, typer.Option("--static", help="the rover stands still")] = False,
) -> None:
    """Position a rover from recorded raw data (RINEX, RTCM 3, UBX); print a summary.

    One solution an epoch goes to --out, as JSON lines.
    """
    import time

    # Matrices here have about a hundred rows: threads would only wait for each other.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from bdgw.positioning.engine import EngineOptions
    from bdgw.publish.payload import encode
    from bdgw.recorded import Summary, fix_line, solutions

    reference_m = _position("--reference", reference)
    of_nav = [_read(name, None) for name in nav or []]
    about = next((t for one in of_nav if (t := one.about_gpst_ns()) is not None), None)
    of_rover = _read(rover, about)
    of_base = None if base is None else _read(base, of_rover.about_gpst_ns())
    given_m = _position("--base-position", base_position)
    if of_base is not None and given_m is not None:
        of_base.places = [(0, given_m)]
    options = EngineOptions(systems=systems.upper(), mask_deg=mask, is_static=static)
    summary = Summary(reference_m)
    n, spent_s = 0, 0.0
    try:
        with out.open("wb") as file:
            every = solutions(of_rover, of_base, of_nav, options)
            while True:
                begun_s = time.process_time()
                solution = next(every, None)
                spent_s += time.process_time() - begun_s
                if solution is None:
                    break
                n += 1
                summary.add(solution)
                file.write(encode(fix_line(solution, reference_m)) + b"\n")
    except OSError as error:
        raise UnavailableError(f"{out}: {error.strerror}") from None
    if not n:
        say(f"{rover}: no epoch of observations\n")
    print_json(summary.fields(1000.0 * spent_s / max(n, 1)))


def _read(name: str, about_gpst_ns: int | None) -> Recording:
    from bdgw.recorded import read_recording

    try:
        return read_recording(b"".join(chunks_of(name)), about_gpst_ns)
    except (DecodeError, ValueError) as error:
        raise UnavailableError(f"{name}: {error}") from None


def _position(option: str, text: str | None) -> Ecef | None:
    if text is None:
        return None
    try:
        x, y, z = (float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{option} is X,Y,Z in metres") from None
    if not all(map(math.isfinite, (x, y, z))) or math.hypot(x, y, z) < 6e6:
        raise typer.BadParameter(f"{option} is no place on the Earth")
    return x, y, z
