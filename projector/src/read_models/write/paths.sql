-- Adds views of paths, and answers what each has now: $1 generation, $2 partition, $3 sites, $4 event types, $5 days,
-- $6 paths and $7 views of days, $8 sites, $9 event types, $10 paths and $11 views of all days. Rows come in that order.
with daily as (
    insert into path_daily as known (generation_id, partition_id, site_id, event_type, day, path, views)
    select $1, $2, added.*
    from unnest($3::text[], $4::text[], $5::date[], $6::text[], $7::bigint[]) as added
    on conflict (generation_id, site_id, event_type, day, path, partition_id)
    do update set views = known.views + excluded.views
    returning path, views
),
total as (
    insert into path_total as known (generation_id, partition_id, site_id, event_type, path, views)
    select $1, $2, added.*
    from unnest($8::text[], $9::text[], $10::text[], $11::bigint[]) as added
    on conflict (generation_id, site_id, event_type, path, partition_id)
    do update set views = known.views + excluded.views
    returning path, views
)
select path as "path!", views as "views!" from daily
union all
select path, views from total
