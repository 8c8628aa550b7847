"""How a decorated function's arguments become a key."""

from __future__ import annotations

import inspect
import string
from typing import Any, Callable, Union

KeyOf = Union[str, Callable[..., Any]]


def naming(function: Callable[..., Any], key: KeyOf) -> Callable[..., Any]:
    """A function of the same arguments that returns their key.

    `key` is such a function itself, or a template with the arguments' names: `"user:{user_id}"`. Raises TypeError
    for a template that names what is no argument.
    """
    if callable(key):
        return key
    signature = inspect.signature(function)
    fields = [field for _, field, _, _ in string.Formatter().parse(key) if field is not None]
    unknown = [field for field in fields if field.split(".")[0].split("[")[0] not in signature.parameters]
    if unknown:
        raise TypeError(f"the key {key!r} names what is no argument of {function.__name__}: {', '.join(unknown)}")

    def key_of(*args: Any, **kwargs: Any) -> str:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return key.format_map(bound.arguments)

    return key_of
