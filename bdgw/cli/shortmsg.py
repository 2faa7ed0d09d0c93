"""Commands on short messages: codecs here, those of a running gateway in ``ledger``."""

from __future__ import annotations

import enum
from typing import Annotated, Any

import typer

from bdgw.cli import ledger
from bdgw.cli.output import print_json

__all__ = ["app"]

app = typer.Typer(
    name="shortmsg",
    help="北斗短报文: what a text costs, what a frame says, and the ledger of a running gateway.",
    no_args_is_help=True,
)
app.command()(ledger.send)
app.command("list")(ledger.list_messages)
app.command()(ledger.show)
app.command()(ledger.cancel)


class TerminalFamily(enum.StrEnum):
    """What ``--family`` takes."""

    BD1 = "bd1-4.0"
    BD2 = "bd2-2.1"
    BD3 = "bd3"


@app.command()
def encode(
    text: Annotated[str, typer.Argument(help="the text")],
    *,
    family: Annotated[TerminalFamily, typer.Option(help="what the terminal speaks")],
    to: Annotated[int, typer.Option(min=0, max=(1 << 32) - 1, help="address of the receiver")],
    card_level: Annotated[int, typer.Option(min=1, max=5, help="level of the sending card")],
    is_encrypted: Annotated[
        bool, typer.Option("--encrypted-card", help="an encrypted card has other limits")
    ] = False,
    transliterate: Annotated[
        bool, typer.Option(help="replace what GBK does not hold where a substitute is known")
    ] = False,
) -> None:
    """Show form, bits and slots of a text, and the frame that the terminal would be given.

    What does not fit one message goes to a peer with bdgw only; its slots are told.
    """
    from bdgw.errors import EncodeError
    from bdgw.shortmsg.capacity import capacity_bits
    from bdgw.shortmsg.compose import air_bytes, unit_count
    from bdgw.shortmsg.family import codec_of
    from bdgw.shortmsg.text import choose_form
    from bdgw.shortmsg.vocabulary import Card, Family, Service

    spoken = Family(family.value)
    card = Card(address=0, interval_s=0, level=card_level, is_encrypted=is_encrypted)
    try:
        chosen = choose_form(text, card=card, family=spoken, transliterate=transliterate)
        value: dict[str, Any] = {"form": chosen.form.value, "bits": chosen.n_bits_on_air}
        value["limit_bits"] = capacity_bits(card, Service.REGIONAL, family=spoken)
        if chosen.is_fitting:
            value["frames_hex"] = [codec_of(spoken).send(chosen.frame(to)).hex()]
            value["slots"] = 1
        else:
            # One byte says how the text is coded; a lost unit costs another slot.
            body_bytes = 1 + len(chosen.text.encode("gbk"))
            value["slots"] = unit_count(body_bytes, air_bytes(card, spoken, Service.REGIONAL))
    except EncodeError as error:
        raise typer.BadParameter(str(error)) from None
    if chosen.replacements:
        value["replaced"] = [[each.character, each.by] for each in chosen.replacements]
    print_json(value | {"explanation": chosen.explanation})


@app.command()
def decode(
    frames: Annotated[list[str], typer.Argument(metavar="HEX...", help="bytes of a terminal")],
    *,
    family: Annotated[
        TerminalFamily | None, typer.Option(help="what the terminal speaks; default: by the bytes")
    ] = None,
) -> None:
    """Show what frames of a terminal say, one line each."""
    from bdgw.rdss_line import decode_rdss
    from bdgw.shortmsg.vocabulary import Family

    for text in frames:
        try:
            data = bytes.fromhex(text)
        except ValueError:
            raise typer.BadParameter(f"{text[:32]!r} is not hexadecimal") from None
        for value in decode_rdss([data], family=None if family is None else Family(family.value)):
            print_json(value)
