-- A page of the paths of some days: $1 site, $2 event type, $3 first and $4 last day (null is open), $5 what a path
-- begins with, $6 what is in it, $7 views and $8 path of the last one of the page before (null is none), $9 paths, $10
-- and $11 like $5 and $6, percent-encoded as paths are counted.
-- Each row begins with the state that all were read from; where there are no paths, that is the only row. None if no
-- generation is active.
with active as (
    select generation_id, checkpoints, today
    from active_generation
),
-- Folds before the fifth have counted paths as they were sent.
asked as (
    select
        case when fold_version >= 5 then $10 else $5 end as prefix,
        case when fold_version >= 5 then $11 else $6 end as search
    from generation
    where status = 'active'
),
counted as (
    select path, sum(views)::bigint as views
    from path_daily
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type = $2
      and day between coalesce($3::date, '-infinity') and coalesce($4::date, 'infinity')
      and starts_with(path, (select prefix from asked))
      -- Not like: what is looked for has no wildcards.
      and strpos(path, (select search from asked)) > 0
    group by path
),
page as (
    select path, views
    from counted
    where $7::bigint is null or views < $7 or (views = $7 and path > $8)
    order by views desc, path
    limit $9
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
