-- The event types of all time: $1 site, $2 types. Like daily.sql, from the tables without the day.
with active as (
    select generation_id, checkpoints, today
    from active_generation
),
type_views as materialized (
    select event_type, sum(views)::bigint as views
    from view_total
    where generation_id = (select generation_id from active)
      and site_id = $1
    group by event_type
    order by views desc, event_type
    limit $2
),
type_users as (
    select
        event_type,
        users,
        case when count(*) over (partition by event_type) > 1 then sketch end as sketch
    from user_total
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type in (select event_type from type_views)
),
counted as (
    select event_type, views, null::bigint as users, null::bytea as sketch from type_views
    union all
    select event_type, null, users, sketch from type_users
)
select
    generation_id as "generation_id!",
    checkpoints as "checkpoints!",
    today as "today!",
    event_type as "event_type?",
    null::date as "day?",
    views as "views?",
    users as "users?",
    sketch as "sketch?"
from active
left join counted on true
order by event_type
