# squawk: leaves out prefer-robust-stmts,ban-concurrent-index-creation-in-transaction: no transaction, dropped before
"""Exports that are over, by age: those of long ago go (R-064)."""

from django.db import migrations, models

from gpuadvisor.core.indexes import AddIndexInUse


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("operations", "0002_impersonate")]

    operations = [
        AddIndexInUse(
            model_name="export",
            index=models.Index(
                fields=["asked_at"],
                condition=models.Q(state__in=["failed", "expired"]),
                name="operations_export_over",
            ),
        ),
    ]
