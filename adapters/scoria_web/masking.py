"""Masks values of runs that are shown: by name, or as the host decides; in doubt, all of them."""

from typing import TypeVar

import attrs

from scoria_core.errors import InvalidPayload
from scoria_core.logs import logger_of
from scoria_core.masking import Marks, Mask, Path, secret_by_name
from scoria_core.masking import masked as masked_by

__all__ = ["Marks", "Mask", "Path", "secret_by_name"]

T = TypeVar("T")

PLAIN = Marks()

logger = logger_of("scoria.web")


class MaskFailed(Exception):
    """The host's mask raised an error, or returned something that is neither True nor False."""


@attrs.define
class Sight:
    """What one reader may see of one page.

    `has_masked` says whether the mask hides a value that passed here, even if `shows_masked` lets
    this reader see it.
    """

    mask: Mask | None = None
    marks: Marks = PLAIN
    shows_masked: bool = False
    has_masked: bool = False

    def __call__(self, value: T) -> T:
        """Return a value as the reader may see it; raises `MaskFailed`."""
        if self.mask is None:
            return value
        try:
            shown = masked_by(value, _checked(self.mask), self.marks)
        except Exception as error:
            raise MaskFailed("the host's mask gave no answer") from error
        self.has_masked |= shown is not value  # the same object comes back if nothing is hidden
        return value if self.shows_masked else shown


def masked(value: T, mask: Mask | None, marks: Marks = PLAIN) -> T:
    """Return a `RunDetail`, another value of `scoria_core.model` or a tuple of them, as shown.

    `mask(path)` tells what is hidden; None hides nothing. The same object comes back if nothing is
    hidden. If `mask` raises an error, or returns no bool, everything is hidden and the error is
    logged to `scoria.web`. Digests stay those of the true values.
    """
    try:
        return Sight(mask, marks)(value)
    except MaskFailed:
        log_failure()
        return masked_by(value, masks_all, marks)


def masks_all(_: Path) -> bool:
    """Mask every payload."""
    return True


def log_failure() -> None:
    """Log that the host's mask failed, with the error that is being handled."""
    logger.exception("the host's mask failed: all payloads are masked")


def check_mask(mask: object) -> None:
    """Raise `InvalidPayload` if `mask` is neither a callable nor None."""
    if mask is not None and not callable(mask):
        problem = f"is {type(mask).__name__}; pass a callable that takes a path, or None"
        raise InvalidPayload("mask", problem)


def _checked(mask: Mask) -> Mask:
    def checked(path: Path) -> bool:
        answer = mask(path)
        if not isinstance(answer, bool):  # a coroutine is true, a forgotten return is false
            raise MaskFailed(f"the host's mask returned {type(answer).__name__}, not a bool")
        return answer

    return checked
