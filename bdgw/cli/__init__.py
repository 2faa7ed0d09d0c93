"""The command line. JSON goes to stdout, one object a line; everything for people to stderr."""

from bdgw.cli.command import main

__all__ = ["main"]
