"""Commands on captures: decode, fixes, replay."""

from __future__ import annotations

import asyncio
import enum
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from bdgw.cli.output import (
    Captures,
    ConfigOption,
    chunks_of,
    print_json,
    run_until_signal,
)
from bdgw.errors import ConfigError

__all__ = ["decode", "fixes", "replay"]


class Language(enum.StrEnum):
    """What ``--as`` takes."""

    AUTO = "auto"
    NMEA = "nmea"
    RTCM3 = "rtcm3"
    UBX = "ubx"
    UNICORE = "unicore"
    BD1 = "bd1-4.0"
    BD2 = "bd2-2.1"
    BD3 = "bd3"


class FixFormat(enum.StrEnum):
    """What ``fixes --format`` takes."""

    NDJSON = "ndjson"
    CSV = "csv"
    GEOJSON = "geojson"
    GPX = "gpx"


def decode(
    files: Captures,
    *,
    language: Annotated[Language, typer.Option("--as", help="protocol to look for")] = (
        Language.AUTO
    ),
    stats: Annotated[bool, typer.Option("--stats", help="print counts only")] = False,
) -> None:
    """Decode captures to JSON lines, one event a line, in stream order."""
    lines, counts = _terminal(language) if language in _TERMINALS else _receiver(language)
    for name in files:
        chunks = chunks_of(name)
        if stats:
            print_json(counts(name, chunks))
            continue
        for line in lines(chunks):
            print_json({"file": name, **line} if len(files) > 1 else line)


_TERMINALS = (Language.BD1, Language.BD2, Language.BD3)
_Lines = Callable[[Iterable[bytes]], Iterator[dict[str, Any]]]
_Counts = Callable[[str, Iterable[bytes]], dict[str, Any]]


def _receiver(language: Language) -> tuple[_Lines, _Counts]:
    from bdgw.offline import decode_lines, stats_object
    from bdgw.stream import PROTOCOLS

    protocols = PROTOCOLS if language is Language.AUTO else (language.value,)
    return partial(decode_lines, protocols=protocols), partial(stats_object, protocols=protocols)


def _terminal(language: Language) -> tuple[_Lines, _Counts]:
    from bdgw.rdss_line import decode_rdss, rdss_stats
    from bdgw.shortmsg.vocabulary import Family

    family = Family(language.value)
    return partial(decode_rdss, family=family), partial(rdss_stats, family=family)


def fixes(
    files: Captures,
    *,
    form: Annotated[FixFormat, typer.Option("--format", help="how to write them")] = (
        FixFormat.NDJSON
    ),
    frame: Annotated[
        str | None, typer.Option(help="frame of the receiver's coordinates, e.g. CGCS2000")
    ] = None,
) -> None:
    """Write the epochs of captures as fixes, exactly as they would be published."""
    from bdgw import export
    from bdgw.offline import fixes as fixes_of

    writer = {
        FixFormat.NDJSON: export.ndjson,
        FixFormat.CSV: export.csv,
        FixFormat.GEOJSON: export.geojson,
        FixFormat.GPX: export.gpx,
    }[form]
    every = (fix for name in files for fix in fixes_of(chunks_of(name), frame=frame))
    for text in writer(every):
        sys.stdout.write(text)
    sys.stdout.flush()


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="capture, plain or .gz")],
    config: ConfigOption,
    *,
    speed: Annotated[str, typer.Option(help="multiple of recorded time, or max")] = "1",
    device: Annotated[
        str | None, typer.Option(help="the device that the capture stands for")
    ] = None,
) -> None:
    """Play a capture through the whole gateway, in the place of one configured device."""
    from bdgw.config import load
    from bdgw.log import set_up_logging
    from bdgw.replay import replay_config, run_replay

    loaded = load(config)
    try:
        checked = replay_config(loaded, file, speed=speed, device=device)
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from None
    set_up_logging(checked.log.format, checked.log.level)

    async def play(stop: asyncio.Event) -> None:
        print_json(await run_replay(checked, stop))

    run_until_signal(play)
