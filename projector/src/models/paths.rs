//! Views per path: of a day, and of all days. There are more of these rows than of all others together.

use chrono::NaiveDate;
use sqlx::PgConnection;

use super::{Daily, Total};
use crate::checkpoint::{Slice, as_bigint};

/// Paths that one statement adds: more of them take memory on both sides, and no less time.
const STATEMENT_PATHS: usize = 20_000;

/// Rows of one statement; of all days, they have none.
#[derive(Default)]
struct Rows<'a> {
    site_id: Vec<&'a str>,
    event_type: Vec<&'a str>,
    day: Vec<NaiveDate>,
    path: Vec<&'a str>,
    views: Vec<i64>,
}

pub(super) async fn add_daily(db: &mut PgConnection, slice: Slice, daily: &Daily<'_>) -> sqlx::Result<()> {
    let mut rows = Rows::default();
    for (site, kind, date, counts) in daily {
        for (path, views) in counts.paths() {
            rows.push(site, kind, path, views);
            rows.day.push(*date);
            if rows.is_full() {
                std::mem::take(&mut rows).add_daily(db, slice).await?;
            }
        }
    }
    rows.add_daily(db, slice).await
}

pub(super) async fn add_total(db: &mut PgConnection, slice: Slice, total: &Total<'_>) -> sqlx::Result<()> {
    let mut rows = Rows::default();
    for (site, kind, counts) in total {
        for (path, views) in counts.paths() {
            rows.push(site, kind, path, views);
            if rows.is_full() {
                std::mem::take(&mut rows).add_total(db, slice).await?;
            }
        }
    }
    rows.add_total(db, slice).await
}

impl<'a> Rows<'a> {
    fn push(&mut self, site_id: &'a str, event_type: &'a str, path: &'a str, views: u64) {
        self.site_id.push(site_id);
        self.event_type.push(event_type);
        self.path.push(path);
        self.views.push(as_bigint(views));
    }

    fn is_full(&self) -> bool {
        self.views.len() == STATEMENT_PATHS
    }

    async fn add_daily(self, db: &mut PgConnection, slice: Slice) -> sqlx::Result<()> {
        let Self { site_id, event_type, day, path, views } = self;
        if views.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "insert into path_daily as known (generation_id, partition_id, site_id, event_type, day, path, views)
             select $1, $2, added.*
             from unnest($3::text[], $4::text[], $5::date[], $6::text[], $7::bigint[]) as added
             on conflict (generation_id, site_id, event_type, day, path, partition_id)
             do update set views = known.views + excluded.views",
            slice.generation.0,
            slice.partition_id(),
            &site_id as &[&str],
            &event_type as &[&str],
            &day,
            &path as &[&str],
            &views,
        )
        .execute(db)
        .await?;
        Ok(())
    }

    async fn add_total(self, db: &mut PgConnection, slice: Slice) -> sqlx::Result<()> {
        let Self { site_id, event_type, path, views, .. } = self;
        if views.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "insert into path_total as known (generation_id, partition_id, site_id, event_type, path, views)
             select $1, $2, added.* from unnest($3::text[], $4::text[], $5::text[], $6::bigint[]) as added
             on conflict (generation_id, site_id, event_type, path, partition_id)
             do update set views = known.views + excluded.views",
            slice.generation.0,
            slice.partition_id(),
            &site_id as &[&str],
            &event_type as &[&str],
            &path as &[&str],
            &views,
        )
        .execute(db)
        .await?;
        Ok(())
    }
}
