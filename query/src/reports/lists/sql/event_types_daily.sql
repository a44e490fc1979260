-- The event types of some days: $1 site, $2 first and $3 last day (null is open), $4 types.
-- A row a type with its views, and one a type, day and partition with its users, type by type and day by day. Each
-- begins with the state that all were read from; where there are no types, that is the only row. None if no generation
-- is active.
with active as (
    select generation_id, checkpoints, today
    from active_generation
),
type_views as materialized (
    select event_type, sum(views)::bigint as views
    from view_daily
    where generation_id = (select generation_id from active)
      and site_id = $1
      and day between coalesce($2::date, '-infinity') and coalesce($3::date, 'infinity')
    group by event_type
    order by views desc, event_type
    limit $4
),
type_users as (
    select
        event_type,
        day,
        users,
        -- The only row of its type is its own answer: its sketch stays where it is.
        case when count(*) over (partition by event_type) > 1 then sketch end as sketch
    from user_daily
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type in (select event_type from type_views)
      and day between coalesce($2::date, '-infinity') and coalesce($3::date, 'infinity')
),
counted as (
    select event_type, null::date as day, views, null::bigint as users, null::bytea as sketch from type_views
    union all
    select event_type, day, null, users, sketch from type_users
)
select
    generation_id as "generation_id!",
    checkpoints as "checkpoints!",
    today as "today!",
    event_type as "event_type?",
    day as "day?",
    views as "views?",
    users as "users?",
    sketch as "sketch?"
from active
left join counted on true
order by event_type, day
