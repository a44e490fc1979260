-- How far the active generation is folded, and where the log ends, as projectors saw it: a row a partition. Ages are in
-- milliseconds.
select
    partition_id as "partition_id!",
    contained.stream_sequence as "sequence?",
    contained.events as "events?",
    (1000 * extract(epoch from greatest(now() - coalesce(logged_at, updated_at), '0')))::bigint as "age_ms?",
    log_end.stream_sequence as "end_sequence?",
    (1000 * extract(epoch from greatest(now() - observed_at, '0')))::bigint as "end_age_ms?"
from (
    select * from checkpoint
    where generation_id = (select generation_id from generation where status = 'active')
) as contained
full join log_end using (partition_id)
