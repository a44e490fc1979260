-- The first of all paths of all time: $1 site, $2 event type, $3 how many.
select path, sum(views)::bigint as "views!"
from path_total
where generation_id = (select generation_id from generation where status = 'active')
  and site_id = $1
  and event_type = $2
group by path
order by 2 desc, path
limit $3
