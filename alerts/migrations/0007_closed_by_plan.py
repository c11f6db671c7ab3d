"""Rules that a smaller plan has no room for are paused by it (R-033)."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("alerts", "0006_receivers"),
    ]

    operations = [
        migrations.AddField(
            model_name="alert",
            name="closed_by_plan_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="Paused since then: the plan has no room for it (R-033).",
                null=True,
            ),
        ),
    ]
