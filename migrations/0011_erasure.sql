-- Erasures: that something was erased, when, and how much; never what. Whoever asks for the proof asks for this.

create table erasure (
    erasure_id    bigint generated always as identity constraint erasure_pkey primary key,
    kind          text not null constraint erasure_kind check (kind in ('site', 'user')),
    -- Until it is finished, so that the same command finds it again: a digest under the SKETCH_KEY. Then null.
    whose         bigint constraint erasure_whose unique,
    begun_at      timestamptz not null default now(),
    -- Noted before they are erased: where a run was killed, some may be noted twice, none is left out.
    events        bigint not null default 0,
    envelopes     bigint not null default 0,
    -- When the last of them was gone from the log. Read models that were begun before may contain them.
    logged_off_at timestamptz,
    -- The read models that were built from what is left, and when nothing was found any more. Null: not finished; the same
    -- command, run again, goes on.
    generation_id int,
    finished_at   timestamptz,
    constraint erasure_finished check (finished_at is null or (whose is null and generation_id is not null))
);

grant select, insert, update, delete on erasure to tidemark_projector;

-- Writes anew the tables in which rows of all generations lie together. A row that was deleted stays in its page until
-- something takes its room; what was erased must not.
create function shed_deleted_rows() returns void
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '5s'
as $$
begin
    cluster parked_event using parked_event_pkey;
    cluster recent_event_id using recent_event_id_pkey;
    cluster repeat_total using repeat_total_pkey;
    -- What the planner knows of their most common values goes, too.
    analyze parked_event, recent_event_id, repeat_total;
end $$;

revoke all on function shed_deleted_rows() from public;
grant execute on function shed_deleted_rows() to tidemark_projector;
