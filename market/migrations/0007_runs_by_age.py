# squawk: leaves out prefer-robust-stmts,ban-concurrent-index-creation-in-transaction: no transaction, dropped before
"""Source runs by age: those of long ago go (R-064)."""

from django.db import migrations, models

from gpuadvisor.core.indexes import AddIndexInUse


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("market", "0006_money_and_comp_days")]

    operations = [
        AddIndexInUse(
            model_name="sourcerun", index=models.Index(fields=["started_at"], name="market_sourcerun_started")
        ),
    ]
