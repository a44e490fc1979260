-- Summaries, those behind a month: $1 generation; $2 site, $3 event type, $4 first day and $5 partition of that month (null is
-- before all); $6 site, $7 first and $8 last day that they are to be about (null is any); $9 how many.
select site_id, event_type, month as first_day, partition_id, views, top_paths::text as "top_paths!", users_least, users_most,
    users_low, users_high, sketch
from month_summary
where generation_id = $1
  and ($2::text is null or (site_id, event_type, month, partition_id) > ($2, $3::text, $4::date, $5::int))
  and ($6::text is null or site_id = $6)
  and ($7::date is null or month + interval '1 month' > $7)
  and ($8::date is null or month <= $8)
order by site_id, event_type, month, partition_id
limit $9
