# squawk: leaves out adding-foreign-key-constraint,adding-required-field,disallowed-unique-constraint,require-concurrent-index-creation: the tables are new and empty, and nothing wrote alerts or their logs before

import django.db.models.deletion
import gpuadvisor.core.ids
import gpuadvisor.core.validators
from decimal import Decimal
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('alerts', '0001_initial'),
        ('portfolios', '0005_maintenance_windows'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='EpisodeEvent',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=20)),
                ('text', models.CharField(max_length=300)),
                ('data', models.JSONField(blank=True, default=dict)),
                ('at', models.DateTimeField()),
            ],
            options={
                'db_table': 'alert_episode_events',
            },
        ),
        migrations.CreateModel(
            name='HostEvent',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('platform', models.SlugField(max_length=40)),
                ('event_id', models.CharField(max_length=120)),
                ('kind', models.CharField(max_length=60)),
                ('machine', models.CharField(blank=True, max_length=120)),
                ('data', models.JSONField(blank=True, default=dict)),
                ('happened_at', models.DateTimeField()),
                ('received_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'alert_host_events',
            },
        ),
        migrations.CreateModel(
            name='Inbox',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('platform', models.SlugField(max_length=40)),
                ('token', models.CharField(editable=False, help_text="SHA-256 of the address's end.", max_length=64, unique=True)),
                ('sealed_token', models.BinaryField(blank=True, help_text='The end itself, to show the address again.')),
                ('secret', models.BinaryField(blank=True, default=b'')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('last_event_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'verbose_name_plural': 'inboxes',
                'db_table': 'alert_inboxes',
            },
        ),
        migrations.CreateModel(
            name='Mark',
            fields=[
                ('subject', models.CharField(max_length=120, primary_key=True, serialize=False)),
                ('seen_until', models.DateTimeField()),
            ],
            options={
                'db_table': 'alert_marks',
            },
        ),
        migrations.CreateModel(
            name='QuietHours',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('starts', models.TimeField(help_text='In your time zone.')),
                ('ends', models.TimeField(help_text='Earlier than the start: on the next day.')),
                ('passes', models.CharField(choices=[('info', 'Information'), ('warning', 'Warning'), ('critical', 'Critical')], default='critical', max_length=10)),
            ],
            options={
                'verbose_name_plural': 'quiet hours',
                'db_table': 'alert_quiet_hours',
            },
        ),
        migrations.CreateModel(
            name='ReceiverPause',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('receiver', models.CharField(max_length=253, unique=True)),
                ('until', models.DateTimeField(blank=True, help_text='Empty: until it is deleted.', null=True)),
                ('note', models.CharField(blank=True, max_length=200)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'verbose_name': 'paused receiver',
                'db_table': 'alert_receiver_pauses',
            },
        ),
        migrations.CreateModel(
            name='Throttle',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('alert_type', models.CharField(choices=[('utilization_drop', 'Utilization drop'), ('pricing_change', 'Price change'), ('optimization_opportunity', 'Optimization opportunity')], max_length=30)),
                ('last_sent', models.DateTimeField()),
            ],
            options={
                'db_table': 'alert_throttles',
            },
        ),
        migrations.CreateModel(
            name='Watch',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('subject', models.CharField(max_length=120)),
                ('true_since', models.DateTimeField()),
                ('held_minutes', models.PositiveIntegerField(default=0, help_text='Observed, until it was told.')),
                ('value', models.DecimalField(blank=True, decimal_places=4, max_digits=14, null=True)),
                ('limit', models.DecimalField(blank=True, decimal_places=4, max_digits=14, null=True)),
                ('money_per_day', models.DecimalField(blank=True, decimal_places=2, max_digits=12, null=True)),
                ('seen_at', models.DateTimeField()),
            ],
            options={
                'verbose_name_plural': 'watches',
                'db_table': 'alert_watches',
            },
        ),
        migrations.AddField(
            model_name='alert',
            name='off_reason',
            field=models.CharField(blank=True, help_text='Why it went off by itself, if it did.', max_length=40),
        ),
        migrations.AddField(
            model_name='alert',
            name='snoozed_until',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='alertlog',
            name='folded_into',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='folded', to='alerts.alertlog'),
        ),
        migrations.AddField(
            model_name='alertlog',
            name='kind',
            field=models.CharField(choices=[('opened', 'Begun'), ('reminder', 'Reminder'), ('resolved', 'Resolved')], db_default='opened', default='opened', max_length=10),
        ),
        migrations.AddField(
            model_name='alertlog',
            name='severity',
            field=models.CharField(choices=[('info', 'Information'), ('warning', 'Warning'), ('critical', 'Critical')], db_default='warning', default='warning', max_length=10),
        ),
        migrations.AddField(
            model_name='alertlog',
            name='suppressed_by',
            field=models.CharField(blank=True, choices=[('throttle', 'Told of this kind less than 4 hours ago'), ('snooze', 'Snoozed'), ('window', 'Maintenance window'), ('quiet', 'Quiet hours'), ('digest', 'Waits for the digest'), ('severity', 'No channel takes this severity'), ('channels', 'No channel is open')], db_default='', default='', max_length=10),
        ),
        migrations.CreateModel(
            name='Channel',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('kind', models.SlugField(max_length=20)),
                ('name', models.CharField(max_length=60, validators=[gpuadvisor.core.validators.visible_text])),
                ('address', models.BinaryField(blank=True)),
                ('digest_of_address', models.CharField(editable=False, help_text='SHA-256: one row per address.', max_length=64)),
                ('hint', models.CharField(max_length=120)),
                ('receiver', models.CharField(editable=False, help_text='Host name: what staff can pause.', max_length=253)),
                ('secret', models.BinaryField(blank=True, default=b'')),
                ('old_secret', models.BinaryField(blank=True, default=b'')),
                ('old_secret_until', models.DateTimeField(blank=True, null=True)),
                ('least_severity', models.CharField(choices=[('info', 'Information'), ('warning', 'Warning'), ('critical', 'Critical')], default='info', max_length=10)),
                ('digest', models.CharField(choices=[('off', 'At once'), ('daily', 'Once a day'), ('weekly', 'Once a week')], default='off', max_length=10)),
                ('digest_sent_at', models.DateTimeField(blank=True, null=True)),
                ('state', models.CharField(choices=[('active', 'Active'), ('paused', 'Paused by you'), ('failed', 'Paused after failures')], default='active', max_length=10)),
                ('failures_in_row', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('last_success_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('last_failure_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('last_error', models.CharField(blank=True, editable=False, max_length=200)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='alert_channels', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'channel',
                'db_table': 'alert_channels',
            },
        ),
        migrations.CreateModel(
            name='AlertDelivery',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('purpose', models.CharField(choices=[('alert', 'Alert'), ('digest', 'Digest'), ('summary', 'Summary of many'), ('test', 'Test')], default='alert', max_length=10)),
                ('payload', models.JSONField(default=dict)),
                ('status', models.CharField(choices=[('pending', 'Pending'), ('delivered', 'Delivered'), ('dead', 'Given up'), ('cancelled', 'Cancelled')], default='pending', max_length=10)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('next_at', models.DateTimeField()),
                ('lease', models.UUIDField(blank=True, null=True)),
                ('lease_until', models.DateTimeField(blank=True, null=True)),
                ('last_error', models.CharField(blank=True, max_length=200)),
                ('created_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('log', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='alerts.alertlog')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('channel', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='alerts.channel')),
            ],
            options={
                'verbose_name': 'delivery',
                'verbose_name_plural': 'deliveries',
                'db_table': 'alert_deliveries',
            },
        ),
        migrations.AddField(
            model_name='alert',
            name='channels',
            field=models.ManyToManyField(blank=True, db_table='alerts_channels', related_name='alerts', to='alerts.channel'),
        ),
        migrations.CreateModel(
            name='DeliveryAttempt',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('number', models.PositiveSmallIntegerField()),
                ('at', models.DateTimeField()),
                ('seconds', models.DecimalField(decimal_places=3, max_digits=6)),
                ('status_code', models.PositiveSmallIntegerField(blank=True, null=True)),
                ('error', models.CharField(blank=True, max_length=200)),
                ('answer', models.CharField(blank=True, max_length=500)),
                ('delivery', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='tries', to='alerts.alertdelivery')),
            ],
            options={
                'verbose_name': 'attempt',
                'db_table': 'alert_delivery_attempts',
            },
        ),
        migrations.CreateModel(
            name='Episode',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('state', models.CharField(choices=[('open', 'Open'), ('resolved', 'Resolved')], default='open', max_length=10)),
                ('severity', models.CharField(choices=[('info', 'Information'), ('warning', 'Warning'), ('critical', 'Critical')], default='warning', max_length=10)),
                ('cause', models.CharField(choices=[('platform', 'The platform'), ('source', 'No fresh figures'), ('machine', 'Your machine'), ('market', 'The market'), ('unknown', 'Not known')], default='unknown', max_length=10)),
                ('cause_key', models.CharField(blank=True, max_length=80)),
                ('title', models.CharField(max_length=200)),
                ('facts', models.JSONField(blank=True, default=dict)),
                ('split', models.JSONField(blank=True, default=dict)),
                ('money_per_day', models.DecimalField(blank=True, decimal_places=2, max_digits=12, null=True)),
                ('opened_at', models.DateTimeField()),
                ('last_seen_at', models.DateTimeField()),
                ('reminded_at', models.DateTimeField(blank=True, null=True)),
                ('resolved_at', models.DateTimeField(blank=True, null=True)),
                ('snoozed_until', models.DateTimeField(blank=True, null=True)),
                ('acted_at', models.DateTimeField(blank=True, null=True)),
                ('acted_how', models.CharField(blank=True, max_length=40)),
                ('alert', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='episodes', to='alerts.alert')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'episode',
                'db_table': 'alert_episodes',
            },
        ),
        migrations.AddField(
            model_name='alertlog',
            name='episode',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='logs', to='alerts.episode'),
        ),
        migrations.AddIndex(
            model_name='alertlog',
            index=models.Index(condition=models.Q(('delivery_status', 'suppressed'), ('folded_into', None)), fields=['alert'], name='alerts_alertlog_to_fold'),
        ),
        migrations.AddIndex(
            model_name='alertlog',
            index=models.Index(fields=['episode'], name='alerts_alertlog_of_episode'),
        ),
        migrations.AddField(
            model_name='episodeevent',
            name='episode',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='events', to='alerts.episode'),
        ),
        migrations.AddField(
            model_name='hostevent',
            name='gpu_configuration',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='portfolios.gpuconfiguration'),
        ),
        migrations.AddField(
            model_name='hostevent',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='inbox',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='quiethours',
            name='user',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='throttle',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='watch',
            name='alert',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='watches', to='alerts.alert'),
        ),
        migrations.AddField(
            model_name='watch',
            name='episode',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='watches', to='alerts.episode'),
        ),
        migrations.AddIndex(
            model_name='channel',
            index=models.Index(fields=['receiver'], name='alerts_channel_receiver'),
        ),
        migrations.AddConstraint(
            model_name='channel',
            constraint=models.UniqueConstraint(fields=('user', 'kind', 'digest_of_address'), name='alerts_channel_one_per_address', violation_error_message='You have this address already.'),
        ),
        migrations.AddConstraint(
            model_name='channel',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['active', 'paused', 'failed'])), name='alerts_channel_state_known', violation_error_message='Choose one of the states.'),
        ),
        migrations.AddConstraint(
            model_name='channel',
            constraint=models.CheckConstraint(condition=models.Q(('digest__in', ['off', 'daily', 'weekly'])), name='alerts_channel_digest_known', violation_error_message='Choose how often.'),
        ),
        migrations.AddConstraint(
            model_name='channel',
            constraint=models.CheckConstraint(condition=models.Q(('least_severity__in', ['info', 'warning', 'critical'])), name='alerts_channel_least_severity_known', violation_error_message='Choose one of the severities.'),
        ),
        migrations.AddIndex(
            model_name='alertdelivery',
            index=models.Index(condition=models.Q(('status', 'pending')), fields=['next_at'], name='alerts_delivery_due'),
        ),
        migrations.AddIndex(
            model_name='alertdelivery',
            index=models.Index(fields=['channel', '-created_at'], name='alerts_delivery_of_channel'),
        ),
        migrations.AddIndex(
            model_name='alertdelivery',
            index=models.Index(fields=['user', '-created_at'], name='alerts_delivery_of_user'),
        ),
        migrations.AddIndex(
            model_name='alertdelivery',
            index=models.Index(condition=models.Q(('status', 'dead')), fields=['-created_at'], name='alerts_delivery_dead'),
        ),
        migrations.AddConstraint(
            model_name='alertdelivery',
            constraint=models.UniqueConstraint(condition=models.Q(('log__isnull', False)), fields=('log', 'channel'), name='alerts_delivery_one_per_channel'),
        ),
        migrations.AddConstraint(
            model_name='alertdelivery',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['pending', 'delivered', 'dead', 'cancelled'])), name='alerts_delivery_status_known', violation_error_message='Choose one of the states of a delivery.'),
        ),
        migrations.AddConstraint(
            model_name='alertdelivery',
            constraint=models.CheckConstraint(condition=models.Q(('purpose__in', ['alert', 'digest', 'summary', 'test'])), name='alerts_delivery_purpose_known', violation_error_message='Choose one of the purposes.'),
        ),
        migrations.AddIndex(
            model_name='deliveryattempt',
            index=models.Index(fields=['delivery', 'number'], name='alerts_attempt_order'),
        ),
        migrations.AddIndex(
            model_name='episode',
            index=models.Index(fields=['user', '-opened_at'], name='alerts_episode_recent'),
        ),
        migrations.AddIndex(
            model_name='episode',
            index=models.Index(fields=['alert', '-opened_at'], name='alerts_episode_of_alert'),
        ),
        migrations.AddIndex(
            model_name='episode',
            index=models.Index(condition=models.Q(('state', 'open')), fields=['user'], name='alerts_episode_open'),
        ),
        migrations.AddConstraint(
            model_name='episode',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'open')), fields=('alert', 'cause', 'cause_key'), name='alerts_episode_one_open'),
        ),
        migrations.AddConstraint(
            model_name='episode',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['open', 'resolved'])), name='alerts_episode_state_known', violation_error_message='Choose one of the states.'),
        ),
        migrations.AddConstraint(
            model_name='episode',
            constraint=models.CheckConstraint(condition=models.Q(('severity__in', ['info', 'warning', 'critical'])), name='alerts_episode_severity_known', violation_error_message='Choose one of the severities.'),
        ),
        migrations.AddConstraint(
            model_name='episode',
            constraint=models.CheckConstraint(condition=models.Q(('cause__in', ['platform', 'source', 'machine', 'market', 'unknown'])), name='alerts_episode_cause_known', violation_error_message='Choose one of the causes.'),
        ),
        migrations.AddConstraint(
            model_name='episode',
            constraint=models.CheckConstraint(condition=models.Q(('money_per_day__range', (Decimal('0'), Decimal('100000000')))), name='alerts_episode_money_per_day_range', violation_error_message='An amount is 0 or more.'),
        ),
        migrations.AddIndex(
            model_name='episodeevent',
            index=models.Index(fields=['episode', 'at'], name='alerts_event_order'),
        ),
        migrations.AddIndex(
            model_name='hostevent',
            index=models.Index(fields=['user', '-happened_at'], name='alerts_hostevent_recent'),
        ),
        migrations.AddConstraint(
            model_name='hostevent',
            constraint=models.UniqueConstraint(fields=('user', 'platform', 'event_id'), name='alerts_hostevent_once'),
        ),
        migrations.AddConstraint(
            model_name='inbox',
            constraint=models.UniqueConstraint(fields=('user', 'platform'), name='alerts_inbox_one_per_platform', violation_error_message='There is one already.'),
        ),
        migrations.AddConstraint(
            model_name='quiethours',
            constraint=models.CheckConstraint(condition=models.Q(('passes__in', ['info', 'warning', 'critical'])), name='alerts_quiethours_passes_known', violation_error_message='Choose one of the severities.'),
        ),
        migrations.AddConstraint(
            model_name='throttle',
            constraint=models.UniqueConstraint(fields=('user', 'alert_type'), name='alerts_throttle_one_per_type'),
        ),
        migrations.AddConstraint(
            model_name='throttle',
            constraint=models.CheckConstraint(condition=models.Q(('alert_type__in', ['utilization_drop', 'pricing_change', 'optimization_opportunity'])), name='alerts_throttle_alert_type_known', violation_error_message='Choose one of the kinds of alert.'),
        ),
        migrations.AddConstraint(
            model_name='watch',
            constraint=models.UniqueConstraint(fields=('alert', 'subject'), name='alerts_watch_one_per_subject'),
        ),
        migrations.AddConstraint(
            model_name='deliveryattempt',
            constraint=models.CheckConstraint(condition=models.Q(('seconds__range', (0, 900))), name='alerts_attempt_seconds_range', violation_error_message='An attempt takes 0 seconds or more.'),
        ),
        migrations.AddConstraint(
            model_name='watch',
            constraint=models.CheckConstraint(condition=models.Q(('value__range', (Decimal('-100000000'), Decimal('100000000')))), name='alerts_watch_value_range', violation_error_message='A figure is a number.'),
        ),
        migrations.AddConstraint(
            model_name='watch',
            constraint=models.CheckConstraint(condition=models.Q(('limit__range', (Decimal('-100000000'), Decimal('100000000')))), name='alerts_watch_limit_range', violation_error_message='A figure is a number.'),
        ),
        migrations.AddConstraint(
            model_name='watch',
            constraint=models.CheckConstraint(condition=models.Q(('money_per_day__range', (Decimal('-100000000'), Decimal('100000000')))), name='alerts_watch_money_per_day_range', violation_error_message='A figure is a number.'),
        ),
    ]
