# squawk: leaves out prefer-robust-stmts,ban-concurrent-index-creation-in-transaction: no transaction, dropped before
"""Conversations in the order of their last message: those of long ago go (R-064)."""

from django.db import migrations, models
from django.db.models.functions import Coalesce

from gpuadvisor.core.indexes import AddIndexInUse


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("chat", "0004_closed_by_plan")]

    operations = [
        AddIndexInUse(
            model_name="conversation",
            index=models.Index(Coalesce("last_message_at", "started_at"), name="chat_conversation_silent"),
        ),
    ]
