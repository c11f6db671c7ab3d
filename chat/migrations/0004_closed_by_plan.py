"""Conversations that a smaller plan has no room for are read-only (R-033)."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("chat", "0003_conversation_restored_at"),
    ]

    operations = [
        migrations.AddField(
            model_name="conversation",
            name="closed_by_plan_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="Read-only since then: the plan has no room for it (R-033).",
                null=True,
            ),
        ),
    ]
