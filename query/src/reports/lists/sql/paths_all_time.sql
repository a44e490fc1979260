-- A page of the paths of all time: $1 site, $2 event type, $3 what a path begins with, $4 what is in it, $5 views and
-- $6 path of the last one of the page before (null is none), $7 paths, $8 and $9 like $3 and $4, percent-encoded as paths are
-- counted. Like daily.sql, from the table without the day.
with active as (
    select generation_id, checkpoints, today
    from active_generation
),
-- Folds before the fifth have counted paths as they were sent.
asked as (
    select
        case when fold_version >= 5 then $8 else $3 end as prefix,
        case when fold_version >= 5 then $9 else $4 end as search
    from generation
    where status = 'active'
),
counted as (
    select path, sum(views)::bigint as views
    from path_total
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type = $2
      -- The first says nothing new, but the index has paths in this order.
      and path >= (select prefix from asked)
      and starts_with(path, (select prefix from asked))
      and strpos(path, (select search from asked)) > 0
    group by path
),
page as (
    select path, views
    from counted
    where $5::bigint is null or views < $5 or (views = $5 and path > $6)
    order by views desc, path
    limit $7
)
select
    generation_id as "generation_id!",
    checkpoints as "checkpoints!",
    today as "today!",
    path as "path?",
    views as "views?"
from active
left join page on true
order by views desc, path
