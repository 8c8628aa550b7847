"""Settings for Django's own tests of caches, which then run on `onefill.django.FillCache` where they test Redis."""

import os

from django.core.cache.backends import redis

import onefill.django

# The tests find their backend by this name.
redis.RedisCache = onefill.django.FillCache
LOCATION = f"redis://127.0.0.1:{os.environ['REDIS_PORT']}"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": LOCATION}}
DATABASES = {name: {"ENGINE": "django.db.backends.sqlite3"} for name in ("default", "other")}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
SECRET_KEY = "secret"
USE_TZ = False
