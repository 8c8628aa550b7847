"""How values become bytes: a table of names, and any object with `encode` and `decode`.

What the leader of a fill gets is decoded from what it encoded, so that it sees what all others see.
"""

from __future__ import annotations

import functools
import importlib
import json
import pickle
from typing import Any, Callable, Dict, NamedTuple, Union


class Serializer(NamedTuple):
    """A pair of functions. `encode` returns bytes, `decode` takes them; either may raise."""

    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def _as_bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"a value of {type(value).__name__} needs another serializer, such as \"json\"")


def _as_json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _msgpack() -> Serializer:
    # Here and not above: it is there only where somebody wants it (`pip install onefill[msgpack]`).
    msgpack: Any = importlib.import_module("msgpack")
    # What can be packed can be unpacked: dictionaries by number, too.
    return Serializer(msgpack.packb, functools.partial(msgpack.unpackb, strict_map_key=False))


SERIALIZERS: Dict[str, Callable[[], Serializer]] = {
    "bytes": lambda: Serializer(_as_bytes, bytes),
    "str": lambda: Serializer(_as_bytes, bytes.decode),
    "json": lambda: Serializer(_as_json, json.loads),
    "msgpack": _msgpack,
    # Never the default: who can write to the cache can run code in whoever unpickles from it.
    "pickle": lambda: Serializer(pickle.dumps, pickle.loads),
}


def serializer_of(serializer: Union[str, Any]) -> Any:
    """The serializer of this name, or the object itself.

    Raises ValueError where it is neither a known name nor has `encode` and `decode`, ImportError for one whose package
    is not installed.
    """
    if isinstance(serializer, str) and serializer in SERIALIZERS:
        return SERIALIZERS[serializer]()
    if callable(getattr(serializer, "encode", None)) and callable(getattr(serializer, "decode", None)):
        if not isinstance(serializer, str):
            return serializer
    raise ValueError(f"serializer is one of {', '.join(SERIALIZERS)}, or has encode and decode: {serializer!r}")
