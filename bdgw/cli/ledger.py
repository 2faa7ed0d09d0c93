"""Commands on the message ledger of a running gateway: send, list, show, cancel."""

from __future__ import annotations

import enum
import sys
import time
import uuid
from typing import Annotated, Any, NoReturn

import typer

from bdgw.cli.gateway_api import ApiOption, GatewayApi, TokenEnvOption
from bdgw.cli.output import EXIT_NOPERM, EXIT_UNAVAILABLE, print_json, say

__all__ = ["cancel", "list_messages", "send", "show"]

_API = "http://127.0.0.1:8080"
_PATH = "/api/v1/shortmsg"
_POLL_S = 1.0


class SendPriority(enum.StrEnum):
    """What ``--priority`` takes."""

    DISTRESS = "distress"
    ALARM = "alarm"
    COMMAND = "command"
    DATA = "data"
    ROUTINE = "routine"


class Form(enum.StrEnum):
    """What ``--format`` takes."""

    NDJSON = "ndjson"
    CSV = "csv"


MessageId = Annotated[str, typer.Argument(metavar="ID", help="as send and list show it")]


def send(  # one option a field of a submission
    text: Annotated[str | None, typer.Argument(help="the text; or --data-hex")] = None,
    *,
    to: Annotated[str, typer.Option(help="address of the receiver, digits")],
    data_hex: Annotated[str | None, typer.Option(help="bytes instead of a text")] = None,
    priority: Annotated[SendPriority, typer.Option()] = SendPriority.ROUTINE,
    valid_s: Annotated[float | None, typer.Option(help="must have arrived by then")] = None,
    key: Annotated[
        str | None, typer.Option(help="the same key again sends nothing; default: a new one")
    ] = None,
    supersede_key: Annotated[
        str | None, typer.Option(help="replaces one that waits with this key")
    ] = None,
    group: Annotated[str | None, typer.Option(help="seal it for this peer group")] = None,
    card: Annotated[str | None, typer.Option(help="only this card of ours may send it")] = None,
    transliterate: Annotated[bool, typer.Option(help="replace what GBK lacks")] = False,
    n_repeats: Annotated[int, typer.Option(help="send again where nobody knows", min=0)] = 0,
    wait: Annotated[bool, typer.Option(help="until its outcome is known")] = False,
    api: ApiOption = _API,
    token_env: TokenEnvOption = None,
) -> None:
    """Hand a message to a running gateway; prints its id and when it will be sent.

    Exit status 1 where it is refused, or with --wait where it was not sent.
    """
    wanted = {
        "to": to,
        "text": text,
        "data_hex": data_hex,
        "priority": priority.value,
        "valid_s": valid_s,
        "idempotency_key": key or f"cli/{uuid.uuid4()}",
        "supersede_key": supersede_key,
        "group": group,
        "card": card,
        "transliterate": transliterate,
        "n_repeats": n_repeats,
    }
    gateway = GatewayApi(api, token_env=token_env)
    body = {name: value for name, value in wanted.items() if value is not None}
    status, answer = gateway.post(_PATH, body)
    if status not in (200, 202):
        _refused(status, answer)
    print_json(answer)
    if wait:
        _wait(gateway, answer["id"])


def list_messages(
    *,
    received: Annotated[bool, typer.Option("--in", help="messages received, not sent")] = False,
    state: Annotated[list[str] | None, typer.Option(help="of messages out; repeatable")] = None,
    unfinished: Annotated[bool, typer.Option(help="only those without an outcome")] = False,
    address: Annotated[int | None, typer.Option(help="of the other side", min=0)] = None,
    since: Annotated[str | None, typer.Option("--from", help="ISO 8601 with zone")] = None,
    until: Annotated[str | None, typer.Option("--to", help="ISO 8601 with zone")] = None,
    oldest_first: Annotated[bool, typer.Option(help="default: the newest first")] = False,
    limit: Annotated[int | None, typer.Option(help="so many at most", min=1)] = None,
    form: Annotated[Form, typer.Option("--format")] = Form.NDJSON,
    api: ApiOption = _API,
    token_env: TokenEnvOption = None,
) -> None:
    """Print messages with all their steps, one a line."""
    query: dict[str, Any] = {
        "direction": "in" if received else "out",
        "state": state,
        "is_unfinished": True if unfinished else None,
        "address": address,
        "from": since,
        "to": until,
        "order": "oldest" if oldest_first else "newest",
        "limit": min(limit or 1000, 1000),
        "format": form.value,
    }
    query = {name: value for name, value in query.items() if value is not None}
    n_lines = None if limit is None else limit + (form is Form.CSV)
    lines = GatewayApi(api, token_env=token_env).lines(_PATH, query)
    for number, line in enumerate(lines):
        if n_lines is not None and number >= n_lines:
            break
        print(line, file=sys.stdout)  # noqa: T201 - the command line speaks on stdout


def show(message: MessageId, *, api: ApiOption = _API, token_env: TokenEnvOption = None) -> None:
    """Print one message and all that happened to it."""
    _print(*GatewayApi(api, token_env=token_env).get(f"{_PATH}/{message}"))


def cancel(message: MessageId, *, api: ApiOption = _API, token_env: TokenEnvOption = None) -> None:
    """Call a message back, while not all of it may have gone out."""
    _print(*GatewayApi(api, token_env=token_env).post(f"{_PATH}/{message}/cancel", {}))


def _print(status: int, answer: dict[str, Any]) -> None:
    if status != 200:
        _refused(status, answer)
    print_json(answer)


def _refused(status: int, answer: dict[str, Any]) -> NoReturn:
    print_json(answer)
    say(f"{answer.get('detail', status)}\n")
    if status in (401, 403):
        raise typer.Exit(EXIT_NOPERM)
    raise typer.Exit(EXIT_UNAVAILABLE if status == 500 else 1)


def _wait(gateway: GatewayApi, message_id: str) -> None:
    """Tell each new state until the last one."""
    state = ""
    while True:
        status, message = gateway.get(f"{_PATH}/{message_id}")
        if status != 200:
            _refused(status, message)
        if message["state"] != state:
            state = message["state"]
            print_json(message)
        if message["settled"]:
            raise typer.Exit(0 if state in ("delivered", "accepted_by_terminal") else 1)
        time.sleep(_POLL_S)
