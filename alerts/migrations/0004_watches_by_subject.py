"""Watches by what they watch: prices ask for those of a market series."""
# squawk: leaves out require-concurrent-index-creation: a row stands only while a condition holds, so the table is small

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("alerts", "0003_due_by_user"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="watch",
            index=models.Index(fields=["subject"], name="alerts_watch_of_subject"),
        ),
        migrations.RunSQL(
            "alter table alert_marks set (fillfactor = 50)",  # each row moves on with every merge, within its page
            "alter table alert_marks reset (fillfactor)",
        ),
    ]
