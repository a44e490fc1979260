-- A generation is not vacuumed while it is built. It has next to nothing that a vacuum could reclaim, since a row that is
-- updated leaves its room to the next one of its page; but there is always one that begins, once a minute, and reads all
-- of it, and the reports have to wait for it. Once it is active or may become so, it is vacuumed as any table, and stays so.
create function set_vacuum() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    model regclass;
begin
    for model in
        select part.oid::regclass
        from pg_partitioned_table
        join pg_class as whole on whole.oid = partrelid
        join pg_class as part on part.relname = whole.relname || '_g' || new.generation_id
                             and part.relnamespace = whole.relnamespace
        where whole.relnamespace = 'public'::regnamespace
          -- A vacuum that runs would be waited for: only where there is something to change.
          and (tg_op = 'INSERT' or 'autovacuum_enabled=false' = any (part.reloptions))
        order by whole.oid
    loop
        execute format('alter table %s %s', model,
                       case tg_op when 'INSERT' then 'set (autovacuum_enabled = false)'
                                  else 'reset (autovacuum_enabled)' end);
    end loop;
    return null;
end $$;

-- At the end of the transaction: the tables of a generation are made after its row.
create constraint trigger begun after insert on generation deferrable initially deferred
    for each row when (new.status in ('building', 'scratch')) execute function set_vacuum();

create trigger built after update of status on generation
    for each row when (old.status = 'building' and new.status <> 'building') execute function set_vacuum();
