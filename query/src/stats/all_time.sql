-- A report on all time: $1 site, $2 event type, $3 paths, $4 whether to say which part of the log it contains, $5 bytes
-- of the header of a sketch that is its own answer (null is none). Like daily.sql, from the tables without the day.
-- The first rows have the numbers and, if $4 says so, positions; the further ones the users of a partition.
with active as (
    select generation_id
    from generation
    where status = 'active'
),
total as (
    select coalesce(sum(views), 0)::bigint as views
    from view_total
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type = $2
),
top_path as (
    select path, sum(views)::bigint as views
    from path_total
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type = $2
    group by path
    order by views desc, path
    limit $3
),
partition_users as (
    -- One row is its own answer: its sketch stays where it is.
    select
        users,
        case when count(*) over () > 1 then sketch end as sketch,
        case when count(*) over () = 1 then substring(sketch from 1 for $5::int) end as header
    from user_total
    where generation_id = (select generation_id from active)
      and site_id = $1
      and event_type = $2
),
position as (
    -- In the order in which stats/position.rs takes them. Without $4 nothing of this is read.
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
    where $4::boolean
)
select
    (select generation_id from active) as "generation_id?",
    (select views from total) as "total_views?",
    array(select path from top_path order by views desc, path) as "paths?",
    array(select views from top_path order by views desc, path) as "path_views?",
    null::date as "day?",
    null::bigint as "users?",
    null::bytea as "sketch?",
    null::bytea as "sketch_header?",
    null::bigint[] as "position?: Vec<Option<i64>>",
    (
        select md5(coalesce(string_agg(concat_ws(':', partition_id, stream_sequence, epoch), ' ' order by partition_id), ''))
        from checkpoint
        where generation_id = (select generation_id from active)
    ) as "checkpoints?",
    (now() at time zone 'utc')::date as "today?"
union all
select null, null, null, null, null, null, null, null, position, null, null
from position
union all
select null, null, null, null, null, users, sketch, header, null, null, null
from partition_users
order by 6 nulls first
