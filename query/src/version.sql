-- The state of the read models, without reading any of them: one row; none if no generation is active. Epochs are part
-- of it because operators can count what had been passed by, which moves no sequence.
with active as (
    select generation_id
    from generation
    where status = 'active'
)
select
    generation_id,
    (
        select md5(coalesce(string_agg(concat_ws(':', partition_id, stream_sequence, epoch), ' ' order by partition_id), ''))
        from checkpoint
        where generation_id = (select generation_id from active)
    ) as "checkpoints!",
    (now() at time zone 'utc')::date as "today!"
from active
