"""``bdgw prove``: drills against this machine's disk and broker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from bdgw.cli.output import EXIT_USAGE, checked_config, print_json, run_until_signal, say

if TYPE_CHECKING:
    import asyncio

    from bdgw.prove import Plan

__all__ = ["prove"]

_GATEWAY = "bdgw"


def prove(
    *,
    config: Annotated[
        Path | None,
        typer.Option("-c", "--config", metavar="FILE", help="whose disk and broker; else our own"),
    ] = None,
    state_dir: Annotated[
        Path | None, typer.Option(help="where on the disk; in a folder that is removed again")
    ] = None,
    drill: Annotated[list[str] | None, typer.Option(help="only this one; may be repeated")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="under a minute")] = False,
    json: Annotated[bool, typer.Option("--json", help="one object a drill")] = False,
    mosquitto: Annotated[
        bool, typer.Option("--mosquitto", help="against a Mosquitto with persistence, of our own")
    ] = False,
    kills: Annotated[int | None, typer.Option(min=1, help="of the drill kill")] = None,
    items: Annotated[int | None, typer.Option(min=1, help="a kill")] = None,
    restarts: Annotated[
        int | None, typer.Option(min=1, help="of the drills broker and restarts")
    ] = None,
) -> None:
    """Prove on this disk and this broker that nothing is lost: exit 1 when a promise breaks."""
    from bdgw.log import set_up_logging
    from bdgw.prove import DRILLS, Outcome, run_drills, text

    names = drill or list(DRILLS)
    unknown = [name for name in names if name not in DRILLS]
    if unknown:
        say(f"unknown drill: {', '.join(unknown)}; known: {', '.join(DRILLS)}\n")
        raise typer.Exit(EXIT_USAGE)
    set_up_logging("console", "critical")
    options = {"kills": kills, "items": items, "restarts": restarts}
    plan = _plan(config, state_dir, is_quick=quick, is_mosquitto=mosquitto, options=options)
    kept: list[bool | None] = []

    def tell(outcome: Outcome) -> None:
        if json:
            print_json(msgspec.to_builtins(outcome))
        else:
            typer.echo(text(outcome), nl=False)

    async def serve(stop: asyncio.Event) -> None:
        kept.append(await run_drills(plan, names, tell=tell, say=say, stop=stop))

    run_until_signal(serve)
    if kept == [None]:
        say("stopped before the end: not all of it is proved\n")
        raise typer.Abort
    if kept != [True]:
        raise typer.Exit(1)


def _plan(
    config: Path | None,
    state_dir: Path | None,
    *,
    is_quick: bool,
    is_mosquitto: bool,
    options: dict[str, int | None],
) -> Plan:
    from bdgw.plan import mqtt_settings, outbox_pace
    from bdgw.prove import Plan

    given = {key: value for key, value in options.items() if value is not None}
    if config is None:
        return Plan(
            state_dir=state_dir or Path.cwd(),
            gateway=_GATEWAY,
            settings=None,
            is_quick=is_quick,
            is_mosquitto=is_mosquitto,
            options=given,
        )
    checked = checked_config(config)
    url = checked.broker.url
    pace = outbox_pace(checked)
    return Plan(
        state_dir=state_dir or checked.gateway.state_dir,
        gateway=checked.gateway.id,
        settings=None if url == "embedded" else mqtt_settings(checked, url),
        is_quick=is_quick,
        is_mosquitto=is_mosquitto,
        history_per_s=pace.history_per_s,
        lag_s=pace.lag_s,
        options=given,
    )
