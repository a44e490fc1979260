-- A generation is not vacuumed while it is built. It has next to nothing that a vacuum could reclaim, since a row that is
-- updated leaves its room to the next one of its page; but there is always one that begins, once a minute, and reads all
-- of it, and the reports have to wait for it. Once it is active or may become so, it is vacuumed as any table.

-- As before, but for the last setting of the tables.
create or replace function create_generation(
    new_fold_version int,
    new_sketch_key_id bigint,
    new_event_id_window_s int,
    new_status text
) returns int
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    new_id int := nextval('generation_number');
    model text;
begin
    insert into generation (generation_id, fold_version, sketch_key_id, event_id_window_s, status, activated_at)
    values (new_id, new_fold_version, new_sketch_key_id, new_event_id_window_s, new_status,
            case when new_status = 'active' then now() end);
    for model in
        select relname from pg_partitioned_table join pg_class on pg_class.oid = partrelid
        where relnamespace = 'public'::regnamespace
        order by pg_class.oid
    loop
        -- Counters are updated again and again: room in the page keeps an update from touching the index.
        execute format('create table %I (like %I including all) with (fillfactor = 80, autovacuum_enabled = %s)',
                       model || '_g' || new_id, model, (new_status = 'active')::text);
        execute format('alter table %I attach partition %I for values in (%s)', model, model || '_g' || new_id, new_id);
    end loop;
    return new_id;
end $$;

create function vacuum_from_now_on() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    built regclass;
begin
    for built in
        select format('%I', relname || '_g' || new.generation_id)::regclass
        from pg_partitioned_table join pg_class on pg_class.oid = partrelid
        where relnamespace = 'public'::regnamespace
          -- An older generation was made before some tables.
          and to_regclass(format('%I', relname || '_g' || new.generation_id)) is not null
        order by pg_class.oid
    loop
        execute format('alter table %s reset (autovacuum_enabled)', built);
    end loop;
    return null;
end $$;

create trigger built after update of status on generation
    for each row when (old.status = 'building' and new.status <> 'building')
    execute function vacuum_from_now_on();
