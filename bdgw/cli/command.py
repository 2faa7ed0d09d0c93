"""The commands, and the exit statuses of the contract."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from typing import Annotated, Any, NoReturn

import typer

from bdgw import __version__
from bdgw.cli import capture, ntrip, rtk, shortmsg
from bdgw.cli.output import (
    EXIT_CONFIG,
    EXIT_SOFTWARE,
    EXIT_UNAVAILABLE,
    EXIT_USAGE,
    ConfigOption,
    checked_config,
    print_json,
    run_until_signal,
    say,
)
from bdgw.cli.prove import prove
from bdgw.errors import BdgwError, ConfigError, UnavailableError

__all__ = ["main"]

app = typer.Typer(
    name="bdgw",
    help="BeiDou high-precision positioning and short-message gateway.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


app.add_typer(ntrip.app)
app.add_typer(shortmsg.app)
for _command in (capture.decode, capture.fixes, capture.replay, prove, rtk.rtk):
    app.command()(_command)


@app.callback(invoke_without_command=True)
def _root(
    *, version: Annotated[bool, typer.Option("--version", help="print the version")] = False
) -> None:
    if version:
        print(f"bdgw {__version__}")  # noqa: T201 - the command line speaks on stdout
        raise typer.Exit


@app.command()
def run(config: ConfigOption) -> None:
    """Run the gateway until it is stopped."""
    from bdgw.app import Gateway
    from bdgw.log import set_up_logging

    checked = checked_config(config)
    set_up_logging(checked.log.format, checked.log.level)

    async def serve(stop: asyncio.Event) -> None:
        await Gateway(checked).run(stop)

    run_until_signal(serve)


@app.command()
def check(config: ConfigOption) -> None:
    """Check a configuration: names file, key, value and what is allowed."""
    from bdgw.assembly import check_antennas

    checked = checked_config(config)
    try:
        remarks = check_antennas(checked)
    except ConfigError as error:
        raise ConfigError(f"{config}: {error}") from None
    for remark in remarks:
        say(f"{config}: {remark}\n")
    print_json({"file": str(config), "ok": True, "devices": len(checked.device)})


@app.command()
def demo(
    *,
    seconds: Annotated[float | None, typer.Option(min=1, help="end by itself, judge")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="MQTT port, 0 takes a free one")] = 0,
) -> None:
    """Run broker, simulator, gateway and subscriber on this machine and show what arrives."""
    from bdgw.demo import run_demo
    from bdgw.live import live_screen
    from bdgw.log import set_up_logging

    set_up_logging("console", "error")
    summary: dict[str, Any] = {}

    async def play(stop: asyncio.Event) -> None:
        with live_screen(is_terminal=sys.stdout.isatty(), write=print_json) as screen:
            summary.update(
                await run_demo(
                    seconds=seconds,
                    mqtt_port=port,
                    show=screen.fix,
                    show_message=screen.message,
                    say=say,
                    stop=stop,
                )
            )

    run_until_signal(play)
    print_json(summary)
    if seconds is not None and not summary.get("ok"):
        raise typer.Exit(1)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def sim(context: typer.Context) -> None:
    """Run the simulator (see firmware-sim/README.md): run, replay, many."""
    # A process of its own: the simulator shares no code with the gateway.
    os.execv(sys.executable, [sys.executable, "-m", "fwsim", *context.args])  # noqa: S606


def main() -> NoReturn:
    """Run the command line and end with the exit status of the contract."""
    try:
        # Not in standalone mode a command that raises ``typer.Exit`` makes this return its status.
        status = app(standalone_mode=False)
    except typer.Abort:
        _end(130)
    except ConfigError as error:
        say(f"{error}\n")
        _end(EXIT_CONFIG)
    except UnavailableError as error:
        say(f"{error}\n")
        _end(EXIT_UNAVAILABLE)
    except (BdgwError, OSError) as error:
        say(f"{error}\n")
        _end(EXIT_SOFTWARE if isinstance(error, BdgwError) else EXIT_UNAVAILABLE)
    except Exception as error:
        show = getattr(error, "show", None)
        if show is None:
            raise
        show()
        _end(EXIT_USAGE)
    _end(status if isinstance(status, int) else 0)


def _end(status: int) -> NoReturn:
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    raise SystemExit(status)
