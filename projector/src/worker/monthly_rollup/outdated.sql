-- Months that are over and are not summed up, or not as they are now: $1 generation, $2 sites, $3 event types and $4
-- partitions, one of each for one that is looked at.
--
-- Looked up one by one: a table of days may be as large as it likes.
select site_id as "site_id!", event_type as "event_type!", partition_id as "partition_id!", month as "first_day!"
from unnest($2::text[], $3::text[], $4::int[]) as looked_at (site_id, event_type, partition_id)
cross join lateral (
    select date_trunc('month', day::timestamp)::date as month, sum(views) as views
    from view_daily
    where generation_id = $1
      and site_id = looked_at.site_id
      and event_type = looked_at.event_type
      and partition_id = looked_at.partition_id
      and day < date_trunc('month', now() at time zone 'utc')::date
    group by 1
) as now
where not exists (
    select
    from month_summary as known
    where generation_id = $1
      and site_id = looked_at.site_id
      and event_type = looked_at.event_type
      and known.month = now.month
      and partition_id = looked_at.partition_id
      and known.views = now.views
)
