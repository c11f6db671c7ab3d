"""Drop the two indexes that a slug column brings: nobody asks by platform or source alone, each write kept them up, and
a planner without statistics took them for a series."""

from django.db import migrations, models

INDEXES = {
    "market_daily": [("platform", "767b5f48")],
    "market_data": [("platform", "419d99bf")],
    "market_forecasts": [("platform", "78b723c7")],
    "pricing_snapshots": [("source", "b84e1975")],
    "quarantined_rows": [("platform", "466ea448"), ("rule", "f3aa708b"), ("source", "32507b2a")],
    "source_runs": [("source", "8a9f38f9")],
    "utilization_trends": [("platform", "eee440fe")],
}
# An index over partitions cannot be dropped concurrently; the lock lasts as long as the catalog's change, and
# lock_timeout ends the wait for it.
DROP = "-- squawk-ignore require-concurrent-index-deletion\ndrop index if exists {name}"
MAKE = "-- squawk-ignore require-concurrent-index-creation\ncreate index {name} on {table} ({column}{how})"


def statements(what: str) -> list[str]:
    return [
        what.format(name=f'"{table}_{column}_{digest}{end}"', table=f'"{table}"', column=f'"{column}"', how=how)
        for table, columns in INDEXES.items()
        for column, digest in columns
        for end, how in (("", ""), ("_like", " varchar_pattern_ops"))
    ]


class Migration(migrations.Migration):
    dependencies = [("market", "0004_quarantine")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
        migrations.AlterField(
            model_name='marketdaily',
            name='platform',
            field=models.SlugField(db_index=False, max_length=40),
        ),
        migrations.AlterField(
            model_name='marketdata',
            name='platform',
            field=models.SlugField(db_index=False, max_length=40),
        ),
        migrations.AlterField(
            model_name='marketforecast',
            name='platform',
            field=models.SlugField(db_index=False, max_length=40),
        ),
        migrations.AlterField(
            model_name='pricingsnapshot',
            name='source',
            field=models.SlugField(db_index=False, max_length=40),
        ),
        migrations.AlterField(
            model_name='quarantine',
            name='platform',
            field=models.SlugField(blank=True, db_index=False, max_length=40),
        ),
        migrations.AlterField(
            model_name='quarantine',
            name='rule',
            field=models.SlugField(db_index=False, max_length=40),
        ),
        migrations.AlterField(
            model_name='quarantine',
            name='source',
            field=models.SlugField(db_index=False, max_length=40),
        ),
        migrations.AlterField(
            model_name='sourcerun',
            name='source',
            field=models.SlugField(db_index=False, max_length=40),
        ),
        migrations.AlterField(
            model_name='utilizationtrend',
            name='platform',
            field=models.SlugField(db_index=False, max_length=40),
        ),
            ],
            database_operations=[migrations.RunSQL(statements(DROP), statements(MAKE))],
        )
    ]
