-- Repeats: an event whose event_id its site has used within a window of log time is not counted again. What is
-- remembered for that lies here, written in the transaction that moves the checkpoint, so that a restart decides as if
-- there had been none.

-- Part of what a generation is: another window would count otherwise. 0: a fold that recognises no repeats.
alter table generation add column event_id_window_s int not null default 0;
alter table generation alter column event_id_window_s drop default;

-- Log time in sixtieths of the window, the largest seen. Log time never runs backwards for the fold, whatever the
-- clock of the log's server does.
alter table checkpoint add column log_slot bigint not null default 0;

-- The ids of one batch, 12 bytes each: 8 of a keyed hash, 4 of the slot it was last seen in. One row a batch: a row an
-- id would cost ten times as much. Rows that have left the window are deleted.
create table recent_event_id (
    generation_id   int not null constraint recent_event_id_generation references generation on delete cascade,
    partition_id    int not null,
    stream_sequence bigint not null,
    log_slot        bigint not null,
    ids             bytea not null,
    constraint recent_event_id_pkey primary key (generation_id, partition_id, stream_sequence)
);
alter table recent_event_id alter column ids set storage external;

-- How many events were not counted because they were repeats.
create table repeat_total (
    generation_id int not null constraint repeat_total_generation references generation on delete cascade,
    site_id       text collate "C" not null,
    partition_id  int not null,
    repeats       bigint not null,
    constraint repeat_total_pkey primary key (generation_id, site_id, partition_id)
);

drop function create_generation(int, bigint, text);

-- Makes a generation and its tables. The projector may call this without having the right to make tables itself.
-- The caller holds a lock on generation, so that two callers cannot choose the same number. Reports wait meanwhile:
-- keep the transaction short, and take the tables in this order wherever several are locked.
create function create_generation(
    new_fold_version int,
    new_sketch_key_id bigint,
    new_event_id_window_s int,
    new_status text
) returns int
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    new_id int := (select coalesce(max(generation_id), 0) + 1 from generation);
    model text;
begin
    insert into generation (generation_id, fold_version, sketch_key_id, event_id_window_s, status, activated_at)
    values (new_id, new_fold_version, new_sketch_key_id, new_event_id_window_s, new_status,
            case when new_status = 'active' then now() end);
    foreach model in array array['view_daily', 'view_total', 'path_daily', 'path_total', 'user_daily', 'user_total'] loop
        -- Counters are updated again and again: room in the page keeps an update from touching the index.
        execute format('create table %I partition of %I for values in (%s) with (fillfactor = 80)',
                       model || '_g' || new_id, model, new_id);
    end loop;
    return new_id;
end $$;

revoke all on function create_generation(int, bigint, int, text) from public;
grant execute on function create_generation(int, bigint, int, text) to tidemark_projector;
grant select, insert, delete on recent_event_id to tidemark_projector;
grant select, insert, update on repeat_total to tidemark_projector;
grant select on repeat_total to tidemark_query;
