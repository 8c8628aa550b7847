"""Checked by mypy, not run: what users write passes, and what is wrong does not."""

from __future__ import annotations

from typing import Dict, List, Optional

import onefill
import redis
import redis.asyncio

fill = onefill.Fill(redis.Redis(), prefix="shop:", ttl=60, grace=30, serializer="json")
tasks = onefill.AsyncFill(redis.asyncio.Redis(), negative_ttl=None, ttl=lambda user: 60.0)


def load(user_id: int) -> Optional[str]:
    return str(user_id)


def load_many(user_ids: List[str]) -> Dict[str, str]:
    return dict.fromkeys(user_ids, "")


async def loaded() -> str:
    return ""


@fill.cached(ttl=60)
def user(user_id: int) -> Optional[str]:
    return str(user_id)


@tasks.cached(key="user:{user_id}")
async def awaited(user_id: int) -> str:
    return str(user_id)


async def use() -> None:
    name: Optional[str] = fill.get("user:7", lambda: load(7), on_error="raise")
    names: Dict[str, Optional[str]] = fill.get_many(["user:7"], load_many)
    name = await tasks.get("user:7", loaded)
    name = user(7)
    text: str = await awaited(7)
    gone: bool = fill.invalidate("user:7") or fill.stale(b"user:7")
    seconds: float = onefill.FillFailed("down", 1).retry_after
    fill.get("user:7", lambda: load(7), tll=60)  # type: ignore[call-arg]
    fill.get("user:7", lambda: load(7), ttl="60")  # type: ignore[arg-type]
    user("7")  # type: ignore[arg-type]
    text = fill.get("user:7", lambda: load(7))  # type: ignore[assignment]
    print(name, names, text, gone, seconds, user.key(7), user.invalidate(7))
