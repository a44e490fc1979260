-- A generation is not vacuumed while it is built. It has next to nothing that a vacuum could reclaim, since a row that is
-- updated leaves its room to the next one of its page; but there is always one that begins, once a minute, and reads all
-- of it, and the reports have to wait for it. Once it is active or may become so, it is vacuumed as any table.
--
-- Somebody who vacuums by hand is waited for a moment only: a switch holds back the active generation's commits, and is
-- tried again.
create function set_vacuum() returns trigger
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '500ms'
as $$
declare
    model regclass;
    setting text := case when new.status in ('building', 'scratch') then 'set (autovacuum_enabled = false)'
                         else 'reset (autovacuum_enabled)' end;
begin
    for model in
        select format('%I', relname || '_g' || new.generation_id)::regclass
        from pg_partitioned_table join pg_class on pg_class.oid = partrelid
        where relnamespace = 'public'::regnamespace
          -- An older generation was made before some tables, and one may be dropped in the transaction that makes it.
          and to_regclass(format('%I', relname || '_g' || new.generation_id)) is not null
        order by pg_class.oid
    loop
        execute format('alter table %s %s', model, setting);
    end loop;
    return null;
end $$;

-- At the end of the transaction: the tables of a new generation are made after its row.
create constraint trigger vacuum after insert or update of status on generation
    deferrable initially deferred
    for each row execute function set_vacuum();
