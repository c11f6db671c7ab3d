# squawk: leaves out adding-foreign-key-constraint,adding-required-field,disallowed-unique-constraint: the tables are new and empty

import django.db.models.deletion
import gpuadvisor.core.ids
from decimal import Decimal
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('chat', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Answer',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('working', 'Working'), ('finished', 'Finished'), ('stopped', 'Stopped'), ('failed', 'Failed')], default='waiting', max_length=10)),
                ('advisor', models.CharField(choices=[('model', 'Language model'), ('rules', 'Rules')], max_length=10)),
                ('error', models.CharField(blank=True, help_text='Why it failed: a word of `chat.failures`.', max_length=40)),
                ('is_stop_asked', models.BooleanField(default=False)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('reserved_tokens', models.PositiveIntegerField(default=0, help_text="Held of the day's cap until it ends.")),
                ('reserved_on', models.DateField(blank=True, null=True)),
                ('lease', models.UUIDField(blank=True, null=True)),
                ('lease_until', models.DateTimeField(blank=True, null=True)),
                ('asked_at', models.DateTimeField()),
                ('taken_at', models.DateTimeField(blank=True, null=True)),
                ('first_word_at', models.DateTimeField(blank=True, null=True)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'answer',
                'db_table': 'chat_answers',
            },
        ),
        migrations.CreateModel(
            name='Ceiling',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('tokens_a_day', models.PositiveBigIntegerField(blank=True, help_text="Instead of the plan's; empty: the plan's.", null=True)),
                ('usd_a_day', models.DecimalField(blank=True, decimal_places=2, help_text='Empty: without limit.', max_digits=10, null=True)),
                ('note', models.CharField(blank=True, max_length=200)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'verbose_name': 'ceiling',
                'db_table': 'chat_ceilings',
            },
        ),
        migrations.CreateModel(
            name='Offer',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=60)),
                ('arguments', models.JSONField(default=dict)),
                ('title', models.CharField(max_length=200)),
                ('lines', models.JSONField(default=list, help_text='What the card says: [label, value].')),
                ('state', models.CharField(choices=[('open', 'Open'), ('done', 'Done'), ('declined', 'Declined'), ('failed', 'Failed')], default='open', max_length=10)),
                ('result', models.CharField(blank=True, max_length=300)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('decided_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'offer',
                'db_table': 'chat_offers',
            },
        ),
        migrations.CreateModel(
            name='TokenDay',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('day', models.DateField()),
                ('reserved', models.PositiveIntegerField(default=0)),
                ('used', models.PositiveIntegerField(default=0)),
                ('cost_usd', models.DecimalField(decimal_places=6, default=Decimal('0'), max_digits=12)),
            ],
            options={
                'verbose_name': 'tokens of a day',
                'verbose_name_plural': 'tokens by day',
                'db_table': 'chat_token_days',
            },
        ),
        migrations.AddField(
            model_name='conversation',
            name='is_pinned',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name='conversation',
            name='is_renamed',
            field=models.BooleanField(db_default=False, default=False, help_text="The title is the host's own: it is not made anew."),
        ),
        migrations.AddField(
            model_name='answer',
            name='message',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='answer', to='chat.message'),
        ),
        migrations.AddField(
            model_name='answer',
            name='question',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='answers', to='chat.message'),
        ),
        migrations.AddField(
            model_name='answer',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='ceiling',
            name='user',
            field=models.OneToOneField(blank=True, help_text='Empty: for all accounts together.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='offer',
            name='message',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='offers', to='chat.message'),
        ),
        migrations.AddField(
            model_name='offer',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='tokenday',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddIndex(
            model_name='answer',
            index=models.Index(condition=models.Q(('state__in', ['waiting', 'working'])), fields=['asked_at'], name='chat_answer_due'),
        ),
        migrations.AddIndex(
            model_name='answer',
            index=models.Index(fields=['ended_at'], name='chat_answer_ended'),
        ),
        migrations.AddConstraint(
            model_name='answer',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ['waiting', 'working'])), fields=('user',), name='chat_answer_one_running', violation_error_message='The advisor is still answering.'),
        ),
        migrations.AddConstraint(
            model_name='answer',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['waiting', 'working', 'finished', 'stopped', 'failed'])), name='chat_answer_state_known', violation_error_message='Choose one of the states of an answer.'),
        ),
        migrations.AddConstraint(
            model_name='answer',
            constraint=models.CheckConstraint(condition=models.Q(('advisor__in', ['model', 'rules'])), name='chat_answer_advisor_known', violation_error_message='Choose one of the advisors.'),
        ),
        migrations.AddConstraint(
            model_name='ceiling',
            constraint=models.UniqueConstraint(fields=('user',), name='chat_ceiling_one_per_user', nulls_distinct=False, violation_error_message='There is one already: change it.'),
        ),
        migrations.AddConstraint(
            model_name='ceiling',
            constraint=models.CheckConstraint(condition=models.Q(('usd_a_day__range', (0, 1000000))), name='chat_ceiling_usd_a_day_range', violation_error_message='A ceiling is 0 or more.'),
        ),
        migrations.AddConstraint(
            model_name='offer',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['open', 'done', 'declined', 'failed'])), name='chat_offer_state_known', violation_error_message='Choose one of the states of an offer.'),
        ),
        migrations.AddIndex(
            model_name='tokenday',
            index=models.Index(fields=['day'], name='chat_tokenday_day'),
        ),
        migrations.AddConstraint(
            model_name='tokenday',
            constraint=models.UniqueConstraint(fields=('user', 'day'), name='chat_tokenday_one_per_day'),
        ),
        migrations.AddConstraint(
            model_name='tokenday',
            constraint=models.CheckConstraint(condition=models.Q(('cost_usd__range', (0, 100000))), name='chat_tokenday_cost_usd_range', violation_error_message='A cost is 0 or more.'),
        ),
    ]
