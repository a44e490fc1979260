-- Read models: what the log adds up to. Every row can be dropped and computed again from the log.
--
-- Every row belongs to one generation (a complete set of read models, built by one version of the fold) and to one
-- partition of the log. So two projectors never share a row, partitions can be added, and a generation goes away with
-- its tables: each read model is partitioned by generation_id.
--
-- Days are UTC days of the events' own timestamps. Text is compared byte by byte (collate "C"): ties in a report are in
-- byte order, and an index cannot be broken by a new version of the system's collations.

-- Two roles with the least rights each process needs. They cannot log in until `projector migrate` is given passwords
-- for them. Roles belong to the server, not to the database: another database may have made them already.
do $$
begin
    create role tidemark_projector nologin;
exception when duplicate_object or unique_violation then null;
end $$;

do $$
begin
    create role tidemark_query nologin;
exception when duplicate_object or unique_violation then null;
end $$;

-- A generation's rows are meaningful only under the fold that made them and the key its sketches were made with.
create table generation (
    generation_id int not null constraint generation_pkey primary key,
    fold_version  int not null,
    sketch_key_id bigint not null,
    status        text not null constraint generation_status check (status in ('building', 'active', 'retired')),
    created_at    timestamptz not null default now(),
    activated_at  timestamptz
);

-- Reports come from exactly one generation.
create unique index generation_active on generation (status) where status = 'active';

-- What a generation contains: of each partition, all envelopes up to and including stream_sequence.
-- Moved by compare-and-set on (stream_sequence, epoch), first in the transaction that writes the rows below.
create table checkpoint (
    generation_id   int not null constraint checkpoint_generation references generation on delete cascade,
    partition_id    int not null,
    stream_sequence bigint not null constraint checkpoint_sequence check (stream_sequence >= 0),
    -- Goes up with every change of owner: an owner that was replaced can no longer move the checkpoint.
    epoch           bigint not null default 0,
    -- When the stream was made. A stream that was deleted and made anew counts from 1 again and is not this history.
    stream_created  timestamptz not null,
    updated_at      timestamptz not null default now(),
    constraint checkpoint_pkey primary key (generation_id, partition_id)
);

-- Events the fold could not read: kept as they are, with the reason. Written in the transaction that passes them by.
create table parked_event (
    generation_id   int not null constraint parked_event_generation references generation on delete cascade,
    partition_id    int not null,
    stream_sequence bigint not null,
    -- Line in the envelope, from 0; -1 where the envelope as a whole could not be read.
    line            int not null,
    reason          text not null,
    -- When the log stored the envelope.
    logged_at       timestamptz not null,
    event           bytea not null,
    constraint parked_event_pkey primary key (generation_id, partition_id, stream_sequence, line)
);

-- Read models. Primary keys begin with what a report asks for; partition_id is last because a report adds over it.

create table view_daily (
    generation_id int not null,
    site_id       text collate "C" not null,
    event_type    text collate "C" not null,
    day           date not null,
    partition_id  int not null,
    views         bigint not null,
    constraint view_daily_pkey primary key (generation_id, site_id, event_type, day, partition_id)
) partition by list (generation_id);

create table view_total (
    generation_id int not null,
    site_id       text collate "C" not null,
    event_type    text collate "C" not null,
    partition_id  int not null,
    views         bigint not null,
    constraint view_total_pkey primary key (generation_id, site_id, event_type, partition_id)
) partition by list (generation_id);

-- The largest key is 64 + 64 + 2,048 bytes and some: below the 2,704 that a btree takes.
create table path_daily (
    generation_id int not null,
    site_id       text collate "C" not null,
    event_type    text collate "C" not null,
    day           date not null,
    path          text collate "C" not null,
    partition_id  int not null,
    views         bigint not null,
    constraint path_daily_pkey primary key (generation_id, site_id, event_type, day, path, partition_id)
) partition by list (generation_id);

create table path_total (
    generation_id int not null,
    site_id       text collate "C" not null,
    event_type    text collate "C" not null,
    path          text collate "C" not null,
    partition_id  int not null,
    views         bigint not null,
    constraint path_total_pkey primary key (generation_id, site_id, event_type, path, partition_id)
) partition by list (generation_id);

-- A sketch and, beside it, what it counts to: a report on one day reads a number, not 12 KB.
create table user_daily (
    generation_id int not null,
    site_id       text collate "C" not null,
    event_type    text collate "C" not null,
    day           date not null,
    partition_id  int not null,
    users         bigint not null,
    sketch        bytea not null,
    constraint user_daily_pkey primary key (generation_id, site_id, event_type, day, partition_id)
) partition by list (generation_id);

create table user_total (
    generation_id int not null,
    site_id       text collate "C" not null,
    event_type    text collate "C" not null,
    partition_id  int not null,
    users         bigint not null,
    sketch        bytea not null,
    constraint user_total_pkey primary key (generation_id, site_id, event_type, partition_id)
) partition by list (generation_id);

-- Sketches do not compress: trying costs time and saves nothing.
alter table user_daily alter column sketch set storage external;
alter table user_total alter column sketch set storage external;

-- Makes a generation and its tables. The projector may call this without having the right to make tables itself.
-- The caller holds a lock on generation, so that two callers cannot choose the same number.
create function create_generation(new_fold_version int, new_sketch_key_id bigint, new_status text) returns int
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    new_id int := (select coalesce(max(generation_id), 0) + 1 from generation);
    model text;
begin
    insert into generation (generation_id, fold_version, sketch_key_id, status, activated_at)
    values (new_id, new_fold_version, new_sketch_key_id, new_status, case when new_status = 'active' then now() end);
    foreach model in array array['view_daily', 'view_total', 'path_daily', 'path_total', 'user_daily', 'user_total'] loop
        -- Counters are updated again and again: room in the page keeps an update from touching the index.
        execute format('create table %I partition of %I for values in (%s) with (fillfactor = 80)',
                       model || '_g' || new_id, model, new_id);
    end loop;
    return new_id;
end $$;

revoke all on function create_generation(int, bigint, text) from public;
grant execute on function create_generation(int, bigint, text) to tidemark_projector;

grant select, insert, update on checkpoint, parked_event, view_daily, view_total, path_daily, path_total, user_daily,
    user_total to tidemark_projector;
grant select, update on generation to tidemark_projector;
grant select on _sqlx_migrations to tidemark_projector, tidemark_query;
grant select on generation, view_daily, view_total, path_daily, path_total, user_daily, user_total to tidemark_query;
