-- A report on some days: $1 site, $2 event type, $3 first and $4 last day (null is open).
-- The first row has the generation and its state; the further ones the views, and the users, of a day and partition, day by
-- day.
--
-- It must stay one statement. Statements of their own could see views and users at different moments; and even in one
-- transaction they would lock the tables one by one, so that a generation dropped meanwhile reads as empty.
-- The tables must stay in the order in which create_generation() locks them: in another one a report and a new
-- generation can wait for each other.
with active as (
    select generation_id, checkpoints, today
    from active_generation
),
day_views as (
    select day, partition_id, views, top_paths
    from view_daily
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type = $2
      and day between coalesce($3::date, '-infinity') and coalesce($4::date, 'infinity')
),
day_users as (
    select day, users, sketch
    from user_daily
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type = $2
      and day between coalesce($3::date, '-infinity') and coalesce($4::date, 'infinity')
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
select null, day, partition_id, views, top_paths::text, null, null, null, null
from day_views
union all
select null, day, null, null, null, users, sketch, null, null
from day_users
order by 2 nulls first
