"""Makes stdout and stderr safe, however the command was started.

A reader that went away, a closed descriptor or a locale that lacks a character must cause neither a
traceback nor another exit code.
"""

import codecs
import io
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TextIO

from scoria_core.logs import VisibleFormatter, logger_of
from scoria_core.visible import escaped

UNENCODABLE = "scoria-visible"
"""The name of the `codecs` error handler for characters that the locale cannot encode."""

logger = logger_of("scoria.cli")


def prepare() -> None:
    """Make the streams of this process safe to print and to log to."""
    for descriptor in range(3):
        _keep_open(descriptor)
    codecs.register_error(UNENCODABLE, _written_out)
    sys.stdout, sys.stderr = _lasting(sys.stdout), _lasting(sys.stderr)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(VisibleFormatter("%(asctime)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.captureWarnings(True)
    sys.excepthook = _log_crash
    threading.excepthook = _log_thread


def _keep_open(descriptor: int) -> None:
    """Open a standard stream that is closed; otherwise the next file would get its number."""
    try:
        os.fstat(descriptor)
    except OSError:
        os.open(os.devnull, os.O_RDWR)


def _lasting(stream: TextIO | None) -> TextIO:
    if stream is None:  # it was closed when Python started
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - it lasts as long as the process
    buffer = stream.buffer
    if isinstance(buffer, io.RawIOBase):  # -u leaves out the buffer
        buffer = io.BufferedWriter(buffer)
    return io.TextIOWrapper(
        _Lasting(buffer),  # type: ignore[type-var]  # it has all that is called
        encoding=stream.encoding,
        errors=UNENCODABLE,
        line_buffering=True,
    )


class _Lasting(io.BufferedIOBase):
    """A stream whose reader may go away: what is written after that is discarded.

    Any other error of the stream is raised once, and not again when Python flushes it at exit. The
    buffer below it is Python's own, which an interrupt cannot leave half written.
    """

    def __init__(self, buffer: Any) -> None:
        self.buffer = buffer

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return int(self.buffer.fileno())

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return bool(self.buffer.isatty())

    def write(self, data: Any) -> int:
        """Write, unless the reader went away."""
        with self._breaking():
            self.buffer.write(data)
        return len(data)

    def flush(self) -> None:
        """Flush, unless the reader went away."""
        with self._breaking():
            self.buffer.flush()

    @contextmanager
    def _breaking(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # From now on the descriptor leads to /dev/null: later writes, and the flush that
            # Python makes at exit, succeed.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            if not isinstance(error, BrokenPipeError):
                raise


def _written_out(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(escaped, error.object[error.start : error.end])), error.end


def _log_crash(
    type_: type[BaseException], error: BaseException, where: TracebackType | None
) -> None:
    logger.critical("scoria broke off", exc_info=(type_, error, where))


def _log_thread(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None:
        _log_crash(failed.exc_type, failed.exc_value, failed.exc_traceback)
