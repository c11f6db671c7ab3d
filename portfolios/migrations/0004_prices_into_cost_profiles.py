"""The price of electricity moves from the JSON of portfolios and GPU configurations into cost profiles.

In batches, each committed by itself: a stopped run goes on where it stood. The way back writes the prices that are in
dollars into the JSON again; the profiles stay, so going forward once more loses nothing.
"""

from django.db import migrations

BATCH = 2_000
# {json} is the column, {rows} the table, {of} and {gpu} what the profile refers to, {one} its key.
FORWARD = """
with batch as (
  select id, {of} as portfolio_id, {gpu} as gpu_id, {json}->>'usd_per_kwh' as price from {rows}
  where {json} ? 'usd_per_kwh' order by id limit %s for update
), made as (
  insert into cost_profiles (id, portfolio_id, gpu_configuration_id, currency, price_per_kwh, tariff_bands, timezone,
                             created_at, updated_at)
  select uuidv7(), portfolio_id, gpu_id, 'USD', round(trim(price)::numeric, 4), '[]', '', now(), now() from batch
  where price ~ '^ *([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)? *$' and trim(price)::numeric <= 10
  on conflict {one} do nothing
)
update {rows} r set {json} = r.{json} - 'usd_per_kwh' from batch where r.id = batch.id
"""
BACK = """
with batch as (
  select r.id, p.price_per_kwh from {rows} r join cost_profiles p on {join}
  where p.currency = 'USD' and p.price_per_kwh <= 10 and not r.{json} ? 'usd_per_kwh'
  order by r.id limit %s for update of r
)
update {rows} r set {json} = r.{json} || jsonb_build_object('usd_per_kwh', trim_scale(batch.price_per_kwh)::text)
from batch where r.id = batch.id
"""
PORTFOLIOS = {
    "rows": "portfolios",
    "json": "configuration",
    "of": "id",
    "gpu": "null::uuid",
    "one": "(portfolio_id) where gpu_configuration_id is null",
    "join": "p.portfolio_id = r.id and p.gpu_configuration_id is null",
}
GPUS = {
    "rows": "gpu_configurations",
    "json": "hardware_details",
    "of": "portfolio_id",
    "gpu": "id",
    "one": "(gpu_configuration_id)",
    "join": "p.gpu_configuration_id = r.id",
}


def _all(schema_editor, statement):
    for parts in (PORTFOLIOS, GPUS):
        with schema_editor.connection.cursor() as cursor:
            moved = BATCH
            while moved == BATCH:
                cursor.execute(statement.format(**parts), [BATCH])
                moved = cursor.rowcount


def into_profiles(apps, schema_editor):
    _all(schema_editor, FORWARD)


def into_json(apps, schema_editor):
    _all(schema_editor, BACK)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("portfolios", "0003_one_analytics_per_day")]

    operations = [migrations.RunPython(into_profiles, into_json, elidable=True)]
