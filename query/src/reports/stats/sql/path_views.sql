-- The views of some paths on some days, those that have any: $1 site, $2 event type, $3 days, $4 partitions, $5 paths.
--
-- Looked up one by one: a join might be planned as a reading of all paths.
select wanted.path as "path!", known.views
from unnest($3::date[], $4::int[], $5::text[]) as wanted (day, partition_id, path)
cross join lateral (
    select views
    from path_daily
    where generation_id = (select generation_id from generation where status = 'active')
      and site_id = $1
      and event_type = $2
      and day = wanted.day
      and partition_id = wanted.partition_id
      and path_daily.path = wanted.path
    limit 1
) as known
