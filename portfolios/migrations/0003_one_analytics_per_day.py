"""One row of analytics per host, metric type and day; the index is built, and bounds
are checked, beside readers and writers."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models

NAME = "portfolios_analytics_one_per_day"

UNCHECKED = [
    "portfolios_metric_gpu_revenue_range",
    "portfolios_metric_storage_revenue_range",
    "portfolios_metric_bandwidth_revenue_range",
    "portfolios_metric_bonus_revenue_range",
    "portfolios_metric_hours_observed_range",
    "portfolios_metric_available_gpu_hours_range",
    "portfolios_metric_rented_gpu_hours_range",
    "portfolios_metric_energy_kwh_range",
]


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("portfolios", "0002_own_figures")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddConstraint(
                    model_name='analytics',
                    constraint=models.UniqueConstraint(fields=('user', 'metric_type', 'analysis_date'), name='portfolios_analytics_one_per_day'),
                ),
            ],
            database_operations=[
                migrations.RunSQL(
                    f"-- squawk-ignore ban-concurrent-index-creation-in-transaction\ncreate unique index concurrently if not exists {NAME} on analytics (user_id, metric_type, analysis_date)",
                    f"alter table analytics drop constraint if exists {NAME}",
                ),
                migrations.RunSQL(
                    f"alter table analytics add constraint {NAME} unique using index {NAME}",
                    migrations.RunSQL.noop,
                ),
            ],
        ),
        *(ValidateConstraint("performancemetric", name) for name in UNCHECKED),
    ]
