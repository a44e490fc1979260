-- Log time of each partition, and the bound of what is remembered of event ids.

-- Log time in milliseconds, where every envelope moves it; null under folds where only ids do, by log_slot alone. The
-- rules are those of projector/src/repeats/log_clock.rs, and what they hang on is kept here, so that a restart decides as
-- if there had been none: the earliest time ahead that is doubted, and both times of the last envelope.
alter table checkpoint
    add column log_time_ms bigint,
    add column doubted_time_ms bigint,
    add column stored_time_ms bigint,
    add column sent_time_ms bigint,
    -- Ids of slots before this one are forgotten because there were too many.
    add column kept_from_slot bigint not null default 0;

-- The slot of log time that an envelope was parked in: its ids are noted there once they can be read. Null where log time
-- was in doubt, and under folds where envelopes do not move it.
alter table parked_event add column log_slot bigint;
