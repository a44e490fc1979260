-- The state of a generation in one word, without sorting and joining text: every report asks for it, and that was a tenth of
-- what the shortest one costs.
--
-- A partition's checkpoint becomes 64 bits that differ by sequence, epoch and partition; in what order they are put together
-- does not matter.
create or replace view active_generation as
select
    generation_id,
    (
        select to_hex(coalesce(bit_xor(hashint8extended(stream_sequence, (partition_id::bigint << 40) # epoch)), 0))
        from checkpoint
        where checkpoint.generation_id = generation.generation_id
    ) as checkpoints,
    (now() at time zone 'utc')::date as today
from generation
where status = 'active';
