"""What `fill` raises beside the errors of the caller's own function."""

from __future__ import annotations


class FillError(Exception):
    """The common base: catch it to catch all below."""


class FillFailed(FillError):
    """Whoever computed the value failed, and shares the failure.

    `retry_after` is the time in seconds after which somebody is let try again.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class FillUnavailable(FillError):
    """The server could not be asked: it is down, cannot be reached, or answers too late. `__cause__` says which."""


class FillTimeout(FillUnavailable, TimeoutError):
    """Others were still computing the value when `timeout` was over."""
