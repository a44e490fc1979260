-- A report on all time: $1 site, $2 event type, $3 paths. Like daily.sql, from the tables without the day.
-- The first row has the numbers, the further ones the users of a partition.
with active as (
    select generation_id
    from generation
    where status = 'active'
),
total as (
    select coalesce(sum(views), 0)::bigint as views
    from view_total
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type = $2
),
top_path as (
    select path, sum(views)::bigint as views
    from path_total
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type = $2
    group by path
    order by views desc, path
    limit $3
),
partition_users as (
    -- One row is its own answer: its sketch stays where it is.
    select users, case when count(*) over () > 1 then sketch end as sketch
    from user_total
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type = $2
)
select
    (select generation_id from active) as "generation_id?",
    (select views from total) as "total_views?",
    array(select path from top_path order by views desc, path) as "paths?",
    array(select views from top_path order by views desc, path) as "path_views?",
    null::date as "day?",
    null::bigint as "users?",
    null::bytea as "sketch?"
union all
select null, null, null, null, null, users, sketch
from partition_users
order by 6 nulls first
