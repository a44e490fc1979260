-- What the days of a month say, in one moment: $1 generation, $2 partition, $3 site, $4 event type, $5 the month's first day,
-- $6 paths. A row with all views, one for each of the first paths, and one for the users of each day.
select sum(views)::bigint as "views?", null::text as "path?", null::bigint as "users?", null::bytea as "sketch?"
from view_daily
where generation_id = $1
  and site_id = $3
  and event_type = $4
  and day >= $5
  and day < $5 + interval '1 month'
  and partition_id = $2
union all
(
    select sum(views)::bigint, path, null, null
    from path_daily
    where generation_id = $1
      and site_id = $3
      and event_type = $4
      and day >= $5
      and day < $5 + interval '1 month'
      and partition_id = $2
    group by path
    order by 1 desc, path
    limit $6
)
union all
select null, null, users, sketch
from user_daily
where generation_id = $1
  and site_id = $3
  and event_type = $4
  and day >= $5
  and day < $5 + interval '1 month'
  and partition_id = $2
