"""Conversations in the order of their last message: those of long ago go (R-064)."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Coalesce


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("chat", "0004_closed_by_plan")]

    operations = [
        AddIndexConcurrently(
            model_name="conversation",
            index=models.Index(Coalesce("last_message_at", "started_at"), name="chat_conversation_silent"),
        ),
    ]
