-- The referrers of a report on all time: $1 site, $2 event type, $3 hosts. Like referrers_daily.sql, from the table
-- without the day.
with active as (
    select generation_id, fold_version
    from generation
    where status = 'active'
),
counted as materialized (
    select kind, host, sum(views)::bigint as views
    from referrer_total
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type = $2
    group by kind, host
),
top_host as (
    select host, views
    from counted
    where kind = 'host'
    order by views desc, host
    limit $3
)
select
    fold_version,
    array(select host from top_host order by views desc, host) as "hosts!",
    array(select views from top_host order by views desc, host) as "host_views!",
    coalesce((select views from counted where kind = 'own'), 0) as "own!",
    coalesce((select views from counted where kind = 'none'), 0) as "none!",
    coalesce((select views from counted where kind = 'unreadable'), 0) as "unreadable!"
from active
