"""Own figures: samples, ingest, imports, costs, comp sets, and what insights and suggestions carry."""
# squawk: leaves out adding-foreign-key-constraint,adding-required-field,require-concurrent-index-creation,constraint-missing-not-valid,disallowed-unique-constraint: new tables are empty, and nothing wrote insights, suggestions or analytics before; gpu_configurations is small, and lock_timeout ends the wait for it

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import gpuadvisor.accounts.zones
import gpuadvisor.core.ids
import gpuadvisor.core.validators
import portfolios.bands
from decimal import Decimal
from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

from gpuadvisor.core.partitions import CreatePartitioned


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0003_token_scopes'),
        ('market', '0006_money_and_comp_days'),
        ('portfolios', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='CompSet',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=60, validators=[gpuadvisor.core.validators.visible_text], verbose_name='name')),
                ('platform', models.SlugField(db_index=False, max_length=40)),
                ('size', models.CharField(blank=True, choices=[('', 'Any size'), ('1-3', '1 to 3 GPUs'), ('4-7', '4 to 7 GPUs'), ('8+', '8 GPUs and more')], max_length=3, verbose_name='size of the machine')),
                ('is_verified', models.BooleanField(blank=True, null=True, verbose_name='verified')),
                ('is_datacenter', models.BooleanField(blank=True, null=True, verbose_name='in a data center')),
                ('region', models.CharField(blank=True, max_length=20, verbose_name='region')),
                ('is_default', models.BooleanField(default=False, verbose_name='used for every GPU of this model')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'verbose_name': 'comp set',
                'db_table': 'comp_sets',
            },
        ),
        migrations.CreateModel(
            name='CostProfile',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('currency', models.CharField(default='USD', max_length=3, verbose_name='currency')),
                ('price_per_kwh', models.DecimalField(blank=True, decimal_places=4, max_digits=8, null=True, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(10000)], verbose_name='electricity price per kWh')),
                ('tariff_bands', models.JSONField(blank=True, default=list, validators=[portfolios.bands.validate_bands], verbose_name='tariff bands')),
                ('timezone', models.CharField(blank=True, max_length=64, validators=[gpuadvisor.accounts.zones.validate_timezone])),
                ('overhead_percentage', models.DecimalField(blank=True, decimal_places=2, help_text='What the rest of the machine draws on top of its GPUs: processor, fans, power supply.', max_digits=5, null=True, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(500)], verbose_name='machine overhead, %')),
                ('fixed_monthly', models.DecimalField(blank=True, decimal_places=2, max_digits=12, null=True, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(Decimal('100000000'))], verbose_name='fixed costs per month')),
                ('purchase_price', models.DecimalField(blank=True, decimal_places=2, max_digits=12, null=True, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(Decimal('100000000'))], verbose_name='purchase price of one GPU')),
                ('purchase_date', models.DateField(blank=True, null=True, verbose_name='bought on')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'verbose_name': 'cost profile',
                'db_table': 'cost_profiles',
            },
        ),
        migrations.CreateModel(
            name='FeeOverride',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('platform', models.SlugField(db_index=False, max_length=40)),
                ('order_type', models.CharField(blank=True, choices=[('on_demand', 'On-demand'), ('interruptible', 'Interruptible'), ('reserved', 'Reserved')], max_length=14)),
                ('currency', models.CharField(blank=True, max_length=4)),
                ('fee_percentage', models.DecimalField(decimal_places=2, max_digits=5, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('100'))], verbose_name='fee, %')),
                ('valid_from', models.DateField(verbose_name='from (UTC day)')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'verbose_name': 'fee of a host',
                'db_table': 'fee_overrides',
            },
        ),
        migrations.CreateModel(
            name='IngestBatch',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('metrics', 'Daily metrics'), ('samples', 'Samples')], max_length=8)),
                ('idempotency_key', models.CharField(blank=True, max_length=200)),
                ('digest', models.CharField(help_text='SHA-256 of kind and body.', max_length=64)),
                ('payload', models.JSONField(blank=True, default=list)),
                ('item_count', models.PositiveIntegerField()),
                ('rows_changed', models.PositiveIntegerField(blank=True, null=True)),
                ('received_at', models.DateTimeField()),
                ('merged_at', models.DateTimeField(blank=True, null=True)),
                ('error', models.CharField(blank=True, max_length=500)),
            ],
            options={
                'verbose_name': 'ingest batch',
                'verbose_name_plural': 'ingest batches',
                'db_table': 'ingest_batches',
            },
        ),
        migrations.CreateModel(
            name='InsightRuleSetting',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('rule', models.SlugField(db_index=False, max_length=40)),
                ('is_on', models.BooleanField(default=True)),
                ('threshold', models.DecimalField(blank=True, decimal_places=2, max_digits=10, null=True)),
            ],
            options={
                'verbose_name': 'setting of an insight rule',
                'db_table': 'insight_rule_settings',
            },
        ),
        migrations.CreateModel(
            name='MetricImport',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(help_text="As the host's file was called; never a path of ours.", max_length=200)),
                ('state', models.CharField(choices=[('uploaded', 'Being read'), ('ready', 'Waiting for your yes'), ('running', 'Being stored'), ('done', 'Stored'), ('undone', 'Undone'), ('discarded', 'Discarded'), ('failed', 'Failed')], default='uploaded', max_length=10)),
                ('settings', models.JSONField(blank=True, default=dict, help_text='Encoding, separator, date format, columns: found, or chosen.')),
                ('body_bytes', models.PositiveBigIntegerField(default=0)),
                ('sha256', models.CharField(blank=True, max_length=64)),
                ('position', models.PositiveBigIntegerField(default=0, help_text='Byte behind the last line read.')),
                ('rows_read', models.PositiveIntegerField(default=0)),
                ('rows_new', models.PositiveIntegerField(default=0)),
                ('rows_changed', models.PositiveIntegerField(default=0)),
                ('rows_unchanged', models.PositiveIntegerField(default=0)),
                ('rows_refused', models.PositiveIntegerField(default=0)),
                ('error', models.CharField(blank=True, max_length=500)),
                ('lease_until', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('undone_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'import',
                'db_table': 'metric_imports',
            },
        ),
        migrations.CreateModel(
            name='MetricImportRow',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('line', models.PositiveIntegerField()),
                ('gpu_configuration_id', models.UUIDField(null=True)),
                ('platform', models.CharField(blank=True, max_length=40)),
                ('metric_date', models.DateField(null=True)),
                ('figures', models.JSONField(default=dict)),
                ('before', models.JSONField(null=True)),
                ('outcome', models.CharField(blank=True, help_text='new, changed, unchanged, refused', max_length=10)),
                ('reason', models.CharField(blank=True, max_length=500)),
            ],
            options={
                'verbose_name': 'imported line',
                'db_table': 'metric_import_rows',
            },
        ),
        CreatePartitioned(
            by='sampled_at',
            name='MetricSample',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('platform', models.SlugField(db_index=False, max_length=40)),
                ('sampled_at', models.DateTimeField(help_text='Start of the quarter hour, UTC.')),
                ('is_online', models.BooleanField(blank=True, null=True)),
                ('listed_gpus', models.PositiveIntegerField(blank=True, null=True)),
                ('rented_gpus', models.PositiveIntegerField(blank=True, null=True)),
                ('hourly_rate', models.DecimalField(blank=True, decimal_places=4, max_digits=10, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('10000'))])),
                ('gpu_revenue', models.DecimalField(blank=True, decimal_places=6, max_digits=14, null=True)),
                ('storage_revenue', models.DecimalField(blank=True, decimal_places=6, max_digits=14, null=True)),
                ('bandwidth_revenue', models.DecimalField(blank=True, decimal_places=6, max_digits=14, null=True)),
                ('watts', models.DecimalField(blank=True, decimal_places=1, max_digits=10, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('10000000'))])),
                ('order_type', models.CharField(choices=[('on_demand', 'On-demand'), ('interruptible', 'Interruptible'), ('reserved', 'Reserved')], default='on_demand', max_length=14)),
                ('currency', models.CharField(default='USD', max_length=4)),
                ('is_after_fee', models.BooleanField(default=False)),
                ('source', models.SlugField(db_index=False, max_length=40)),
                ('recorded_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'verbose_name': 'metric sample',
                'db_table': 'metric_samples',
            },
        ),
        migrations.CreateModel(
            name='PriceChange',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('platform', models.SlugField(db_index=False, max_length=40)),
                ('changed_at', models.DateTimeField()),
                ('from_rate', models.DecimalField(blank=True, decimal_places=4, max_digits=10, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('10000'))])),
                ('to_rate', models.DecimalField(decimal_places=4, max_digits=10, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('10000'))])),
                ('origin', models.CharField(choices=[('typed', 'Typed'), ('seen', 'Seen in the figures')], default='typed', max_length=5)),
                ('note', models.CharField(blank=True, max_length=300)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'verbose_name': 'price change',
                'db_table': 'price_changes',
            },
        ),
        migrations.AddField(
            model_name='analytics',
            name='inputs',
            field=models.CharField(blank=True, db_default='', default='', max_length=64),
        ),
        migrations.AddField(
            model_name='insight',
            name='closed_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='insight',
            name='expires_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='insight',
            name='gpu_configuration',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='insights', to='portfolios.gpuconfiguration'),
        ),
        migrations.AddField(
            model_name='insight',
            name='impact_high',
            field=models.DecimalField(blank=True, decimal_places=2, max_digits=12, null=True),
        ),
        migrations.AddField(
            model_name='insight',
            name='impact_low',
            field=models.DecimalField(blank=True, decimal_places=2, max_digits=12, null=True),
        ),
        migrations.AddField(
            model_name='insight',
            name='portfolio',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='insights', to='portfolios.portfolio'),
        ),
        migrations.AddField(
            model_name='insight',
            name='status',
            field=models.CharField(choices=[('open', 'Open'), ('superseded', 'Superseded'), ('resolved', 'No longer so'), ('dismissed', 'Dismissed')], db_default='open', default='open', max_length=10),
        ),
        migrations.AddField(
            model_name='insight',
            name='superseded_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='supersedes', to='portfolios.insight'),
        ),
        migrations.AddField(
            model_name='optimizationsuggestion',
            name='decided_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='optimizationsuggestion',
            name='evidence',
            field=models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict),
        ),
        migrations.AddField(
            model_name='optimizationsuggestion',
            name='expires_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='optimizationsuggestion',
            name='from_rate',
            field=models.DecimalField(blank=True, decimal_places=4, max_digits=10, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('10000'))]),
        ),
        migrations.AddField(
            model_name='optimizationsuggestion',
            name='gpu_configuration',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='suggestions', to='portfolios.gpuconfiguration'),
        ),
        migrations.AddField(
            model_name='optimizationsuggestion',
            name='impact_high',
            field=models.DecimalField(blank=True, decimal_places=2, max_digits=12, null=True),
        ),
        migrations.AddField(
            model_name='optimizationsuggestion',
            name='impact_low',
            field=models.DecimalField(blank=True, decimal_places=2, max_digits=12, null=True),
        ),
        migrations.AddField(
            model_name='optimizationsuggestion',
            name='platform',
            field=models.SlugField(blank=True, db_default='', db_index=False, default='', max_length=40),
        ),
        migrations.AddField(
            model_name='optimizationsuggestion',
            name='reject_reason',
            field=models.CharField(blank=True, db_default='', default='', max_length=300),
        ),
        migrations.AddField(
            model_name='optimizationsuggestion',
            name='snoozed_until',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='optimizationsuggestion',
            name='state',
            field=models.CharField(choices=[('open', 'Open'), ('accepted', 'Accepted'), ('rejected', 'Rejected'), ('snoozed', 'Snoozed'), ('done', 'Done'), ('expired', 'Expired')], db_default='open', default='open', max_length=10),
        ),
        migrations.AddField(
            model_name='optimizationsuggestion',
            name='to_rate',
            field=models.DecimalField(blank=True, decimal_places=4, max_digits=10, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('10000'))]),
        ),
        migrations.AddField(
            model_name='performancemetric',
            name='available_gpu_hours',
            field=models.DecimalField(blank=True, decimal_places=2, max_digits=9, null=True),
        ),
        migrations.AddField(
            model_name='performancemetric',
            name='bandwidth_revenue',
            field=models.DecimalField(blank=True, decimal_places=2, max_digits=12, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('100000000'))]),
        ),
        migrations.AddField(
            model_name='performancemetric',
            name='bonus_revenue',
            field=models.DecimalField(blank=True, decimal_places=2, max_digits=12, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('100000000'))]),
        ),
        migrations.AddField(
            model_name='performancemetric',
            name='currency',
            field=models.CharField(db_default='USD', default='USD', help_text='In which it was paid; the figures are USD.', max_length=4),
        ),
        migrations.AddField(
            model_name='performancemetric',
            name='energy_kwh',
            field=models.DecimalField(blank=True, decimal_places=3, help_text='Measured.', max_digits=12, null=True),
        ),
        migrations.AddField(
            model_name='performancemetric',
            name='gpu_revenue',
            field=models.DecimalField(blank=True, decimal_places=2, max_digits=12, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('100000000'))]),
        ),
        migrations.AddField(
            model_name='performancemetric',
            name='hours_observed',
            field=models.DecimalField(blank=True, decimal_places=2, help_text='Of 24, by samples; empty: a statement.', max_digits=4, null=True),
        ),
        migrations.AddField(
            model_name='performancemetric',
            name='is_after_fee',
            field=models.BooleanField(db_default=False, default=False, help_text='The revenue is what the platform left of it.'),
        ),
        migrations.AddField(
            model_name='performancemetric',
            name='kwh_by_hour',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.DecimalField(decimal_places=3, max_digits=10, null=True), blank=True, help_text='Measured kWh; empty where an observed part of the hour has none.', null=True, size=24),
        ),
        migrations.AddField(
            model_name='performancemetric',
            name='observed_by_hour',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.DecimalField(decimal_places=3, max_digits=10, null=True), blank=True, help_text='Hours observed, 0 to 1 each.', null=True, size=24),
        ),
        migrations.AddField(
            model_name='performancemetric',
            name='order_type',
            field=models.CharField(choices=[('on_demand', 'On-demand'), ('interruptible', 'Interruptible'), ('reserved', 'Reserved')], db_default='on_demand', default='on_demand', max_length=14),
        ),
        migrations.AddField(
            model_name='performancemetric',
            name='rented_by_hour',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.DecimalField(decimal_places=3, max_digits=10, null=True), blank=True, help_text='GPU-hours rented.', null=True, size=24),
        ),
        migrations.AddField(
            model_name='performancemetric',
            name='rented_gpu_hours',
            field=models.DecimalField(blank=True, decimal_places=2, max_digits=9, null=True),
        ),
        migrations.AddField(
            model_name='performancemetric',
            name='storage_revenue',
            field=models.DecimalField(blank=True, decimal_places=2, max_digits=12, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('100000000'))]),
        ),
        migrations.AddField(
            model_name='portfolio',
            name='estimate_high',
            field=models.DecimalField(blank=True, decimal_places=2, editable=False, max_digits=12, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('100000000'))]),
        ),
        migrations.AddField(
            model_name='portfolio',
            name='estimate_low',
            field=models.DecimalField(blank=True, decimal_places=2, editable=False, max_digits=12, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('100000000'))]),
        ),
        migrations.AddField(
            model_name='portfolio',
            name='estimate_method',
            field=models.CharField(blank=True, db_default='', default='', editable=False, help_text='How the month was projected.', max_length=20),
        ),
        migrations.AddField(
            model_name='portfolio',
            name='estimated_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='compset',
            name='gpu_model',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='market.gpumodel', verbose_name='GPU model'),
        ),
        migrations.AddField(
            model_name='compset',
            name='user',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='comp_sets', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='gpuconfiguration',
            name='comp_set',
            field=models.ForeignKey(blank=True, help_text='Whom it is compared with; empty: chosen by its own traits.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='gpus', to='portfolios.compset'),
        ),
        migrations.AddField(
            model_name='costprofile',
            name='gpu_configuration',
            field=models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='cost_profile', to='portfolios.gpuconfiguration'),
        ),
        migrations.AddField(
            model_name='costprofile',
            name='portfolio',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='cost_profiles', to='portfolios.portfolio'),
        ),
        migrations.AddField(
            model_name='feeoverride',
            name='user',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='fee_overrides', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='ingestbatch',
            name='token',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='accounts.apitoken'),
        ),
        migrations.AddField(
            model_name='ingestbatch',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='ingest_batches', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='insightrulesetting',
            name='user',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='insight_rules', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='metricimport',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='metric_imports', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='metricimportrow',
            name='batch',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='staged', to='portfolios.metricimport'),
        ),
        migrations.AddField(
            model_name='metricsample',
            name='gpu_configuration',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='samples', to='portfolios.gpuconfiguration'),
        ),
        migrations.AddField(
            model_name='pricechange',
            name='gpu_configuration',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='price_changes', to='portfolios.gpuconfiguration'),
        ),
        migrations.AddField(
            model_name='pricechange',
            name='suggestion',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='price_changes', to='portfolios.optimizationsuggestion'),
        ),
        migrations.AddConstraint(
            model_name='compset',
            constraint=models.UniqueConstraint(fields=('user', 'name'), name='portfolios_compset_name', violation_error_message='You have a comp set of this name.'),
        ),
        migrations.AddConstraint(
            model_name='compset',
            constraint=models.UniqueConstraint(condition=models.Q(('is_default', True)), fields=('user', 'gpu_model'), name='portfolios_compset_one_default'),
        ),
        migrations.AddConstraint(
            model_name='compset',
            constraint=models.CheckConstraint(condition=models.Q(('size__in', ['', '1-3', '4-7', '8+'])), name='portfolios_compset_size_known', violation_error_message='Choose one of the sizes.'),
        ),
        migrations.AddConstraint(
            model_name='costprofile',
            constraint=models.UniqueConstraint(condition=models.Q(('gpu_configuration', None)), fields=('portfolio',), name='portfolios_costprofile_one'),
        ),
        migrations.AddConstraint(
            model_name='costprofile',
            constraint=models.CheckConstraint(condition=models.Q(('price_per_kwh__range', (0, 10000))), name='portfolios_costprofile_price_per_kwh_range', violation_error_message='A price is between 0 and 10,000.'),
        ),
        migrations.AddConstraint(
            model_name='costprofile',
            constraint=models.CheckConstraint(condition=models.Q(('overhead_percentage__range', (0, 500))), name='portfolios_costprofile_overhead_percentage_range', violation_error_message='Overhead is between 0 and 500 %.'),
        ),
        migrations.AddConstraint(
            model_name='costprofile',
            constraint=models.CheckConstraint(condition=models.Q(('fixed_monthly__range', (0, Decimal('100000000')))), name='portfolios_costprofile_fixed_monthly_range', violation_error_message='Costs are 0 or more.'),
        ),
        migrations.AddConstraint(
            model_name='costprofile',
            constraint=models.CheckConstraint(condition=models.Q(('purchase_price__range', (0, Decimal('100000000')))), name='portfolios_costprofile_purchase_price_range', violation_error_message='A price is 0 or more.'),
        ),
        migrations.AddConstraint(
            model_name='feeoverride',
            constraint=models.UniqueConstraint(fields=('user', 'platform', 'order_type', 'currency', 'valid_from'), name='portfolios_feeoverride_one'),
        ),
        migrations.AddConstraint(
            model_name='feeoverride',
            constraint=models.CheckConstraint(condition=models.Q(('fee_percentage__range', (0, 100))), name='portfolios_feeoverride_fee_percentage_range', violation_error_message='A fee is a percentage between 0 and 100.'),
        ),
        migrations.AddIndex(
            model_name='ingestbatch',
            index=models.Index(condition=models.Q(('merged_at', None)), fields=['received_at'], name='portfolios_ingest_waiting'),
        ),
        migrations.AddIndex(
            model_name='ingestbatch',
            index=models.Index(fields=['user', '-received_at'], name='portfolios_ingest_recent'),
        ),
        migrations.AddConstraint(
            model_name='ingestbatch',
            constraint=models.UniqueConstraint(condition=models.Q(('idempotency_key', ''), _negated=True), fields=('token', 'idempotency_key'), name='portfolios_ingest_key_per_token'),
        ),
        migrations.AddConstraint(
            model_name='ingestbatch',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['metrics', 'samples'])), name='portfolios_ingest_kind_known', violation_error_message='Metrics or samples.'),
        ),
        migrations.AddConstraint(
            model_name='insightrulesetting',
            constraint=models.UniqueConstraint(fields=('user', 'rule'), name='portfolios_insightrule_one_per_user'),
        ),
        migrations.AddIndex(
            model_name='metricimport',
            index=models.Index(fields=['user', '-created_at'], name='portfolios_import_recent'),
        ),
        migrations.AddIndex(
            model_name='metricimport',
            index=models.Index(condition=models.Q(('state__in', ['uploaded', 'running'])), fields=['created_at'], name='portfolios_import_working'),
        ),
        migrations.AddConstraint(
            model_name='metricimport',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['uploaded', 'ready', 'running', 'done', 'undone', 'discarded', 'failed'])), name='portfolios_import_state_known', violation_error_message='Choose one of the states of an import.'),
        ),
        migrations.AddConstraint(
            model_name='metricimportrow',
            constraint=models.UniqueConstraint(fields=('batch', 'line'), name='portfolios_importrow_line'),
        ),
        migrations.AddConstraint(
            model_name='metricsample',
            constraint=models.UniqueConstraint(fields=('gpu_configuration', 'platform', 'sampled_at'), name='portfolios_sample_one_per_quarter'),
        ),
        migrations.AddConstraint(
            model_name='metricsample',
            constraint=models.CheckConstraint(condition=models.Q(('hourly_rate__range', (0, Decimal('10000')))), name='portfolios_sample_hourly_rate_range', violation_error_message='A rate is between 0 and 10,000 USD per GPU-hour.'),
        ),
        migrations.AddConstraint(
            model_name='metricsample',
            constraint=models.CheckConstraint(condition=models.Q(('gpu_revenue__range', (0, Decimal('100000000')))), name='portfolios_sample_gpu_revenue_range', violation_error_message='Revenue is 0 or more.'),
        ),
        migrations.AddConstraint(
            model_name='metricsample',
            constraint=models.CheckConstraint(condition=models.Q(('storage_revenue__range', (0, Decimal('100000000')))), name='portfolios_sample_storage_revenue_range', violation_error_message='Revenue is 0 or more.'),
        ),
        migrations.AddConstraint(
            model_name='metricsample',
            constraint=models.CheckConstraint(condition=models.Q(('bandwidth_revenue__range', (0, Decimal('100000000')))), name='portfolios_sample_bandwidth_revenue_range', violation_error_message='Revenue is 0 or more.'),
        ),
        migrations.AddConstraint(
            model_name='metricsample',
            constraint=models.CheckConstraint(condition=models.Q(('watts__range', (0, 10000))), name='portfolios_sample_watts_range', violation_error_message='Watts of one GPU lie between 0 and 10,000.'),
        ),
        migrations.AddConstraint(
            model_name='metricsample',
            constraint=models.CheckConstraint(condition=models.Q(('listed_gpus__range', (0, 10000))), name='portfolios_sample_listed_gpus_range', violation_error_message='At most 10,000 GPUs.'),
        ),
        migrations.AddConstraint(
            model_name='metricsample',
            constraint=models.CheckConstraint(condition=models.Q(('rented_gpus__isnull', True), ('listed_gpus__isnull', True), ('rented_gpus__lte', models.F('listed_gpus')), _connector='OR'), name='portfolios_sample_rented_are_listed', violation_error_message='Rented GPUs are part of the listed ones.'),
        ),
        migrations.AddConstraint(
            model_name='pricechange',
            constraint=models.UniqueConstraint(fields=('gpu_configuration', 'platform', 'changed_at'), name='portfolios_pricechange_one_per_moment'),
        ),
        migrations.AddConstraint(
            model_name='pricechange',
            constraint=models.CheckConstraint(condition=models.Q(('from_rate__range', (0, Decimal('10000')))), name='portfolios_pricechange_from_rate_range', violation_error_message='A rate is between 0 and 10,000.'),
        ),
        migrations.AddConstraint(
            model_name='pricechange',
            constraint=models.CheckConstraint(condition=models.Q(('to_rate__range', (0, Decimal('10000')))), name='portfolios_pricechange_to_rate_range', violation_error_message='A rate is between 0 and 10,000.'),
        ),
        migrations.AddConstraint(
            model_name='pricechange',
            constraint=models.CheckConstraint(condition=models.Q(('origin__in', ['typed', 'seen'])), name='portfolios_pricechange_origin_known', violation_error_message='Typed or seen.'),
        ),
        migrations.AddConstraint(
            model_name='insight',
            constraint=models.CheckConstraint(condition=models.Q(('impact_low__range', (Decimal('-100000000'), Decimal('100000000')))), name='portfolios_insight_impact_low_range', violation_error_message='This impact is out of range.'),
        ),
        migrations.AddConstraint(
            model_name='insight',
            constraint=models.CheckConstraint(condition=models.Q(('impact_high__range', (Decimal('-100000000'), Decimal('100000000')))), name='portfolios_insight_impact_high_range', violation_error_message='This impact is out of range.'),
        ),
        migrations.AddConstraint(
            model_name='insightrulesetting',
            constraint=models.CheckConstraint(condition=models.Q(('threshold__range', (0, Decimal('100000000')))), name='portfolios_insightrule_threshold_range', violation_error_message='A threshold is 0 or more.'),
        ),
        migrations.AddConstraint(
            model_name='optimizationsuggestion',
            constraint=models.CheckConstraint(condition=models.Q(('impact_low__range', (Decimal('-100000000'), Decimal('100000000')))), name='portfolios_suggestion_impact_low_range', violation_error_message='This impact is out of range.'),
        ),
        migrations.AddConstraint(
            model_name='optimizationsuggestion',
            constraint=models.CheckConstraint(condition=models.Q(('impact_high__range', (Decimal('-100000000'), Decimal('100000000')))), name='portfolios_suggestion_impact_high_range', violation_error_message='This impact is out of range.'),
        ),
        migrations.AddConstraint(
            model_name='optimizationsuggestion',
            constraint=models.CheckConstraint(condition=models.Q(('from_rate__range', (0, Decimal('10000')))), name='portfolios_suggestion_from_rate_range', violation_error_message='A rate is between 0 and 10,000.'),
        ),
        migrations.AddConstraint(
            model_name='optimizationsuggestion',
            constraint=models.CheckConstraint(condition=models.Q(('to_rate__range', (0, Decimal('10000')))), name='portfolios_suggestion_to_rate_range', violation_error_message='A rate is between 0 and 10,000.'),
        ),
        AddConstraintNotValid(
            model_name='performancemetric',
            constraint=models.CheckConstraint(condition=models.Q(('gpu_revenue__range', (0, Decimal('100000000')))), name='portfolios_metric_gpu_revenue_range', violation_error_message='Revenue is 0 or more.'),
        ),
        AddConstraintNotValid(
            model_name='performancemetric',
            constraint=models.CheckConstraint(condition=models.Q(('storage_revenue__range', (0, Decimal('100000000')))), name='portfolios_metric_storage_revenue_range', violation_error_message='Revenue is 0 or more.'),
        ),
        AddConstraintNotValid(
            model_name='performancemetric',
            constraint=models.CheckConstraint(condition=models.Q(('bandwidth_revenue__range', (0, Decimal('100000000')))), name='portfolios_metric_bandwidth_revenue_range', violation_error_message='Revenue is 0 or more.'),
        ),
        AddConstraintNotValid(
            model_name='performancemetric',
            constraint=models.CheckConstraint(condition=models.Q(('bonus_revenue__range', (0, Decimal('100000000')))), name='portfolios_metric_bonus_revenue_range', violation_error_message='Revenue is 0 or more.'),
        ),
        AddConstraintNotValid(
            model_name='performancemetric',
            constraint=models.CheckConstraint(condition=models.Q(('hours_observed__range', (0, 24))), name='portfolios_metric_hours_observed_range', violation_error_message='A UTC day has 24 hours.'),
        ),
        AddConstraintNotValid(
            model_name='performancemetric',
            constraint=models.CheckConstraint(condition=models.Q(('available_gpu_hours__range', (0, Decimal('240000')))), name='portfolios_metric_available_gpu_hours_range', violation_error_message='GPU-hours are 0 or more.'),
        ),
        AddConstraintNotValid(
            model_name='performancemetric',
            constraint=models.CheckConstraint(condition=models.Q(('rented_gpu_hours__range', (0, Decimal('240000')))), name='portfolios_metric_rented_gpu_hours_range', violation_error_message='GPU-hours are 0 or more.'),
        ),
        AddConstraintNotValid(
            model_name='performancemetric',
            constraint=models.CheckConstraint(condition=models.Q(('energy_kwh__range', (0, Decimal('100000000')))), name='portfolios_metric_energy_kwh_range', violation_error_message='Energy is 0 or more.'),
        ),
        migrations.AddConstraint(
            model_name='portfolio',
            constraint=models.CheckConstraint(condition=models.Q(('estimate_low__range', (0, Decimal('100000000')))), name='portfolios_portfolio_estimate_low_range', violation_error_message='Revenue is 0 or more.'),
        ),
        migrations.AddConstraint(
            model_name='portfolio',
            constraint=models.CheckConstraint(condition=models.Q(('estimate_high__range', (0, Decimal('100000000')))), name='portfolios_portfolio_estimate_high_range', violation_error_message='Revenue is 0 or more.'),
        ),
    ]
