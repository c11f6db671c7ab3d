import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

import gpuadvisor.core.ids


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0007_notices"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="subscription",
            name="compared_at",
            field=models.DateTimeField(blank=True, help_text="When it was last found to be as at Stripe.", null=True),
        ),
        migrations.AddField(
            model_name="planchange",
            name="account",
            field=models.UUIDField(
                blank=True, help_text="The account's key, which stays when it is deleted.", null=True
            ),
        ),
        migrations.AlterModelOptions(
            name="planchange",
            options={
                "permissions": [("view_revenue", "Can view revenue")],
                "verbose_name": "change of plan",
                "verbose_name_plural": "changes of plans",
            },
        ),
        migrations.AddField(
            model_name="drift",
            name="seen_at",
            field=models.DateTimeField(blank=True, help_text="When it was last found to differ.", null=True),
        ),
        migrations.AddField(
            model_name="drift",
            name="left_at",
            field=models.DateTimeField(blank=True, help_text="When staff said that it may stay so.", null=True),
        ),
        migrations.CreateModel(
            name="Reconciliation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("begun_at", models.DateTimeField(verbose_name="begun")),
                ("ended_at", models.DateTimeField(blank=True, null=True, verbose_name="ended")),
                (
                    "phase",
                    models.CharField(
                        choices=[
                            ("customers", "Customers"),
                            ("subscriptions", "Subscriptions"),
                            ("rows", "Our own rows"),
                            ("invoices", "Invoices"),
                        ],
                        default="customers",
                        max_length=20,
                    ),
                ),
                ("cursor", models.CharField(blank=True, max_length=255)),
                ("compared", models.PositiveIntegerField(default=0)),
                ("found", models.PositiveIntegerField(default=0)),
                ("repaired", models.PositiveIntegerField(default=0)),
                ("mirrored", models.PositiveIntegerField(default=0)),
                (
                    "error",
                    models.CharField(blank=True, help_text="Why it stopped before its end.", max_length=300),
                ),
                ("lease", models.UUIDField(blank=True, null=True)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("mailed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="asked by",
                    ),
                ),
            ],
            options={
                "verbose_name": "comparison with Stripe",
                "verbose_name_plural": "comparisons with Stripe",
                "db_table": "stripe_reconciliations",
                "indexes": [models.Index(fields=["-begun_at"], name="billing_reconciliation_begun")],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(("phase__in", ["customers", "subscriptions", "rows", "invoices"])),
                        name="billing_reconciliation_phase_known",
                        violation_error_message="Choose one of the phases.",
                    )
                ],
            },
        ),
    ]
