-- A stream that was restored to an older state and has grown since looks like the one that was folded: the same name,
-- the same age, long enough. What tells them apart is when the log stored the last envelope that was folded. Null where
-- that is not known: nothing was folded yet, or an operator moved the checkpoint.
alter table checkpoint add column logged_at timestamptz;

-- Ids of a parked event that counts after all are added to those of the batch that passed it by.
grant update on recent_event_id to tidemark_projector;
