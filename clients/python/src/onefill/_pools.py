"""Connections of a fill's own: the same server and rights as the client's, but parked reads hold up nobody else.

A lease belongs to a connection, so whoever leads keeps its one until it has answered; a pool of its own also leaves
the client's for its own work. The client's way of trying again is not taken over: it can take a minute, where a fill
has `retries` and `timeout`.
"""

from __future__ import annotations

from typing import Any, Dict

import redis

# Where the client sets no reply time-out: a server that hangs must not hang its callers.
_REPLY_TIMEOUT_S = 5.0
# More at once wait for one to come free.
_CONNECTIONS_MAX = 1000

# What belongs to the client's own pool, by name or by the beginning of the name.
_NOT_TAKEN = ("maint_", "orig_", "oss_", "cache", "event_dispatcher", "himport_registry", "retry")


def taken_from(pool: Any) -> Dict[str, Any]:
    """The settings of a client's pool for one of a fill's own, which speaks RESP2 and returns bytes."""
    settings: Dict[str, Any] = {
        name: value for name, value in pool.connection_kwargs.items() if not name.startswith(_NOT_TAKEN)
    }
    settings["socket_timeout"] = settings.get("socket_timeout") or _REPLY_TIMEOUT_S
    settings["socket_connect_timeout"] = settings.get("socket_connect_timeout") or settings["socket_timeout"]
    return {
        **settings,
        "protocol": 2,
        "decode_responses": False,
        "connection_class": pool.connection_class,
        "max_connections": min(pool.max_connections, _CONNECTIONS_MAX),
        # How long to wait for a connection of the pool, s.
        "timeout": settings["socket_timeout"],
    }


def wait_most_s(pool: Any) -> float:
    """The longest that a request may be parked: the reply must come well before the time-out."""
    return float(pool.connection_kwargs["socket_timeout"]) / 2


def get_connection(pool: Any) -> Any:
    """Takes a connection (or an awaitable of one). Older versions want the command's name, newer ones warn of it."""
    return pool.get_connection("FILL.GET") if redis.VERSION < (5, 3) else pool.get_connection()
