-- A time series: $1 site, $2 event type, $3 first and $4 last day, $5 interval, $6 whether to count views and $7 users.
-- A row a day with its views, and one a day and partition with its users, day by day. Each begins with the state that
-- all were read from; where there are no days, that is the only row. None if no generation is active.
with active as (
    select generation_id, checkpoints, today
    from active_generation
),
day_views as (
    select day, sum(views)::bigint as views
    from view_daily
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type = $2
      and day between $3 and $4
      and $6::boolean
    group by day
),
day_users as (
    select
        day,
        users,
        -- The only row of its interval is its own answer: its sketch stays where it is.
        case when count(*) over (partition by date_trunc($5, day::timestamp)) > 1 then sketch end as sketch
    from user_daily
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type = $2
      and day between $3 and $4
      and $7::boolean
),
counted as (
    select day, views, null::bigint as users, null::bytea as sketch from day_views
    union all
    select day, null, users, sketch from day_users
)
select
    generation_id as "generation_id!",
    checkpoints as "checkpoints!",
    today as "today!",
    day as "day?",
    views as "views?",
    users as "users?",
    sketch as "sketch?"
from active
left join counted on true
order by day
