"""The options of a fill: names, defaults, bounds. docs/packages.md explains them, for Python and Node.js alike."""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Dict, Optional, Tuple, TypedDict, Union

from ._serializers import serializer_of

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
    on_timeout: str
    breaker: int
    breaker_pause: float
    serializer: Any
    report: Optional[Callable[[BaseException], Any]]


# 31 years: what goes into a command must be an integer of milliseconds.
_LONGEST_S = 1e9

# What a number must be at least and at most. The server's own bounds, where it has some (docs/fill.md).
_BOUNDS: Dict[str, Tuple[float, float]] = {
    "ttl": (0.001, _LONGEST_S),
    "grace": (0, _LONGEST_S),
    "idle": (0.001, _LONGEST_S),
    "jitter": (0, 100),
    "negative_ttl": (0, _LONGEST_S),
    "failure_ttl": (0, _LONGEST_S),
    "stale": (0, _LONGEST_S),
    "beta": (0, 1000),
    "wait": (0, 60),
    "lease": (0.01, 600),
    "renew": (0, _LONGEST_S),
    "timeout": (0, _LONGEST_S),
    "retries": (0, 100),
    "breaker": (0, 1_000_000),
    "breaker_pause": (0, _LONGEST_S),
}
_WHOLE = ("retries", "breaker")

# What may differ between two callers of a process that wait for one answer is all but these.
_OF_WHO_ASKS = ("stale", "timeout", "on_error", "on_timeout")

_RAISE_OR_COMPUTE = ("on_error", "on_timeout")


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
    on_error: str = "compute"
    on_timeout: str = "raise"
    breaker: int = 5
    breaker_pause: float = 1
    serializer: Any = "json"
    report: Optional[Callable[[BaseException], Any]] = None

    def __post_init__(self) -> None:
        for name, bounds in _BOUNDS.items():
            value = getattr(self, name)
            if not (name == "ttl" and callable(value)):
                check(name, value, bounds, none=_DEFAULTS_TO_NONE[name])
        for name in _WHOLE:
            if not isinstance(getattr(self, name), int):
                raise ValueError(f"{name} is a whole number: {getattr(self, name)!r}")
        for name in _RAISE_OR_COMPUTE:
            if getattr(self, name) not in ("raise", "compute"):
                raise ValueError(f"{name} is raise or compute: {getattr(self, name)!r}")
        object.__setattr__(self, "serializer", serializer_of(self.serializer))

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
