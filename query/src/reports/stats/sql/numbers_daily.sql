-- A report on one day, without sketches: $1 site, $2 event type, $3 day. A row a partition; if there is none, one that has
-- only the generation and its state.
--
-- Most reports are of this kind, and most of what they cost Postgres is to make the plan's nodes ready: so it has few.
-- `offset 0` keeps each table a lookup of its own: a join might be planned as a reading of all its rows.
-- The tables must stay in the order in which create_generation() locks them: see daily.sql.
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
    from view_daily
    where generation_id = active.generation_id
      and site_id = $1
      and event_type = $2
      and day = $3
    offset 0
) as view on true
left join lateral (
    select users
    from user_daily
    where generation_id = active.generation_id
      and site_id = $1
      and event_type = $2
      and day = $3
      and partition_id = view.partition_id
    offset 0
) as users on true
