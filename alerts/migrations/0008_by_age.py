"""Deliveries of no single alert and episodes that are over, by age: those of long ago go (R-064)."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("alerts", "0007_closed_by_plan")]

    operations = [
        AddIndexConcurrently(
            model_name="alertdelivery",
            index=models.Index(fields=["created_at"], condition=models.Q(log=None), name="alerts_delivery_of_no_log"),
        ),
        AddIndexConcurrently(
            model_name="episode",
            index=models.Index(
                fields=["resolved_at"], condition=models.Q(state="resolved"), name="alerts_episode_resolved"
            ),
        ),
    ]
