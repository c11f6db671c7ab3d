"""Mails, and troubles that are over, by age: those of long ago go (R-064)."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("core", "0002_jobs_and_incidents")]

    operations = [
        AddIndexConcurrently(
            model_name="queuedmail", index=models.Index(fields=["created_at"], name="core_mail_created")
        ),
        AddIndexConcurrently(
            model_name="incident", index=models.Index(fields=["ended_at"], name="core_incident_ended")
        ),
    ]
