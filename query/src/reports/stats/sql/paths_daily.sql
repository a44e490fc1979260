-- The first of all paths on some days: $1 site, $2 event type, $3 first and $4 last day (null is open), $5 how many.
select path, sum(views)::bigint as "views!"
from path_daily
where generation_id = (select generation_id from generation where status = 'active')
  and site_id = $1
  and event_type = $2
  and day between coalesce($3::date, '-infinity') and coalesce($4::date, 'infinity')
group by path
order by 2 desc, path
limit $5
