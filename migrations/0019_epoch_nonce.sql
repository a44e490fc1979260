-- Changes with each epoch, so that a database that was promoted without the last changes of the former primary, and
-- counts on in epochs of its own, never has a state of the same name with another content.
alter table checkpoint add column epoch_nonce bigint not null default 0;

create function renew_epoch_nonce() returns trigger
language plpgsql set search_path = public, pg_temp
as $$
begin
    if new.epoch <> old.epoch then
        new.epoch_nonce := hashtextextended(gen_random_uuid()::text, 0);
    end if;
    return new;
end $$;

-- Only where a statement names the epoch: commits of batches do not.
create trigger epoch_changed before update of epoch on checkpoint for each row execute function renew_epoch_nonce();

create or replace view active_generation as
select
    generation_id,
    (
        select to_hex(coalesce(bit_xor(hashint8extended(
                   stream_sequence, (partition_id::bigint << 40) # epoch # epoch_nonce)), 0))
        from checkpoint
        where checkpoint.generation_id = generation.generation_id
    ) as checkpoints,
    (now() at time zone 'utc')::date as today
from generation
where status = 'active';
