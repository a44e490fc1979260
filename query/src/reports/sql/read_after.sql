-- What the active generation contains of each partition, and where a projector saw the partition's stream end, with the
-- age of that look in milliseconds. At least one row, whatever there is.
with active as (
    select generation_id from generation where status = 'active'
), contained as (
    select partition_id, stream_sequence from checkpoint join active using (generation_id)
)
select
    exists(select from active) as "has_generation!",
    partition_id as "partition_id?",
    contained.stream_sequence as "sequence?",
    log_end.stream_sequence as "end_sequence?",
    (1000 * extract(epoch from greatest(now() - observed_at, '0')))::bigint as "end_age_ms?"
from (select) as one
left join (contained full join log_end using (partition_id)) on true
