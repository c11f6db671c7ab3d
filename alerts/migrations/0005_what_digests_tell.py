"""Which entries of the log a digest tells, so that they stand as it does."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("alerts", "0004_watches_by_subject"),
    ]

    operations = [
        migrations.AddField(
            model_name="alertdelivery",
            name="tells",
            field=models.ManyToManyField(db_table="alert_deliveries_tell", related_name="digests", to="alerts.alertlog"),
        ),
    ]
