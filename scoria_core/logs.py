"""Log lines that hold only what can be seen, whoever formats them.

A record names ids and kinds that a host chose, and its traceback says what a handler raised. Each
of these texts is filtered before a handler of the host's logging gets the record. What a line is
about is also in `FIELDS` of its record, for a formatter that writes JSON.
"""

import logging
import traceback
from collections.abc import Mapping

from scoria_core.visible import visible_block, visible_line

INDENT = "    "
"""What every line of a traceback begins with, so that none of them reads as a record of its own."""


FIELDS = (
    *("run_id", "tenant_id", "session_id", "actor_id"),
    *("step_id", "kind", "role_id", "attempt", "listener"),
)
"""What a record may say of its subject, each an attribute of the record where it applies."""


_ABOUT = "scoria_about"


def about(**facts: object) -> Mapping[str, object]:
    """Return the `extra` of a line that is about these, by their names in `FIELDS`.

    They become attributes only in the filter: `logging` raises where a record has one by that name,
    as it may from the factory of a host.
    """
    return {_ABOUT: facts}


def logger_of(name: str) -> logging.Logger:
    """Return the logger of that name; it filters what is logged on it."""
    logger = logging.getLogger(name)
    logger.addFilter(_FILTER)
    return logger


class VisibleFormatter(logging.Formatter):
    """Formats a record of any logger, one of another library too, as text that can be seen.

    The message is one line; what follows it is indented.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        shown = logging.makeLogRecord(record.__dict__)
        shown.msg, shown.args = visible_line(_message(record)), None
        if record.exc_info:
            shown.exc_text = None
        if record.stack_info:
            shown.stack_info = _indented(record.stack_info)
        return visible_block(super().format(shown))

    def formatException(self, ei: object) -> str:  # noqa: N802 - the name is logging's
        """Return a traceback, each line of it indented."""
        return _indented("".join(traceback.format_exception(*ei)))  # type: ignore[misc]  # a triple


class _Filter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = visible_line(record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(map(_shown, record.args))
        for name, fact in record.__dict__.pop(_ABOUT, {}).items():
            record.__dict__[name] = _shown(fact)
        if record.exc_info and record.exc_info[0] is not None and not record.exc_text:
            # A formatter keeps a text that is there, so no host has to know of ours.
            record.exc_text = _FORMATTER.formatException(record.exc_info)
        return True


def _shown(argument: object) -> object:
    return argument if isinstance(argument, int | float) else visible_line(argument)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - a wrong format string of a library is logged as it is
        return f"{record.msg} {record.args}"


def _indented(text: str) -> str:
    lines = visible_block(text).rstrip("\n").split("\n")
    return "\n".join(f"{INDENT}{line}" for line in lines)


_FILTER = _Filter()
_FORMATTER = VisibleFormatter()
