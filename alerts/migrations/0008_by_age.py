# squawk: leaves out prefer-robust-stmts,ban-concurrent-index-creation-in-transaction: no transaction, dropped before
"""Deliveries of no single alert and episodes that are over, by age: those of long ago go (R-064)."""

from django.db import migrations, models

from gpuadvisor.core.indexes import AddIndexInUse


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("alerts", "0007_closed_by_plan")]

    operations = [
        AddIndexInUse(
            model_name="alertdelivery",
            index=models.Index(fields=["created_at"], condition=models.Q(log=None), name="alerts_delivery_of_no_log"),
        ),
        AddIndexInUse(
            model_name="episode",
            index=models.Index(
                fields=["resolved_at"], condition=models.Q(state="resolved"), name="alerts_episode_resolved"
            ),
        ),
    ]
