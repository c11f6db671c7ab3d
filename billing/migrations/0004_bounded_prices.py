# squawk: leaves out constraint-missing-not-valid: the table came with the migration before last and is empty or small.
"""A price of a change is 0 or more, and never NaN."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0003_grants'),
    ]

    operations = [
        migrations.AddConstraint(
            model_name='planchange',
            constraint=models.CheckConstraint(condition=models.Q(('price_before__range', (0, 1000000))), name='billing_planchange_price_before_range', violation_error_message='A price is 0 or more.'),
        ),
        migrations.AddConstraint(
            model_name='planchange',
            constraint=models.CheckConstraint(condition=models.Q(('price_after__range', (0, 1000000))), name='billing_planchange_price_after_range', violation_error_message='A price is 0 or more.'),
        ),
    ]
