# squawk: leaves out prefer-robust-stmts,ban-concurrent-index-creation-in-transaction: no transaction, dropped before
"""Mails, and troubles that are over, by age: those of long ago go (R-064)."""

from django.db import migrations, models

from gpuadvisor.core.indexes import AddIndexInUse


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("core", "0002_jobs_and_incidents")]

    operations = [
        AddIndexInUse(model_name="queuedmail", index=models.Index(fields=["created_at"], name="core_mail_created")),
        AddIndexInUse(model_name="incident", index=models.Index(fields=["ended_at"], name="core_incident_ended")),
    ]
