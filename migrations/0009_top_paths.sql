-- The paths with the most views, in order, beside the views themselves: a report on one day, or on all time, reads one
-- row however many paths there are. At most 16: [["/pricing", 700], ["/", 250]]. Kept by the fourth version of the fold; null
-- in generations of older ones.
--
-- In these tables and not in some of their own, because whoever adds views to a row has the new list at hand, and no
-- index has to be touched for it.
alter table view_daily add column top_paths json;
alter table view_total add column top_paths json;
