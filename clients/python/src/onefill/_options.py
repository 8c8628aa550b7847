"""The options of a fill: names, defaults, bounds. docs/packages.md explains them, for Python and Node.js alike."""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Dict, Optional, Tuple, TypedDict, Union

from ._codecs import codec_of

Ttl = Union[float, None, Callable[[Any], Optional[float]]]


class FillOptions(TypedDict, total=False):
    """The options as keyword arguments. All times are in seconds; fractions are allowed."""

    ttl: Ttl
    grace: Optional[float]
    idle: Optional[float]
    jitter: Optional[float]
    negative_ttl: Optional[float]
    failure_ttl: float
    stale: Optional[float]
    beta: Optional[float]
    background: bool
    wait: float
    lease: Optional[float]
    renew: float
    timeout: float
    retries: int
    on_error: str
    codec: Any
    report: Optional[Callable[[BaseException], Any]]


# 31 years: what goes into a command must be an integer of milliseconds.
_LONGEST_S = 1e9

# What a number must be at least and at most. The server's own bounds, where it has some (docs/fill.md).
_BOUNDS: Dict[str, Tuple[float, float]] = {
    "ttl": (0.001, _LONGEST_S),
    "grace": (0, _LONGEST_S),
    "idle": (0.001, _LONGEST_S),
    "jitter": (0, 100),
    "negative_ttl": (0.001, _LONGEST_S),
    "failure_ttl": (0, _LONGEST_S),
    "stale": (0, _LONGEST_S),
    "beta": (0, 1000),
    "wait": (0, 60),
    "lease": (0.01, 600),
    "renew": (0, _LONGEST_S),
    "timeout": (0, _LONGEST_S),
    "retries": (0, 100),
}

# What may differ between two callers of a process that wait for one answer is all but these.
_OF_WHO_ASKS = ("stale", "timeout", "on_error")

_ON_ERROR = ("raise", "compute")


@dataclasses.dataclass(frozen=True)
class Options:
    """The options of one fill; `None` leaves a choice to the server's settings, or means "for ever" for a TTL.

    Raises ValueError where one is out of its bounds, TypeError for an unknown name.
    """

    ttl: Ttl = 60
    grace: Optional[float] = None
    idle: Optional[float] = None
    jitter: Optional[float] = None
    negative_ttl: Optional[float] = 5
    failure_ttl: float = 1
    stale: Optional[float] = None
    beta: Optional[float] = None
    background: bool = False
    wait: float = 0.2
    lease: Optional[float] = None
    renew: float = 60
    timeout: float = 10
    retries: int = 2
    on_error: str = "raise"
    codec: Any = "bytes"
    report: Optional[Callable[[BaseException], Any]] = None

    def __post_init__(self) -> None:
        for name, bounds in _BOUNDS.items():
            value = getattr(self, name)
            if not (name == "ttl" and callable(value)):
                check(name, value, bounds, none=_DEFAULTS_TO_NONE[name])
        if not isinstance(self.retries, int):
            raise ValueError(f"retries is a whole number: {self.retries!r}")
        if self.on_error not in _ON_ERROR:
            raise ValueError(f"on_error is one of {', '.join(_ON_ERROR)}: {self.on_error!r}")
        object.__setattr__(self, "codec", codec_of(self.codec))

    def changed(self, **overrides: Any) -> Options:
        """These options with some replaced."""
        return dataclasses.replace(self, **overrides) if overrides else self

    def asks_like(self, other: Options) -> bool:
        """Whether what a fill with the other options finds, and when it gives up, is right for one with these too."""
        return all(getattr(self, name) == getattr(other, name) for name in _OF_WHO_ASKS)


_MAY_BE_NONE = ("ttl", "negative_ttl")
_DEFAULTS_TO_NONE = {
    field.name: field.default is None or field.name in _MAY_BE_NONE for field in dataclasses.fields(Options)
}


def check(name: str, value: Any, bounds: Tuple[float, float], none: bool = False) -> None:
    """Raises ValueError unless the value is a number within its bounds, or None where that is allowed."""
    if value is None and none:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not bounds[0] <= value <= bounds[1]:
        raise ValueError(f"{name} is a number from {bounds[0]} to {bounds[1]}: {value!r}")


def ttl_bounds() -> Tuple[float, float]:
    """What a TTL must be that a function of the value returned."""
    return _BOUNDS["ttl"]
