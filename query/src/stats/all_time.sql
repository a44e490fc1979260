-- A report on all time: $1 site, $2 event type, $3 whether to say which part of the log it contains, $4 bytes of the
-- header of a sketch that is its own answer (null is none). Like daily.sql, from the tables without the day.
-- The first row has the generation and its state; then, if $3 says so, positions; the further ones the views, and the users, of a
-- partition.
with active as (
    select generation_id, checkpoints, today
    from active_generation
),
partition_views as (
    select partition_id, views, top_paths
    from view_total
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type = $2
),
partition_users as (
    -- One row is its own answer: its sketch stays where it is.
    select
        users,
        case when count(*) over () > 1 then sketch end as sketch,
        case when count(*) over () = 1 then substring(sketch from 1 for $4::int) end as header
    from user_total
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type = $2
),
position as (
    -- In the order in which stats/position.rs takes them. Without $3 nothing of this is read.
    select array[
        partition_id,
        contained.stream_sequence,
        contained.events,
        1000 * extract(epoch from greatest(now() - coalesce(logged_at, updated_at), '0')),
        log_end.stream_sequence,
        1000 * extract(epoch from greatest(now() - observed_at, '0'))
    ]::bigint[] as position
    from (select * from checkpoint where generation_id = (select generation_id from active)) as contained
    full join log_end using (partition_id)
    where $3::boolean
)
select
    (select generation_id from active) as "generation_id?",
    null::date as "day?",
    null::int as "partition_id?",
    null::bigint as "views?",
    null::text as "top_paths?",
    null::bigint as "users?",
    null::bytea as "sketch?",
    null::bytea as "sketch_header?",
    null::bigint[] as "position?: Vec<Option<i64>>",
    (select checkpoints from active) as "checkpoints?",
    (select today from active) as "today?"
union all
select null, null, null, null, null, null, null, null, position, null, null
from position
union all
select null, null, partition_id, views, top_paths::text, null, null, null, null, null, null
from partition_views
union all
select null, null, null, null, null, users, sketch, header, null, null, null
from partition_users
