-- The generation that reports come from, and the state it is in: what a report was made of, in one word.
--
-- All rows of a generation change together with one of its checkpoints, or with the epoch of one, because operators can
-- count what had been passed by, which moves no sequence.
create view active_generation as
select
    generation_id,
    (
        select md5(coalesce(string_agg(concat_ws(':', partition_id, stream_sequence, epoch), ' ' order by partition_id), ''))
        from checkpoint
        where checkpoint.generation_id = generation.generation_id
    ) as checkpoints,
    (now() at time zone 'utc')::date as today
from generation
where status = 'active';

grant select on active_generation to tidemark_query;
