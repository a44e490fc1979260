-- What is stored of some groups: $1 generation, $2 partition, $3 sites, $4 event types and $5 days, $6 sites and $7 event
-- types of all days. Rows say which of these they are about, by number from 1.
--
-- Looked up one by one, however many they are: of tables that grow quickly Postgres knows too little to plan a join.
select true as "is_daily!", wanted.number as "number!", top_paths::text as "top_paths?", sketch as "sketch?"
from unnest($3::text[], $4::text[], $5::date[]) with ordinality as wanted (site_id, event_type, day, number)
left join lateral (
    select top_paths
    from view_daily as known
    where generation_id = $1
      and partition_id = $2
      and known.site_id = wanted.site_id
      and known.event_type = wanted.event_type
      and known.day = wanted.day
    limit 1
) as views on true
left join lateral (
    select sketch
    from user_daily as known
    where generation_id = $1
      and partition_id = $2
      and known.site_id = wanted.site_id
      and known.event_type = wanted.event_type
      and known.day = wanted.day
    limit 1
) as users on true
union all
select false, wanted.number, top_paths::text, sketch
from unnest($6::text[], $7::text[]) with ordinality as wanted (site_id, event_type, number)
left join lateral (
    select top_paths
    from view_total as known
    where generation_id = $1
      and partition_id = $2
      and known.site_id = wanted.site_id
      and known.event_type = wanted.event_type
    limit 1
) as views on true
left join lateral (
    select sketch
    from user_total as known
    where generation_id = $1
      and partition_id = $2
      and known.site_id = wanted.site_id
      and known.event_type = wanted.event_type
    limit 1
) as users on true
