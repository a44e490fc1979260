-- A report on many days: $1 site, $2 event type, $3 first and $4 last day (null is open), $5 the first whole month (null is
-- open) and $6 the first one that is not whole any more. Months that are over are read as their summaries, the days before
-- and after them one by one.
--
-- The first row has the generation and its state, and how many views the days of the months have now: the summaries are
-- right if they have as many. Each one can only have fewer, so all of them together tell.
-- The tables must stay in the order in which create_generation() locks them: see daily.sql.
with active as (
    select generation_id, checkpoints, today
    from active_generation
),
-- A month is summed up when it is over, and some events come late.
months as (
    select
        coalesce($5::date, '-infinity') as first,
        greatest($5, least($6, date_trunc('month', (select today from active) - interval '1 day')::date)) as behind
),
month_views as (
    select sum(views)::bigint as views
    from view_daily
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type = $2
      and day >= (select first from months)
      and day < (select behind from months)
),
-- Two ranges, not one with `or`: that would be read from its first day to its last.
day_views as (
    select day, partition_id, views, top_paths
    from view_daily
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type = $2
      and day >= $3
      and day < $5
    union all
    select day, partition_id, views, top_paths
    from view_daily
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type = $2
      and day >= (select behind from months)
      and day <= coalesce($4::date, 'infinity')
),
day_users as (
    select day, partition_id, users, sketch
    from user_daily
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type = $2
      and day >= $3
      and day < $5
    union all
    select day, partition_id, users, sketch
    from user_daily
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type = $2
      and day >= (select behind from months)
      and day <= coalesce($4::date, 'infinity')
),
summary as (
    select month, partition_id, views, top_paths, users_least, users_most, users_low, users_high, sketch
    from month_summary
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type = $2
      and month >= (select first from months)
      and month < (select behind from months)
)
select
    (select generation_id from active) as "generation_id?",
    (select checkpoints from active) as "checkpoints?",
    (select today from active) as "today?",
    null::date as "date?",
    null::int as "partition_id?",
    (select views from month_views) as "views?",
    null::text as "top_paths?",
    null::bigint as "users_least?",
    null::bigint as "users_most?",
    null::bigint as "users_low?",
    null::bigint as "users_high?",
    null::bytea as "sketch?"
union all
select null, null, null, day, partition_id, views, top_paths::text, null, null, null, null, null
from day_views
union all
select null, null, null, day, partition_id, null, null, users, null, null, null, sketch
from day_users
union all
select null, null, null, month, partition_id, views, top_paths::text, users_least, users_most, users_low, users_high, sketch
from summary
