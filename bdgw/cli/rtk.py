"""The command on recorded raw data: ``rtk``."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bdgw.cli.output import chunks_of, print_json, say
from bdgw.errors import DecodeError, UnavailableError

if TYPE_CHECKING:
    from bdgw.geodesy import Ecef
    from bdgw.positioning.engine import EngineOptions
    from bdgw.positioning.moving_base import MovingBaseOptions
    from bdgw.recorded import Recording
    from bdgw.rinex.antenna_choice import Antennas

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
    moving_base: Annotated[
        bool,
        typer.Option("--moving-base", help="both antennas are on one vehicle: vector and heading"),
    ] = False,
    baseline_m: Annotated[
        float | None,
        typer.Option(metavar="L", min=0.01, help="how far the antennas are apart, if known"),
    ] = None,
    heading_offset_deg: Annotated[
        float, typer.Option(metavar="D", help="added to the heading of the vector")
    ] = 0.0,
    antex: Annotated[
        str | None, typer.Option(metavar="FILE", help="phase centres of antennas, ANTEX 1.4")
    ] = None,
    rover_antenna: Annotated[
        str | None, typer.Option(metavar="NAME", help="IGS name, if not as its file says")
    ] = None,
    base_antenna: Annotated[
        str | None, typer.Option(metavar="NAME", help="the same of the base")
    ] = None,
    rover_height_m: Annotated[
        float | None,
        typer.Option(metavar="H", help="antenna over the mark, if not as its file says"),
    ] = None,
    residuals: Annotated[
        bool, typer.Option("--residuals", help="each range's residual, every epoch")
    ] = False,
    as_live: Annotated[
        bool,
        typer.Option("--as-live", help="use broadcast data only from where it stands in the files"),
    ] = False,
) -> None:
    """Position a rover from recorded raw data (RINEX, RTCM 3, UBX); print a summary.

    One solution an epoch goes to --out, as JSON lines.
    """
    # Matrices here have about a hundred rows: threads would only wait for each other.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from bdgw.positioning.engine import EngineOptions
    from bdgw.positioning.moving_base import MovingBaseOptions

    reference_m = _position("--reference", reference)
    given_m = _position("--base-position", base_position)
    if moving_base:
        if as_live:
            raise typer.BadParameter("--as-live does not go with --moving-base")
        _refuse_of_standing(
            base=base, static=static, given=given_m or reference_m, height_m=rover_height_m
        )
    elif baseline_m is not None or heading_offset_deg:
        raise typer.BadParameter("--baseline-m and --heading-offset-deg go with --moving-base")
    if antex is None and (rover_antenna or base_antenna):
        raise typer.BadParameter("--rover-antenna and --base-antenna go with --antex")
    files = _Files(rover, base, nav or [], is_as_live=as_live)
    if files.base is not None and given_m is not None:
        files.base.stand_at(given_m)
    if rover_height_m is not None:
        files.rover.antenna_hen_m = (rover_height_m, 0.0, 0.0)
    systems = systems.upper()
    antennas = _antennas(antex, files, systems, rover_antenna, base_antenna)
    if moving_base:
        every, summary = _baselines(
            files,
            MovingBaseOptions(
                systems=systems,
                mask_deg=mask,
                length_m=baseline_m,
                offset_deg=heading_offset_deg,
                has_residuals=residuals,
            ),
            antennas,
        )
    else:
        options = EngineOptions(
            systems=systems, mask_deg=mask, is_static=static, has_residuals=residuals
        )
        every, summary = _positions(files, options, antennas, reference_m)
    n, spent_s = _write(every, out)
    if not n:
        say(f"{rover}: no epoch of observations\n")
    print_json(summary(1000.0 * spent_s / max(n, 1)) | _said_of(antennas, files, moving_base))


_Lines = Iterator[dict[str, Any]]
_Summary = Callable[[float], dict[str, Any]]


class _Files:
    """The recordings, each dated by what the others say of the time."""

    def __init__(self, rover: str, base: str | None, nav: list[str], *, is_as_live: bool) -> None:
        self.is_as_live = is_as_live
        self.nav = [_read(name, None) for name in nav]
        about = next((t for one in self.nav if (t := one.about_gpst_ns()) is not None), None)
        self.rover = _read(rover, about)
        self.base = None if base is None else _read(base, self.rover.about_gpst_ns())


def _antennas(
    name: str | None, files: _Files, systems: str, of_rover: str | None, of_base: str | None
) -> Antennas | None:
    """Read the file of antennas and choose both; what is wrong is told at once."""
    from bdgw.recorded_antenna import antennas_of
    from bdgw.rinex.antex import read_antex

    if name is None:
        return None
    if files.base is None:
        raise typer.BadParameter("--antex needs --base: single points are not corrected by it")
    try:
        text = b"".join(chunks_of(name)).decode("latin-1")
        atx = read_antex(line.rstrip("\r") for line in text.split("\n"))
    except DecodeError as error:
        raise UnavailableError(f"{name}: {error}") from None
    found = antennas_of(
        atx,
        files.rover,
        files.base,
        systems=systems,
        rover_name=of_rover,
        base_name=of_base,
    )
    for warning in found.remarks:
        say(f"{warning}\n")
    return found


def _said_of(antennas: Antennas | None, files: _Files, moving_base: bool) -> dict[str, Any]:
    """Say in the summary what the positions are of, and what is not as it should be."""
    is_of_mark = any(files.rover.antenna_hen_m) and not moving_base
    is_corrected = antennas is not None and antennas.pair.rover is not None
    line: dict[str, Any] = {}
    if is_of_mark or is_corrected:
        line["position_of"] = "mark" if is_of_mark else "reference_point"
    if antennas is not None and antennas.remarks:
        line["warnings"] = antennas.remarks
    return line


def _positions(
    files: _Files, options: EngineOptions, antennas: Antennas | None, reference_m: Ecef | None
) -> tuple[_Lines, _Summary]:
    from bdgw.positioning.mark import at_mark
    from bdgw.recorded import Summary, fix_line, solutions

    summary = Summary(reference_m)
    pair = None if antennas is None else antennas.pair

    def lines() -> _Lines:
        for solution in solutions(
            files.rover, files.base, files.nav, options, pair, is_as_live=files.is_as_live
        ):
            of_mark = at_mark(solution, files.rover.antenna_hen_m)
            summary.add(of_mark)
            yield fix_line(of_mark, reference_m)
        if summary.base_check is not None and summary.base_check.is_misplaced:
            say(f"the base is said to be {summary.base_check}\n")

    return lines(), summary.fields


def _baselines(
    files: _Files, options: MovingBaseOptions, antennas: Antennas | None
) -> tuple[_Lines, _Summary]:
    from bdgw.recorded import Recording
    from bdgw.recorded_baseline import BaselineSummary, baseline_line, baselines

    summary = BaselineSummary()
    base = files.base or Recording()
    pair = None if antennas is None else antennas.pair

    def lines() -> _Lines:
        for solution in baselines(files.rover, base, files.nav, options, pair):
            summary.add(solution)
            yield baseline_line(solution)

    return lines(), summary.fields


def _write(every: _Lines, out: Path) -> tuple[int, float]:
    """Write the lines; give how many, and the CPU time that they took to come."""
    import time

    from bdgw.publish.payload import encode

    n, spent_s = 0, 0.0
    try:
        with out.open("wb") as file:
            while True:
                begun_s = time.process_time()
                line = next(every, None)
                spent_s += time.process_time() - begun_s
                if line is None:
                    return n, spent_s
                n += 1
                file.write(encode(line) + b"\n")
    except OSError as error:
        raise UnavailableError(f"{out}: {error.strerror}") from None


def _refuse_of_standing(
    *, base: str | None, static: bool, given: Ecef | None, height_m: float | None
) -> None:
    if base is None:
        raise typer.BadParameter("--moving-base needs --base, the other antenna")
    if static or given is not None or height_m is not None:
        raise typer.BadParameter(
            "--static, --base-position, --reference and --rover-height-m are of a base that "
            "stands: not with --moving-base"
        )


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
