-- Months that are over, each summed up: a report on a year reads twelve rows and some days instead of hundreds.
--
-- A summary says how many views its days had when it was made. Views only grow, and nothing about a day changes without
-- them; so it is right for exactly as long as its days have as many views, and whoever reads it has to see that. Nobody
-- has to throw one away, and it does not matter who writes it, or when. Crashes included: where a summary is, all that it
-- was made from was written before it.
create table month_summary (
    generation_id int not null,
    site_id       text collate "C" not null,
    event_type    text collate "C" not null,
    -- Its first day.
    month         date not null constraint month_summary_month check (extract(day from month) = 1),
    partition_id  int not null,
    views         bigint not null,
    -- As in view_daily, of the whole month.
    top_paths     json not null,
    -- What its days say about its users: the most on one day, all days together, and between which bounds the truth is.
    users_least   bigint not null,
    users_most    bigint not null,
    users_low     bigint not null,
    users_high    bigint not null,
    -- Null: nobody named a user.
    sketch        bytea,
    constraint month_summary_pkey primary key (generation_id, site_id, event_type, month, partition_id)
) partition by list (generation_id);
alter table month_summary alter column sketch set storage external;

-- Generations that were made before get theirs here, as create_generation() makes them.
do $$
declare
    part text;
    known int;
begin
    for known in select generation_id from generation loop
        part := 'month_summary_g' || known;
        execute format('create table %I (like month_summary including all) with (fillfactor = 80)', part);
        execute format('alter table month_summary attach partition %I for values in (%s)', part, known);
    end loop;
end $$;

grant select, insert, update on month_summary to tidemark_projector;
grant select on month_summary to tidemark_query;
