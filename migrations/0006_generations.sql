-- Generations at work: several are built side by side, one is active, and which one that is changes in one transaction.
--
--   building   projectors of its fold version fold the log into it, behind the active one
--   ready      as far as the active one, and kept there: somebody is to look at it before it is activated
--   active     reports come from it
--   retired    was active; stays as it was, for a rollback
--   scratch    belongs to a `projector verify` that runs, or that was killed

alter table generation drop constraint generation_status;
alter table generation add constraint generation_status
    check (status in ('building', 'ready', 'active', 'retired', 'scratch'));

-- A number is used once, even if its generation is gone: whoever has slept meanwhile must not write into another one.
create sequence generation_number as int;
select setval('generation_number', coalesce(max(generation_id), 0) + 1, false) from generation;

-- Whether it becomes active once it has caught up: not by itself; if it is equal to the active one, where both are of
-- the same fold, key and window; or whatever the comparison says.
alter table generation add column promotion text not null default 'if equal'
    constraint generation_promotion check (promotion in ('by hand', 'if equal', 'always'));
-- Events a second while it is built, over all partitions; null: as fast as it goes.
alter table generation add column events_per_second_max int
    constraint generation_events_per_second_max check (events_per_second_max > 0);
alter table generation add column retired_at timestamptz;
-- What a comparison with the generation that was active then has come to, both at the same checkpoints.
alter table generation add column compared_at timestamptz;
alter table generation add column compared_with int;
alter table generation add column compared_rows bigint;
alter table generation add column compared_differences bigint;

-- Where a generation that is built stops for the time being; null: at the active one's checkpoint.
alter table checkpoint add column ceiling bigint;
-- Events in all envelopes up to the checkpoint, whatever became of them: a measure for lag and progress.
alter table checkpoint add column events bigint not null default 0;

-- Where each partition's stream ends, as a projector saw it last. Those who do not know the log tell lag from it.
create table log_end (
    partition_id    int not null constraint log_end_pkey primary key,
    stream_sequence bigint not null,
    observed_at     timestamptz not null
);

-- A projector takes its share of each generation that it knows how to build.
delete from projector_instance;
alter table projector_instance add column generation_id int not null;
alter table projector_instance drop constraint projector_instance_pkey;
alter table projector_instance add constraint projector_instance_pkey primary key (generation_id, instance_id);

drop function create_generation(int, bigint, int, text);

-- Makes a generation and its tables: one partition of each read model, that is of each table partitioned by
-- generation_id. The projector may call this without having the right to make tables itself.
--
-- Tables are made apart and then attached, because reports go on meanwhile: made in place they would lock each read
-- model against readers, and wait for the longest report.
create function create_generation(
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
        execute format('create table %I (like %I including all) with (fillfactor = 80)', model || '_g' || new_id, model);
        execute format('alter table %I attach partition %I for values in (%s)', model, model || '_g' || new_id, new_id);
    end loop;
    return new_id;
end $$;

-- Drops a generation that no report comes from, with its tables. Waits for readers for a moment only: whoever comes
-- behind this has to wait, too. The caller tries again another time.
create function drop_generation(old_id int) returns void
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '500ms'
as $$
declare
    model text;
begin
    if not exists (select from generation where generation_id = old_id and status <> 'active') then
        raise exception 'generation % is active, or there is none', old_id;
    end if;
    for model in
        select relname from pg_partitioned_table join pg_class on pg_class.oid = partrelid
        where relnamespace = 'public'::regnamespace
        order by pg_class.oid
    loop
        execute format('drop table if exists %I', model || '_g' || old_id);
    end loop;
    delete from generation where generation_id = old_id;
end $$;

revoke all on function create_generation(int, bigint, int, text) from public;
revoke all on function drop_generation(int) from public;
grant execute on function create_generation(int, bigint, int, text) to tidemark_projector;
grant execute on function drop_generation(int) to tidemark_projector;
grant select, insert, update, delete on log_end to tidemark_projector;
-- Reports say which position of the log they contain.
grant select on checkpoint, log_end to tidemark_query;
