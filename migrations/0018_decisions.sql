-- Decisions of operators, and events that wait for one, belong to one history: that of the stream they were made for.

-- When the stream was made whose sequence this is; null where that is not known.
alter table parked_event add column stream_created timestamptz;
-- The acknowledgement after which the log gives the sequence to another envelope; 0 while it does not. Sequences come
-- again as often as a stream is made anew or restored to an older state, so this is part of the key.
alter table parked_event add column superseded_by bigint not null default 0;

update parked_event
set stream_created = checkpoint.stream_created
from checkpoint
where checkpoint.generation_id = parked_event.generation_id
  and checkpoint.partition_id = parked_event.partition_id
  and parked_event.stream_sequence > 0;

alter table parked_event drop constraint parked_event_pkey;
-- Events that were set aside so far have negative sequences, and it is not known by which acknowledgement: -1.
update parked_event set stream_sequence = -stream_sequence, superseded_by = -1 where stream_sequence < 0;
alter table parked_event
    add constraint parked_event_pkey primary key (generation_id, partition_id, superseded_by, stream_sequence, line);

-- The stream that was decided about. Null: from before this was recorded; it is taken for no stream that is there.
alter table acknowledgement add column stream_created timestamptz;
-- Null: a decision. Otherwise this generation passed a gap by that decision, which was made for another generation.
alter table acknowledgement add column decision_id bigint
    constraint acknowledgement_decision references acknowledgement (acknowledgement_id);
