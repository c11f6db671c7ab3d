"""R-054: the newest hundred messages of a user's conversations, out of ten million; run only where it is asked for."""

from __future__ import annotations

import statistics

from django.core.management import call_command
from django.db import connection
from tqdm import tqdm

from .measure import Row, milliseconds, summary

DATABASE = "bench_chat"
MESSAGES = 10_000_000
PER_CONVERSATION = 100
PER_USER = 20  # conversations
SLICE = 500  # users at a time
SAMPLE = 200  # users asked
LIMIT = 50.0  # ms, the median

USERS = """
insert into users (id, email, password_hash, name, timezone, language, preferences, subscription_tier, created_at,
                   updated_at, email_verified, is_active, is_staff, is_superuser, is_demo, session_epoch)
select uuidv7(), 'talker' || n || '@example.com', '!', 'Talker ' || n, 'UTC', 'en-us', '{}', 'professional', now(),
       now(), true, true, false, false, false, 0
from generate_series(%(first)s, %(last)s) n;

insert into conversations (id, user_id, title, context_summary, user_preferences, message_count, started_at,
                           last_message_at, is_archived)
select uuidv7(), u.id, 'Talk ' || n, '{"text": "They asked about prices."}', '{}', %(messages)s / 2, now(),
       now() - random() * interval '90 days', n %% 10 = 0
from users u cross join generate_series(1, %(talks)s) n
where u.email = any(array(select 'talker' || m || '@example.com' from generate_series(%(first)s, %(last)s) m));

insert into messages (id, conversation_id, role, content, metadata, token_count, processing_cost, created_at,
                      is_deleted)
select uuidv7(), c.id, case when n %% 2 = 1 then 'user' else 'assistant' end,
       repeat('Some words on the price of a GPU. ', 5), '{}', 40, 0, c.last_message_at - n * interval '1 minute', false
from conversations c join users u on u.id = c.user_id cross join generate_series(1, %(messages)s) n
where u.email = any(array(select 'talker' || m || '@example.com' from generate_series(%(first)s, %(last)s) m));
"""


def fill(messages: int) -> None:
    """Conversations and messages in the present database; skipped where they stand already. Triggers are off."""
    call_command("migrate", verbosity=0)
    users = messages // PER_CONVERSATION // PER_USER
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from users where email like 'talker%%'")
        (held,) = cursor.fetchone()
        if held >= users:
            return
        cursor.execute("set session_replication_role = replica")
        for first in tqdm(range(held + 1, users + 1, SLICE), unit="slice", desc=f"{messages:,} messages", disable=None):
            last = min(first + SLICE - 1, users)
            wanted = {"first": first, "last": last, "talks": PER_USER, "messages": PER_CONVERSATION}
            cursor.execute(USERS, wanted)
        cursor.execute("set session_replication_role = origin")
    for table in ("users", "conversations", "messages"):
        with connection.cursor() as cursor:
            cursor.execute(f"vacuum analyze {table}")


def recent_context(messages: int = MESSAGES) -> Row:
    """Its plan and its time over many users, each asked for the first time."""
    from chat.context import recent_context as query
    from gpuadvisor.accounts.models import User

    fill(messages)
    plan = query(User.objects.filter(email__startswith="talker").order_by("email")[0]).explain(
        analyze=True, buffers=True
    )
    print(plan)  # noqa: T201 (a program's output)
    people = list(User.objects.filter(email__startswith="talker").order_by("?")[:SAMPLE])
    times = [milliseconds(lambda user=user: list(query(user))) for user in people]  # type: ignore[misc]
    median = statistics.median(times)
    has_scan = "Seq Scan" in plan
    note = f"{summary(times)}; {'a scan' if has_scan else 'no scan'} in its plan"
    what = f"context of a conversation, {messages:,} messages"
    return Row(
        "R-054", what, median, LIMIT, median / LIMIT, "ms", "< 50 ms, no scan", median < LIMIT and not has_scan, note
    )
