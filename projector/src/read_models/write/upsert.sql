-- Adds views and users: $1 generation, $2 partition; of days $3 sites, $4 event types, $5 days, $6 views, $7 top paths; of
-- all days $8 sites, $9 event types, $10 views, $11 top paths. Then users of days ($12 to $16) and of all days ($17 to $20).
--
-- One statement, because each costs as much as a hundred rows.
with view_days as (
    insert into view_daily as known (generation_id, partition_id, site_id, event_type, day, views, top_paths)
    select $1, $2, site_id, event_type, day, views, top_paths::json
    from unnest($3::text[], $4::text[], $5::date[], $6::bigint[], $7::text[])
        as added (site_id, event_type, day, views, top_paths)
    on conflict (generation_id, site_id, event_type, day, partition_id)
    do update set views = known.views + excluded.views, top_paths = excluded.top_paths
),
view_totals as (
    insert into view_total as known (generation_id, partition_id, site_id, event_type, views, top_paths)
    select $1, $2, site_id, event_type, views, top_paths::json
    from unnest($8::text[], $9::text[], $10::bigint[], $11::text[]) as added (site_id, event_type, views, top_paths)
    on conflict (generation_id, site_id, event_type, partition_id)
    do update set views = known.views + excluded.views, top_paths = excluded.top_paths
),
user_days as (
    insert into user_daily (generation_id, partition_id, site_id, event_type, day, users, sketch)
    select $1, $2, grown.*
    from unnest($12::text[], $13::text[], $14::date[], $15::bigint[], $16::bytea[]) as grown
    on conflict (generation_id, site_id, event_type, day, partition_id)
    do update set users = excluded.users, sketch = excluded.sketch
)
insert into user_total (generation_id, partition_id, site_id, event_type, users, sketch)
select $1, $2, grown.*
from unnest($17::text[], $18::text[], $19::bigint[], $20::bytea[]) as grown
on conflict (generation_id, site_id, event_type, partition_id)
do update set users = excluded.users, sketch = excluded.sketch
