"""How a decorated function and its arguments become a key. docs/packages.md promises that its form stays."""

from __future__ import annotations

import datetime
import decimal
import hashlib
import inspect
import json
import string
import uuid
from typing import Any, Callable, Dict, Optional, Union

KeyOf = Union[str, Callable[..., Any]]

# Longer arguments are told apart by their SHA-256.
_ARGUMENTS_CHARACTERS_MAX = 200

# What JSON has no form for, by the name of its type and a text. Exactly these types: a subclass may mean something
# else.
_TEXTS: Dict[type, Callable[[Any], str]] = {
    bytes: bytes.hex,
    datetime.date: datetime.date.isoformat,
    datetime.datetime: datetime.datetime.isoformat,
    decimal.Decimal: str,
    uuid.UUID: str,
}


def naming(function: Callable[..., Any], key: Optional[KeyOf] = None) -> Callable[..., Any]:
    """A function of the same arguments that returns their key.

    `key` is such a function itself, or a template with the arguments' names: `"user:{user_id}"`. Without it the key is
    `module.name(argument=value,…)`. Raises TypeError for a template that names what is no argument; the function that
    is returned raises it for arguments that it has no text for.
    """
    if callable(key):
        return key
    signature = inspect.signature(function)

    def bound(args: Any, kwargs: Any) -> Dict[str, Any]:
        found = signature.bind(*args, **kwargs)
        found.apply_defaults()
        return found.arguments

    if key is None:
        name = f"{function.__module__}.{function.__qualname__}"
        return lambda *args, **kwargs: f"{name}({_arguments(name, bound(args, kwargs))})"
    template = key
    fields = [field for _, field, _, _ in string.Formatter().parse(template) if field is not None]
    unknown = [field for field in fields if field.split(".")[0].split("[")[0] not in signature.parameters]
    if unknown:
        raise TypeError(f"the key {key!r} names what is no argument of {function.__name__}: {', '.join(unknown)}")
    return lambda *args, **kwargs: template.format_map(bound(args, kwargs))


def _arguments(name: str, arguments: Dict[str, Any]) -> str:
    text = ",".join(f"{argument}={_text(name, argument, value)}" for argument, value in arguments.items())
    return text if len(text) <= _ARGUMENTS_CHARACTERS_MAX else hashlib.sha256(text.encode()).hexdigest()


def _text(name: str, argument: str, value: Any) -> str:
    def other(part: Any) -> Any:
        text = _TEXTS.get(type(part))
        if text is None:
            kind = type(part).__name__
            raise TypeError(f"{name} needs key=…: its argument {argument} is, or holds, a {kind}")
        return {type(part).__name__: text(part)}

    try:
        return json.dumps(value, default=other, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    except (RecursionError, ValueError):
        raise TypeError(f"{name} needs key=…: its argument {argument} holds itself, or is nested too deep") from None
