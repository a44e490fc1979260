-- A report on all time, without sketches: $1 site, $2 event type. Like numbers_daily.sql, from the tables without the day.
select
    generation_id as "generation_id!",
    checkpoints as "checkpoints!",
    today as "today!",
    view.partition_id as "partition_id?",
    view.views as "views?",
    view.top_paths::text as "top_paths?",
    users.users as "users?"
from active_generation as active
left join lateral (
    select partition_id, views, top_paths
    from view_total
    where generation_id = active.generation_id
      and site_id = $1
      and event_type = $2
    offset 0
) as view on true
left join lateral (
    select users
    from user_total
    where generation_id = active.generation_id
      and site_id = $1
      and event_type = $2
      and partition_id = view.partition_id
    offset 0
) as users on true
