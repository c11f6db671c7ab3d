"""Source runs by age: those of long ago go (R-064)."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("market", "0006_money_and_comp_days")]

    operations = [
        AddIndexConcurrently(
            model_name="sourcerun", index=models.Index(fields=["started_at"], name="market_sourcerun_started")
        ),
    ]
