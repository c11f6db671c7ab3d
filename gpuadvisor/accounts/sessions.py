"""Sessions in Redis first, the database behind them (R-058).

Redis away: signed-in users stay signed in from the database, and an ended session stays ended, also after Redis is back
(integration notes: a stock `cached_db` answers 500 then, and revives ended sessions on a fail-soft cache).
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.backends import cached_db, db
from django.core.cache.backends.base import BaseCache
from django.db.models import F
from redis.exceptions import RedisError

SESSION_KEY_FORM = re.compile(r"[a-z0-9]{8,40}", re.ASCII)


def end_all_sessions_of(session_key: str) -> None:
    """Raise the session epoch of the user who owns `session_key`: its copy in Redis cannot be reached to be deleted."""
    user_id = db.SessionStore(session_key).load().get(SESSION_KEY)
    if user_id:
        get_user_model().objects.filter(pk=user_id).update(session_epoch=F("session_epoch") + 1)


class SessionStore(cached_db.SessionStore):
    _cache: BaseCache

    def __init__(self, session_key: str | None = None) -> None:
        """A cookie that no store of ours can have written is no session: PostgreSQL would choke on a NUL in it."""
        super().__init__(session_key if session_key and SESSION_KEY_FORM.fullmatch(session_key) else None)

    @classmethod
    def get_model_class(cls) -> Any:
        return db.SessionStore.get_model_class()

    def load(self) -> dict[str, Any]:
        try:
            return super().load()
        except RedisError:
            return db.SessionStore.load(self)

    def exists(self, session_key: str) -> bool:
        try:
            return super().exists(session_key)
        except RedisError:
            return db.SessionStore.exists(self, session_key)

    def save(self, must_create: bool = False) -> None:
        db.SessionStore.save(self, must_create)
        with suppress(RedisError):  # the row stands: only the copy is missing then
            self._cache.set(self.cache_key, self._session, self.get_expiry_age())  # type: ignore[attr-defined]

    def delete(self, session_key: str | None = None) -> None:
        if key := session_key or self.session_key:
            try:
                self._cache.delete(self.cache_key_prefix + key)
            except RedisError:
                end_all_sessions_of(key)
            db.SessionStore.delete(self, key)
