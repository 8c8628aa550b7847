"""How values become bytes: a table of names, and any object with `encode` and `decode`.

What the leader of a fill gets is decoded from what it encoded, so that it sees what all others see.
"""

from __future__ import annotations

import json
import pickle
from typing import Any, Callable, Dict, NamedTuple, Union


class Codec(NamedTuple):
    """A pair of functions. `encode` returns bytes, `decode` takes them; either may raise."""

    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def _as_bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"a value of {type(value).__name__} needs a codec: codec=\"json\" or one of your own")


def _as_json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


CODECS: Dict[str, Codec] = {
    "bytes": Codec(_as_bytes, bytes),
    "text": Codec(_as_bytes, bytes.decode),
    "json": Codec(_as_json, json.loads),
    # Never the default: who can write to the cache can run code in whoever unpickles from it.
    "pickle": Codec(pickle.dumps, pickle.loads),
}


def codec_of(codec: Union[str, Any]) -> Any:
    """The codec of this name, or the object itself.

    Raises ValueError where it is neither a known name nor has `encode` and `decode`.
    """
    if isinstance(codec, str) and codec in CODECS:
        return CODECS[codec]
    if callable(getattr(codec, "encode", None)) and callable(getattr(codec, "decode", None)):
        if not isinstance(codec, str):
            return codec
    raise ValueError(f"codec is one of {', '.join(CODECS)}, or has encode and decode: {codec!r}")
