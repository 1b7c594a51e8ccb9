"""Errors that say what went wrong, where, and how to mend it."""

from __future__ import annotations

from collections.abc import Callable


class RcgError(Exception):
    """A failure that the user can mend.

    Args:
        what: What went wrong, one sentence, with the offending value.
        where: The file, line, record or setting it went wrong in.
        fix: The next step that mends it, written as something to do.

    Example:
        >>> print(RcgError("no images", where="photos/", fix="name a folder that holds .jpg or .png files"))
        photos/: no images
        fix: name a folder that holds .jpg or .png files
    """

    def __init__(self, what: str, *, where: object = None, fix: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = None if where is None else str(where)
        self.fix = fix

    def __str__(self) -> str:
        head = self.what if self.where is None else f"{self.where}: {self.what}"
        return head if self.fix is None else f"{head}\nfix: {self.fix}"

    def __reduce__(self) -> tuple[Callable[..., RcgError], tuple[type[RcgError], str, str | None, str | None]]:
        # Keyword-only arguments do not survive pickle's default, and worker processes raise these.
        return _rebuild, (type(self), self.what, self.where, self.fix)


def _rebuild(kind: type[RcgError], what: str, where: str | None, fix: str | None) -> RcgError:
    return kind(what, where=where, fix=fix)


class FormatError(RcgError):
    """A label or image file does not have the format it claims."""


class DataError(RcgError):
    """The data is readable, but cannot be used as asked."""


class CalibrationError(RcgError):
    """A light rig or its calibration is wrong, or does not fit the frames."""


class ConfigError(RcgError):
    """A setting, argument or configuration key is wrong."""


class RunError(RcgError):
    """A training run or a job cannot start, continue or be found."""


class MissingExtra(RcgError):  # noqa: N818 - the name says what is missing, and stands in the house style
    """An optional part is not installed; the fix is the exact install line."""


class Cancelled(RcgError):  # noqa: N818 - a stop that was asked for is no error
    """The user stopped the work; what was done so far is valid."""

    def __init__(self, what: str = "cancelled", *, where: object = None, fix: str | None = None) -> None:
        super().__init__(what, where=where, fix=fix)
