-- The referrers of a report on some days: $1 site, $2 event type, $3 first and $4 last day (null is open), $5 hosts.
-- One row; none if no generation is active.
with active as (
    select generation_id, fold_version
    from generation
    where status = 'active'
),
counted as materialized (
    select kind, host, sum(views)::bigint as views
    from referrer_daily
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type = $2
      and day between coalesce($3::date, '-infinity') and coalesce($4::date, 'infinity')
    group by kind, host
),
top_host as (
    select host, views
    from counted
    where kind = 'host'
    order by views desc, host
    limit $5
)
select
    fold_version,
    array(select host from top_host order by views desc, host) as "hosts!",
    array(select views from top_host order by views desc, host) as "host_views!",
    coalesce((select views from counted where kind = 'own'), 0) as "own!",
    coalesce((select views from counted where kind = 'none'), 0) as "none!",
    coalesce((select views from counted where kind = 'unreadable'), 0) as "unreadable!"
from active
