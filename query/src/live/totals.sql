-- Totals of today: $1 sites and $2 event types, pair by pair. Per pair one row for each partition that has users, one
-- without users if none has; the views are on each of them.
--
-- It is one statement for the reasons that daily.sql has, and takes the tables in the same order. Each pair costs two
-- look-ups by primary key, whatever else there is.
with active as (
    select generation_id
    from generation
    where status = 'active'
),
today as (
    select (now() at time zone 'utc')::date as day
)
select
    pair.number as "number!",
    (select generation_id from active) as "generation_id?",
    (select day from today) as "day!",
    counted.views as "views!",
    partition_users.users as "users?",
    partition_users.sketch as "sketch?"
from unnest($1::text[], $2::text[]) with ordinality as pair (site_id, event_type, number)
cross join lateral (
    select coalesce(sum(views), 0)::bigint as views
    from view_daily
    where generation_id = (select generation_id from active)
      and site_id = pair.site_id
      and event_type = pair.event_type
      and day = (select day from today)
) as counted
left join lateral (
    -- One row is its own answer: its sketch stays where it is.
    select users, case when count(*) over () > 1 then sketch end as sketch
    from user_daily
    where generation_id = (select generation_id from active)
      and site_id = pair.site_id
      and event_type = pair.event_type
      and day = (select day from today)
) as partition_users on true
order by pair.number
