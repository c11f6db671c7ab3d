"""Where a visit to the Billing Portal opens."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0008_reconciling")]

    operations = [
        migrations.AddField(
            model_name="visit",
            name="flow",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="Where the Portal opens: card or cancel.",
                max_length=10,
            ),
        ),
    ]
