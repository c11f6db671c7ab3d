import django.core.validators
import django.db.models.deletion
import gpuadvisor.core.ids
from decimal import Decimal
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_apitoken'),
        ('market', '0003_market_days_and_forecasts'),
    ]

    operations = [
        migrations.AddField(
            model_name='sourcerun',
            name='is_held',
            field=models.BooleanField(db_default=False, default=False, help_text='Failed, since its whole batch stands in quarantine.'),
        ),
        migrations.AddField(
            model_name='sourcerun',
            name='rows_seen',
            field=models.PositiveIntegerField(db_default=0, default=0, help_text='Rows of the document, usable or not.'),
        ),
        migrations.AddField(
            model_name='sourcerun',
            name='offers_used',
            field=models.PositiveIntegerField(db_default=0, default=0, help_text='Offers its figures rest on: what the next document is compared with.'),
        ),
        migrations.AddField(
            model_name='sourcerun',
            name='notes',
            field=models.TextField(blank=True, db_default='', default='', help_text='What staff should know: how a check compared.'),
        ),
        migrations.CreateModel(
            name='Quarantine',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('source', models.SlugField(max_length=40)),
                ('platform', models.SlugField(blank=True, max_length=40)),
                ('scope', models.CharField(choices=[('row', 'One row'), ('batch', 'A whole batch')], default='row', max_length=5)),
                ('rule', models.SlugField(max_length=40)),
                ('subject', models.CharField(help_text="The offer's id, the GPU, or the document's hash.", max_length=160)),
                ('gpu_model', models.CharField(blank=True, max_length=80)),
                ('price', models.DecimalField(blank=True, decimal_places=4, help_text='USD per GPU-hour, where the row has one.', max_digits=10, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('10000'))])),
                ('reason', models.CharField(max_length=300)),
                ('fragment', models.TextField(blank=True, help_text='The piece of the document that shows why.')),
                ('document', models.BinaryField(blank=True, help_text='The held document, packed; dropped after 14 days.', null=True)),
                ('run', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='quarantined', to='market.sourcerun')),
                ('observed_at', models.DateTimeField(help_text="The source's clock at the last sight.")),
                ('first_seen_at', models.DateTimeField()),
                ('last_seen_at', models.DateTimeField()),
                ('times', models.PositiveIntegerField(default=1)),
                ('decision', models.CharField(choices=[('open', 'Open'), ('released', 'Released: it counts'), ('confirmed', 'Confirmed: it stays out')], default='open', max_length=9)),
                ('decided_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('decided_at', models.DateTimeField(blank=True, null=True)),
                ('applied_at', models.DateTimeField(blank=True, help_text='When the figures followed the decision; empty: still to come.', null=True)),
                ('note', models.CharField(blank=True, max_length=300)),
            ],
            options={
                'verbose_name': 'quarantined row',
                'db_table': 'quarantined_rows',
                'indexes': [models.Index(fields=['decision', '-last_seen_at'], name='market_quarantine_open'), models.Index(condition=models.Q(('applied_at__isnull', True), ('decided_at__isnull', False)), fields=['decided_at'], name='market_quarantine_due')],
                'constraints': [models.UniqueConstraint(fields=('source', 'rule', 'subject', 'price'), name='market_quarantine_one', nulls_distinct=False), models.CheckConstraint(condition=models.Q(('price__range', (0, Decimal('10000')))), name='market_quarantine_price_range', violation_error_message='A price is between 0 and 10,000 USD per GPU-hour.'), models.CheckConstraint(condition=models.Q(('scope__in', ['row', 'batch'])), name='market_quarantine_scope_known', violation_error_message='A row or a batch.'), models.CheckConstraint(condition=models.Q(('decision__in', ['open', 'released', 'confirmed'])), name='market_quarantine_decision_known', violation_error_message='Choose one of the decisions.')],
            },
        ),
    ]
