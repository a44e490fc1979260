-- The next sites, each with one event type and partition: $1 generation, $2 partitions; $3 site, $4 event type and $5 partition
-- of the one before (empty is none), $6 how many.
select site_id, event_type, partition_id
from view_total
where generation_id = $1
  and partition_id = any($2)
  and (site_id, event_type, partition_id) > ($3, $4, $5)
order by site_id, event_type, partition_id
limit $6
