"""Exports that are over, by age: those of long ago go (R-064)."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("operations", "0002_impersonate")]

    operations = [
        AddIndexConcurrently(
            model_name="export",
            index=models.Index(
                fields=["asked_at"],
                condition=models.Q(state__in=["failed", "expired"]),
                name="operations_export_over",
            ),
        ),
    ]
