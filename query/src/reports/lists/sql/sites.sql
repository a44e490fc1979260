-- A page of the sites: $1 event type, $2 what a site begins with, $3 the last one of the page before (empty is none), $4
-- sites, $5 the only sites that there may be (null is all). A row a site with its views and its last day, and one a site
-- and partition with its users, site by site. Each begins with the state that all were read from; where there are no
-- sites, that is the only row. None if no generation is active.
--
-- The tables must stay in the order in which create_generation() locks them: see stats/daily.sql.
with recursive active as (
    select generation_id, checkpoints, today
    from active_generation
),
known as (
    -- From each site to the next one by the index, whatever days and types are between. Sites are of characters before
    -- the last one of ASCII: what is up to it begins with $2.
    (
        select site_id
        from view_daily
        where generation_id = (select generation_id from active)
          and site_id > $3
          and site_id >= $2
          and site_id < $2 || chr(127)
        order by site_id
        limit 1
    )
    union all
    select (
        select site_id
        from view_daily
        where generation_id = (select generation_id from active)
          and site_id > known.site_id
          and site_id < $2 || chr(127)
        order by site_id
        limit 1
    )
    from known
    where known.site_id is not null
),
-- Each of few sites is looked up by itself, wherever it lies among the others.
granted as (
    select site_id
    from unnest($5::text[] collate "C") as named (site_id)
    where site_id > $3
      and site_id >= $2
      and site_id < $2 || chr(127)
      and exists (
          select
          from view_daily
          where generation_id = (select generation_id from active)
            and view_daily.site_id = named.site_id
      )
    order by site_id
    limit $4
),
page as materialized (
    select site_id from known where $5::text[] is null and site_id is not null
    union all
    select site_id from granted
    limit $4
),
last_day as (
    select
        site_id,
        (
            select max(day)
            from view_daily
            where generation_id = (select generation_id from active)
              and site_id = page.site_id
              and event_type = $1
        ) as day
    from page
),
site_views as (
    select site_id, sum(views)::bigint as views
    from view_total
    where generation_id = (select generation_id from active)
      and site_id in (select site_id from page)
      and event_type = $1
    group by site_id
),
site_users as (
    select
        site_id,
        users,
        -- The only row of its site is its own answer: its sketch stays where it is.
        case when count(*) over (partition by site_id) > 1 then sketch end as sketch
    from user_total
    where generation_id = (select generation_id from active)
      and site_id in (select site_id from page)
      and event_type = $1
),
counted as (
    select site_id, day, coalesce(views, 0) as views, null::bigint as users, null::bytea as sketch
    from last_day
    left join site_views using (site_id)
    union all
    select site_id, null, null, users, sketch from site_users
)
select
    generation_id as "generation_id!",
    checkpoints as "checkpoints!",
    today as "today!",
    site_id as "site_id?",
    day as "last_day?",
    views as "views?",
    users as "users?",
    sketch as "sketch?"
from active
left join counted on true
order by site_id
