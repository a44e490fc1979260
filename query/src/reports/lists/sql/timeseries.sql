-- A time series: $1 site, $2 event type, $3 first and $4 last day, $5 interval, $6 whether to count views and $7 users.
-- A row a day with its views, and one a day and partition with its users, day by day; of months that are summed up as they
-- are now, one a month with its users. Each begins with the state that all were read from; where there are no days, that is
-- the only row. None if no generation is active.
--
-- The tables must stay in the order in which create_generation() locks them: see stats/daily.sql.
with active as (
    select generation_id, checkpoints, today
    from active_generation
),
day_views as materialized (
    select day, date_trunc('month', day::timestamp)::date as month, partition_id, views
    from view_daily
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type = $2
      and day between $3 and $4
      and ($6::boolean or $5 = 'month')
),
day_users as (
    select day, users, sketch
    from user_daily
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type = $2
      and day between $3 and $4
      and $7::boolean
),
-- One stands for all days of its month: it is read only where the range has all of them, and they have as many views now as
-- it was made of. As many views in a part of them would say nothing: events may have come late.
summary as materialized (
    select known.*
    from (
        select month, min(partition_id) as partition_id, sum(views) as views
        from day_views
        where $5 = 'month'
          and $7
          and month >= $3
          and month + interval '1 month' <= $4 + interval '1 day'
        group by month
        having min(partition_id) = max(partition_id)
    ) as now
    cross join lateral (
        select month, users_least, users_most, users_low, users_high, sketch
        from month_summary
        where generation_id = (select generation_id from active)
          and site_id = $1
          and event_type = $2
          and month = now.month
          and partition_id = now.partition_id
          and views = now.views
        offset 0
    ) as known
),
counted as (
    select
        day,
        sum(views)::bigint as views,
        null::bigint as users,
        null::bigint as users_most,
        null::bigint as users_low,
        null::bigint as users_high,
        null::bytea as sketch
    from day_views
    where $6
    group by day
    union all
    select
        day,
        null,
        users,
        null,
        null,
        null,
        -- The only row of its interval is its own answer: its sketch stays where it is.
        case when count(*) over (partition by date_trunc($5, day::timestamp)) > 1 then sketch end
    from day_users
    where not exists (select from summary where month = date_trunc('month', day::timestamp)::date)
    union all
    select month, null, users_least, users_most, users_low, users_high, sketch
    from summary
)
select
    generation_id as "generation_id!",
    checkpoints as "checkpoints!",
    today as "today!",
    day as "day?",
    views as "views?",
    users as "users?",
    users_most as "users_most?",
    users_low as "users_low?",
    users_high as "users_high?",
    sketch as "sketch?"
from active
left join counted on true
order by day
