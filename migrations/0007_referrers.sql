-- Where visits came from. Counted by the third version of the fold: its generations have these tables. Those of older
-- versions were made without, or keep them empty.
--
--   host         another site, whose host is beside it
--   none         no referrer was sent
--   own          the site itself
--   unreadable   something was sent that is no URL with a host
--
-- As in the other read models, keys begin with what a report asks for, and text is compared byte by byte.

create table referrer_daily (
    generation_id int not null,
    site_id       text collate "C" not null,
    event_type    text collate "C" not null,
    day           date not null,
    kind          text collate "C" not null
        constraint referrer_daily_kind check (kind in ('host', 'none', 'own', 'unreadable')),
    -- Lower case, without port, at most 253 bytes; empty for all other kinds, because a key has no null.
    host          text collate "C" not null,
    partition_id  int not null,
    views         bigint not null,
    constraint referrer_daily_pkey primary key (generation_id, site_id, event_type, day, kind, host, partition_id),
    constraint referrer_daily_host check ((kind = 'host') = (host <> ''))
) partition by list (generation_id);

create table referrer_total (
    generation_id int not null,
    site_id       text collate "C" not null,
    event_type    text collate "C" not null,
    kind          text collate "C" not null
        constraint referrer_total_kind check (kind in ('host', 'none', 'own', 'unreadable')),
    host          text collate "C" not null,
    partition_id  int not null,
    views         bigint not null,
    constraint referrer_total_pkey primary key (generation_id, site_id, event_type, kind, host, partition_id),
    constraint referrer_total_host check ((kind = 'host') = (host <> ''))
) partition by list (generation_id);

grant select, insert, update on referrer_daily, referrer_total to tidemark_projector;
grant select on referrer_daily, referrer_total to tidemark_query;
