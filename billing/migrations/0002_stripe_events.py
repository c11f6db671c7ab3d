# squawk: leaves out constraint-missing-not-valid,adding-foreign-key-constraint: one small row a user, and two new tables
"""What Stripe tells, kept and worked off, and how plans changed."""


import django.db.models.deletion
import gpuadvisor.core.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='PlanChange',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('before', models.CharField(choices=[('free', 'Free'), ('individual', 'Individual'), ('professional', 'Professional'), ('enterprise', 'Enterprise')], max_length=20)),
                ('after', models.CharField(choices=[('free', 'Free'), ('individual', 'Individual'), ('professional', 'Professional'), ('enterprise', 'Enterprise')], max_length=20)),
                ('price_before', models.DecimalField(decimal_places=2, max_digits=10)),
                ('price_after', models.DecimalField(decimal_places=2, max_digits=10)),
                ('source', models.CharField(choices=[('stripe', 'Stripe'), ('staff', 'Staff'), ('program', 'Program')], max_length=10)),
                ('at', models.DateTimeField()),
            ],
            options={
                'verbose_name': 'change of plan',
                'verbose_name_plural': 'changes of plans',
                'db_table': 'plan_changes',
            },
        ),
        migrations.CreateModel(
            name='StripeEvent',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('event_id', models.CharField(max_length=255, unique=True)),
                ('kind', models.CharField(max_length=100)),
                ('livemode', models.BooleanField()),
                ('account', models.CharField(blank=True, max_length=255)),
                ('customer', models.CharField(blank=True, help_text='The events of one customer are handled in turn.', max_length=255)),
                ('payload', models.JSONField()),
                ('state', models.CharField(choices=[('due', 'Due'), ('done', 'Done'), ('dead', 'Given up')], default='due', max_length=10)),
                ('attempts', models.PositiveIntegerField(default=0)),
                ('next_at', models.DateTimeField()),
                ('lease', models.UUIDField(blank=True, null=True)),
                ('lease_until', models.DateTimeField(blank=True, null=True)),
                ('last_error', models.CharField(blank=True, max_length=300)),
                ('received_at', models.DateTimeField()),
                ('done_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'Stripe event',
                'verbose_name_plural': 'Stripe events',
                'db_table': 'stripe_events',
            },
        ),
        migrations.AddField(
            model_name='subscription',
            name='cancel_at',
            field=models.DateTimeField(blank=True, help_text='When a plan that was cancelled ends.', null=True),
        ),
        migrations.AddField(
            model_name='subscription',
            name='interval',
            field=models.CharField(blank=True, choices=[('', 'Never'), ('month', 'Monthly'), ('year', 'Yearly')], db_default='', default='', max_length=10),
        ),
        migrations.AddField(
            model_name='subscription',
            name='paid_tier',
            field=models.CharField(choices=[('free', 'Free'), ('individual', 'Individual'), ('professional', 'Professional'), ('enterprise', 'Enterprise')], db_default='free', default='free', help_text="What Stripe's subscription gives now.", max_length=20),
        ),
        migrations.AddField(
            model_name='subscription',
            name='synced_at',
            field=models.DateTimeField(blank=True, help_text="When Stripe's side was last written here.", null=True),
        ),
        migrations.AddConstraint(
            model_name='subscription',
            constraint=models.CheckConstraint(condition=models.Q(('paid_tier__in', ['free', 'individual', 'professional', 'enterprise'])), name='billing_subscription_paid_tier_known', violation_error_message='Choose one of the plans.'),
        ),
        migrations.AddConstraint(
            model_name='subscription',
            constraint=models.CheckConstraint(condition=models.Q(('interval__in', ['', 'month', 'year'])), name='billing_subscription_interval_known', violation_error_message='A month or a year.'),
        ),
        migrations.AddField(
            model_name='planchange',
            name='user',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddIndex(
            model_name='stripeevent',
            index=models.Index(condition=models.Q(('state', 'due')), fields=['next_at'], name='billing_event_due'),
        ),
        migrations.AddIndex(
            model_name='stripeevent',
            index=models.Index(condition=models.Q(('state', 'due')), fields=['customer'], name='billing_event_due_customer'),
        ),
        migrations.AddIndex(
            model_name='stripeevent',
            index=models.Index(fields=['received_at'], name='billing_event_received'),
        ),
        migrations.AddConstraint(
            model_name='stripeevent',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['due', 'done', 'dead'])), name='billing_event_state_known', violation_error_message='Choose one of the states.'),
        ),
        migrations.AddIndex(
            model_name='planchange',
            index=models.Index(fields=['at'], name='billing_planchange_at'),
        ),
        migrations.AddConstraint(
            model_name='planchange',
            constraint=models.CheckConstraint(condition=models.Q(('before__in', ['free', 'individual', 'professional', 'enterprise'])), name='billing_planchange_before_known', violation_error_message='Choose one of the plans.'),
        ),
        migrations.AddConstraint(
            model_name='planchange',
            constraint=models.CheckConstraint(condition=models.Q(('after__in', ['free', 'individual', 'professional', 'enterprise'])), name='billing_planchange_after_known', violation_error_message='Choose one of the plans.'),
        ),
        migrations.AddConstraint(
            model_name='planchange',
            constraint=models.CheckConstraint(condition=models.Q(('source__in', ['stripe', 'staff', 'program'])), name='billing_planchange_source_known', violation_error_message='Choose a source.'),
        ),
    ]
