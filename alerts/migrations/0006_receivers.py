"""The admin's page of receivers shows all of them, paused or not: it is called so."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ("alerts", "0005_what_digests_tell"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="receiverpause",
            options={"verbose_name": "receiver"},
        ),
    ]
