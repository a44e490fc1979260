-- A report on all time: $1 site, $2 event type. Like daily.sql, from the tables without the day.
-- The first row has the generation and its state; the further ones the views, and the users, of a partition.
with active as (
    select generation_id, checkpoints, today
    from active_generation
),
partition_views as (
    select partition_id, views, top_paths
    from view_total
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type = $2
),
partition_users as (
    select users, sketch
    from user_total
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type = $2
)
select
    (select generation_id from active) as "generation_id?",
    null::date as "day?",
    null::int as "partition_id?",
    null::bigint as "views?",
    null::text as "top_paths?",
    null::bigint as "users?",
    null::bytea as "sketch?",
    (select checkpoints from active) as "checkpoints?",
    (select today from active) as "today?"
union all
select null, null, partition_id, views, top_paths::text, null, null, null, null
from partition_views
union all
select null, null, null, null, null, users, sketch, null, null
from partition_users
