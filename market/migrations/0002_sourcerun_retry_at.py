from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("market", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="sourcerun",
            name="retry_at",
            field=models.DateTimeField(
                blank=True, help_text="When the source wants to be asked again, as it said itself.", null=True
            ),
        ),
    ]
