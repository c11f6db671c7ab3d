"""The right to look at the site as a host; no table changes."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("operations", "0001_initial")]

    operations = [
        migrations.AlterModelOptions(
            name="impersonation",
            options={"permissions": [("impersonate", "Can look at the site as a host, reading only")]},
        ),
    ]
