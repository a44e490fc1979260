-- Several projectors share the partitions: each has one owner, until its lease runs out. Only the clock of this server
-- decides. A lease that ran out does no harm by itself: who takes a partition over changes the epoch, and the old
-- owner's transactions find it changed.

alter table checkpoint add column owner text;
alter table checkpoint add column lease_until timestamptz;

-- Projectors that are alive, so that each takes its share and no more.
create table projector_instance (
    instance_id text not null constraint projector_instance_pkey primary key,
    seen_at     timestamptz not null
);

grant select, insert, update, delete on projector_instance to tidemark_projector;
