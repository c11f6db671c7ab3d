import django.core.validators
import gpuadvisor.core.ids
from decimal import Decimal
from django.db import migrations, models

from gpuadvisor.core.partitions import CreatePartitioned


class Migration(migrations.Migration):

    dependencies = [
        ('market', '0002_sourcerun_retry_at'),
    ]

    operations = [
        CreatePartitioned(
            by='day',
            name='MarketDaily',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('gpu_model', models.CharField(max_length=80)),
                ('platform', models.SlugField(max_length=40)),
                ('region', models.CharField(default='global', max_length=20)),
                ('origin', models.CharField(choices=[('live', 'Live source'), ('imported', 'Imported history'), ('simulated', 'Simulated market')], default='live', max_length=10)),
                ('day', models.DateField()),
                ('average_price', models.DecimalField(blank=True, decimal_places=4, max_digits=10, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('10000'))])),
                ('min_price', models.DecimalField(blank=True, decimal_places=4, max_digits=10, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('10000'))])),
                ('max_price', models.DecimalField(blank=True, decimal_places=4, max_digits=10, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('10000'))])),
                ('median_price', models.DecimalField(blank=True, decimal_places=4, max_digits=10, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('10000'))])),
                ('p10_price', models.DecimalField(blank=True, decimal_places=4, max_digits=10, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('10000'))])),
                ('p90_price', models.DecimalField(blank=True, decimal_places=4, max_digits=10, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('10000'))])),
                ('average_utilization', models.DecimalField(blank=True, decimal_places=2, max_digits=5, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('100'))])),
                ('gpu_count', models.PositiveIntegerField(blank=True, null=True)),
                ('offer_count', models.PositiveIntegerField(blank=True, null=True)),
                ('moments', models.PositiveSmallIntegerField()),
                ('sources', models.JSONField(blank=True, default=list, help_text='Whose figures the day rests on.')),
            ],
            options={
                'verbose_name': 'market day',
                'db_table': 'market_daily',
                'constraints': [models.UniqueConstraint(fields=('gpu_model', 'platform', 'region', 'origin', 'day'), name='market_marketdaily_one_per_day'), models.CheckConstraint(condition=models.Q(('average_price__range', (0, Decimal('10000')))), name='market_marketdaily_average_price_range', violation_error_message='A price is between 0 and 10,000 USD per GPU-hour.'), models.CheckConstraint(condition=models.Q(('min_price__range', (0, Decimal('10000')))), name='market_marketdaily_min_price_range', violation_error_message='A price is between 0 and 10,000 USD per GPU-hour.'), models.CheckConstraint(condition=models.Q(('max_price__range', (0, Decimal('10000')))), name='market_marketdaily_max_price_range', violation_error_message='A price is between 0 and 10,000 USD per GPU-hour.'), models.CheckConstraint(condition=models.Q(('median_price__range', (0, Decimal('10000')))), name='market_marketdaily_median_price_range', violation_error_message='A price is between 0 and 10,000 USD per GPU-hour.'), models.CheckConstraint(condition=models.Q(('p10_price__range', (0, Decimal('10000')))), name='market_marketdaily_p10_price_range', violation_error_message='A price is between 0 and 10,000 USD per GPU-hour.'), models.CheckConstraint(condition=models.Q(('p90_price__range', (0, Decimal('10000')))), name='market_marketdaily_p90_price_range', violation_error_message='A price is between 0 and 10,000 USD per GPU-hour.'), models.CheckConstraint(condition=models.Q(('average_utilization__range', (0, 100))), name='market_marketdaily_average_utilization_range', violation_error_message='Utilization is a percentage between 0 and 100.'), models.CheckConstraint(condition=models.Q(('origin__in', ['live', 'imported', 'simulated'])), name='market_marketdaily_origin_known', violation_error_message='A market row is live, imported or simulated.')],
            },
        ),
        migrations.CreateModel(
            name='MarketForecast',
            fields=[
                ('id', models.UUIDField(default=gpuadvisor.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('gpu_model', models.CharField(max_length=80)),
                ('platform', models.SlugField(max_length=40)),
                ('origin', models.CharField(choices=[('live', 'Live source'), ('imported', 'Imported history'), ('simulated', 'Simulated market')], default='live', max_length=10)),
                ('measure', models.CharField(choices=[('price', 'Median price'), ('rented', 'Rented share')], max_length=8)),
                ('horizon_days', models.PositiveSmallIntegerField()),
                ('value', models.DecimalField(decimal_places=4, max_digits=10, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('10000'))])),
                ('low', models.DecimalField(decimal_places=4, max_digits=10, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('10000'))])),
                ('high', models.DecimalField(decimal_places=4, max_digits=10, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('10000'))])),
                ('level_percentage', models.PositiveSmallIntegerField(default=80, help_text='How often the interval should hold.')),
                ('method', models.CharField(max_length=40)),
                ('is_naive', models.BooleanField(help_text='No method did better than a naive one.')),
                ('error', models.DecimalField(blank=True, decimal_places=4, max_digits=10, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('10000'))])),
                ('naive_error', models.DecimalField(blank=True, decimal_places=4, max_digits=10, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('10000'))])),
                ('coverage_percentage', models.DecimalField(blank=True, decimal_places=2, max_digits=5, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('100'))])),
                ('points', models.PositiveIntegerField(help_text='Days of history it rests on.')),
                ('as_of', models.DateTimeField(help_text='The last moment that it knew.')),
                ('made_at', models.DateTimeField()),
            ],
            options={
                'verbose_name': 'market forecast',
                'db_table': 'market_forecasts',
                'constraints': [models.UniqueConstraint(fields=('gpu_model', 'platform', 'origin', 'measure', 'horizon_days'), name='market_marketforecast_one_per_horizon'), models.CheckConstraint(condition=models.Q(('value__range', (0, Decimal('10000')))), name='market_marketforecast_value_range', violation_error_message='A forecast lies between 0 and 10,000.'), models.CheckConstraint(condition=models.Q(('low__range', (0, Decimal('10000')))), name='market_marketforecast_low_range', violation_error_message='A forecast lies between 0 and 10,000.'), models.CheckConstraint(condition=models.Q(('high__range', (0, Decimal('10000')))), name='market_marketforecast_high_range', violation_error_message='A forecast lies between 0 and 10,000.'), models.CheckConstraint(condition=models.Q(('error__range', (0, Decimal('10000')))), name='market_marketforecast_error_range', violation_error_message='A forecast lies between 0 and 10,000.'), models.CheckConstraint(condition=models.Q(('naive_error__range', (0, Decimal('10000')))), name='market_marketforecast_naive_error_range', violation_error_message='A forecast lies between 0 and 10,000.'), models.CheckConstraint(condition=models.Q(('coverage_percentage__range', (0, 100))), name='market_marketforecast_coverage_percentage_range', violation_error_message='Coverage is a percentage between 0 and 100.'), models.CheckConstraint(condition=models.Q(('measure__in', ['price', 'rented'])), name='market_marketforecast_measure_known', violation_error_message='Choose a price or a share.')],
            },
        ),
        migrations.AddField(
            model_name='platform',
            name='fee_rules',
            field=models.TextField(blank=True, db_default='', default='', help_text='The fee in words: by order type and currency, who bears it.'),
        ),
        migrations.AlterField(
            model_name='marketdata',
            name='region',
            field=models.CharField(default='global', help_text='ISO country, continent, or global.', max_length=20),
        ),
    ]
