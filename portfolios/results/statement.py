"""The statement that sums up daily rows: docs/economics.md in SQL. A test computes the same without it."""

# A configuration may be on several platforms: their revenues add up, and so do its rented hours, up to those offered.
# `fleet` holds what one hour draws (idle_kwh) and what a rented GPU-hour adds (extra_kwh), the rest of the machine
# included. Days that samples saw are costed by the hour where that matters (`is_hourly`): the
# price moves, something was metered, several platforms told.
# What each configuration did lately stands in a branch of its own: its ordered aggregates would sort for every
# grouping set.
SQL = """
with fleet as (
  select * from unnest(
    %(gpus)s::uuid[], %(quantities)s::int[], %(idle_kwh)s::numeric[], %(extra_kwh)s::numeric[],
    %(overheads)s::numeric[], %(prices)s::numeric[], %(tariffs)s::int[], %(fixed)s::numeric[],
    %(charges)s::numeric[], %(since)s::date[], %(charted)s::boolean[]
  ) as f(gpu, quantity, idle_kwh, extra_kwh, overhead, price, tariff, fixed, charge, since, charted)
), fees as (
  select * from unnest(
    %(fee_platforms)s::text[], %(fee_types)s::text[], %(fee_currencies)s::text[], %(fee_firsts)s::date[],
    %(fee_lasts)s::date[], %(fee_shares)s::numeric[]
  ) as s(platform, order_type, currency, first, last, share)
), tariffs as (
  select tariff, day, mean, hours::numeric[] from unnest(
    %(tariff_ids)s::int[], %(tariff_days)s::date[], %(tariff_means)s::numeric[], %(tariff_hours)s::text[]
  ) as t(tariff, day, mean, hours)
), daily as (
  select m.gpu_configuration_id as gpu, m.metric_date as day,
    case when bool_and(m.daily_revenue is null or a.factor is not null) then sum(m.daily_revenue * a.factor) end
      as revenue,
    sum(coalesce(m.gpu_revenue, m.daily_revenue) * a.factor) as gpu_revenue,
    case when bool_and(m.daily_revenue is null or a.factor * s.share is not null)
      then sum(m.daily_revenue * a.factor * s.share) end as fee,
    bool_or(m.is_after_fee and m.daily_revenue is not null) as is_grossed,
    bool_or(
      num_nulls(m.gpu_revenue, m.storage_revenue, m.bandwidth_revenue) between 1 and 2
      and m.daily_revenue = coalesce(m.gpu_revenue, 0) + coalesce(m.storage_revenue, 0)
        + coalesce(m.bandwidth_revenue, 0) + coalesce(m.bonus_revenue, 0)
    ) as lacks_parts,
    max(a.available) as available,
    case when sum(a.rented) > max(a.available) then max(a.available) else sum(a.rented) end as rented,
    max(a.observed) as observed,
    max(case when m.uptime_hours >= round(a.observed) then a.observed else m.uptime_hours end) as online,
    bool_or(m.hours_observed is not null) as is_sampled,
    bool_or(m.detailed_metrics ? 'conflicts') as is_disputed,
    bool_or(m.observed_by_hour is not null)
      and (bool_or(m.kwh_by_hour is not null or f.tariff is not null) or count(*) > 1) as is_hourly,
    max(m.energy_kwh) filter (where m.observed_by_hour is null) as stated_kwh,
    case when sum(m.utilization_percentage) > 100 then 100 else sum(m.utilization_percentage) end as share,
    round(avg(m.hourly_rate), 4) as rate, string_agg(m.platform, ',' order by m.platform) as platforms,
    max(m.updated_at) as updated_at
  from performance_metrics m join fleet f on f.gpu = m.gpu_configuration_id
  left join fees s on s.platform = m.platform and s.order_type in ('', m.order_type)
    and s.currency in ('*', case when m.currency = any(%(fee_named)s) then m.currency else '' end)
    and m.metric_date between s.first and s.last
  cross join lateral (
    select coalesce(m.available_gpu_hours, f.quantity * coalesce(m.uptime_hours, 24)) as available,
      coalesce(m.rented_gpu_hours, f.quantity * coalesce(m.uptime_hours, 24) * m.utilization_percentage / 100)
        as rented,
      coalesce(m.hours_observed, 24) as observed,
      case when not m.is_after_fee then 1 when s.share < 1 then 1 / (1 - s.share) end as factor
  ) a
  where m.gpu_configuration_id = any(%(gpus)s) and m.metric_date between %(first)s and %(today)s
    and (f.since is null or m.metric_date >= f.since)
  group by 1, 2
), costed as (
  select d.*, f.quantity, f.charted, f.fixed, f.charge, t.mean, f.price, f.tariff, h.cost, h.is_metered,
    case when d.is_hourly then h.kwh when not d.is_sampled and d.stated_kwh is not null then f.overhead * d.stated_kwh
      else f.idle_kwh * d.observed + f.extra_kwh * d.rented end as kwh,
    case when d.day between %(now_first)s and %(now_last)s then 'now'
         when d.day between %(before_first)s and %(before_last)s then 'before' end as part
  from daily d join fleet f using (gpu)
  left join tariffs t on t.tariff = f.tariff and t.day = d.day
  cross join lateral (
    select case when bool_and(x.kwh is not null) then sum(x.kwh) end as kwh,
      case when bool_and(x.kwh is not null and (x.kwh = 0 or x.price is not null))
        then sum(x.kwh * coalesce(x.price, 0)) end as cost,
      bool_and(x.is_metered) as is_metered
    from (
      select h.observed = 0 or h.metered is not null as is_metered,
        case when f.tariff is null then f.price else t.hours[h.hour] end as price,
        case when h.observed = 0 then 0 when h.metered is not null then f.overhead * h.metered
          when bool_or(h.rented is not null and h.observed > 0) over () then f.idle_kwh * h.observed
            + f.extra_kwh * least(coalesce(h.rented, 0), f.quantity * h.observed) end as kwh
      from (
        select hour,
          max(case when m.observed_by_hour is null then 1 else coalesce(m.observed_by_hour[hour], 0) end) as observed,
          sum(case when m.observed_by_hour is not null then m.rented_by_hour[hour]
            else coalesce(m.rented_gpu_hours,
              f.quantity * coalesce(m.uptime_hours, 24) * m.utilization_percentage / 100) / 24 end) as rented,
          max(m.kwh_by_hour[hour]) as metered
        from performance_metrics m cross join generate_series(1, 24) as hour
        where d.is_hourly and d.day >= %(energy_first)s and m.gpu_configuration_id = d.gpu and m.metric_date = d.day
          and m.metric_date between %(energy_first)s and %(today)s
        group by hour
      ) h
    ) x
  ) h
), energetic as (
  select c.*, case when c.is_hourly then c.cost
      else c.kwh * case when c.tariff is null then c.price else c.mean end end as energy,
    case when c.is_hourly then c.is_metered else not c.is_sampled and c.stated_kwh is not null end as was_metered
  from costed c
), days as materialized (
  select e.*, e.revenue - e.fee - e.charge as spare, e.revenue - e.fee - e.charge - e.energy as net
  from energetic e
)
select grouping(part), grouping(day), gpu, part, day, max(updated_at), min(day), null::jsonb,
  sum(rate * quantity) filter (where charted) / nullif(sum(quantity) filter (where charted and rate is not null), 0),
  count(*), count(rented), count(online), count(*) filter (where was_metered and energy is not null),
  count(*) filter (where is_grossed), coalesce(sum(quantity) filter (where revenue is not null), 0),
  count(*) filter (where lacks_parts and revenue is not null),
  count(revenue), sum(revenue), count(fee), sum(fee), count(energy), sum(energy),
  count(kwh), sum(kwh), count(fixed), sum(fixed), count(net), sum(net),
  sum(rented), sum(available) filter (where rented is not null),
  sum(quantity * observed) filter (where rented is not null),
  sum(gpu_revenue) filter (where rented is not null and revenue is not null),
  sum(rented) filter (where revenue is not null),
  sum(available) filter (where rented is not null and revenue is not null),
  sum(revenue) filter (where fee is not null), sum(revenue) filter (where net is not null),
  sum(spare) filter (where kwh is not null), sum(kwh) filter (where spare is not null),
  sum(quantity * online), sum(quantity * observed) filter (where online is not null), sum(observed)
from days group by grouping sets ((gpu, part), (day))
union all
select 1, 1, gpu, null, null, null, min(day),
  jsonb_build_object(
    'rate', (array_agg(rate::text order by day desc) filter (where rate is not null))[1],
    'rate_day', max(day) filter (where rate is not null),
    'share', (array_agg(share::text order by day desc) filter (where share is not null))[1],
    'share_day', max(day) filter (where share is not null),
    'week', jsonb_object_agg(%(today)s - day, jsonb_build_array(revenue::text, share::text))
      filter (where day > %(today)s - 7),
    'platforms', (array_agg(platforms order by day desc))[1],
    'disputed', count(*) filter (where is_disputed and day >= least(%(now_first)s, %(today)s - 6)),
    'today_hours', (max(observed) filter (where day = %(today)s and is_sampled))::text
  ), {nulls}
from days group by gpu
"""
FIGURES = 33
SQL = SQL.replace("{nulls}", ", ".join(["null"] * FIGURES))
