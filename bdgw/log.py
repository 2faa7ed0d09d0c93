"""How logs are written: one event name and its fields a line, to stderr, JSON or for a console."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import Literal

import structlog

__all__ = ["set_up_logging"]


class _StderrLogger:
    """Writes to whatever stderr is now. Nobody reading the logs is no reason to stop working."""

    def msg(self, message: str) -> None:
        """Write a line, or lose it."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(message + "\n")
            sys.stderr.flush()

    log = debug = info = warning = warn = error = err = critical = fatal = exception = msg


def set_up_logging(style: Literal["json", "console"], level: str) -> None:
    """Configure structlog for the process."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=lambda *_names: _StderrLogger(),
        cache_logger_on_first_use=False,
    )
