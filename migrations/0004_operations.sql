-- What operators see and decide.

-- Why a partition stands still, and where its checkpoint would go on if that were acknowledged.
alter table checkpoint add column halted_reason text;
alter table checkpoint add column resume_sequence bigint;
alter table checkpoint add column resume_stream_created timestamptz;

-- Who said that a partition may go on without a piece of history, or with another one.
create table acknowledgement (
    acknowledgement_id bigint generated always as identity constraint acknowledgement_pkey primary key,
    generation_id      int not null,
    partition_id       int not null,
    from_sequence      bigint not null,
    to_sequence        bigint not null,
    reason             text not null,
    acknowledged_by    text not null,
    acknowledged_at    timestamptz not null default now()
);

-- A parked event stays in the table when it has been counted after all or given up: with what, by whom, when.
alter table parked_event add column schema text;
alter table parked_event add column state text not null default 'parked'
    constraint parked_event_state check (state in ('parked', 'counted', 'discarded'));
alter table parked_event add column decided_by text;
alter table parked_event add column decided_at timestamptz;

grant select, insert on acknowledgement to tidemark_projector;
