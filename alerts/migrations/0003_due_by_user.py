# squawk: leaves out require-concurrent-index-creation: the table is new and empty

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("alerts", "0002_delivery"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name="alertdelivery",
            index=models.Index(
                condition=models.Q(("status", "pending")),
                fields=["user", "next_at"],
                name="alerts_delivery_due_of_user",
            ),
        ),
        migrations.AddIndex(
            model_name="alertdelivery",
            index=models.Index(
                condition=models.Q(("status", "pending")),
                fields=["channel", "id"],
                name="alerts_delivery_in_order",
            ),
        ),
    ]
