-- What a decision leaves of the history before it. Everything that was counted was stored by the log at this time or
-- before; null where that is `logged_at`, that is where no decision moved the checkpoint since the last commit. A stream
-- that is restored after a decision is told by it: what is older was counted, what is younger was not.
alter table checkpoint add column counted_until timestamptz;
