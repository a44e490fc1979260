//! What rows of read models say of a site's names.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use chrono::NaiveDate;
use contract::field::OTHER;
use fold::{Dimension, columns, far_month};
use sqlx::{AssertSqlSafe, PgConnection};

use super::batch::Name;
use super::bound::Bound;
use crate::read_models::slice::Slice;
use crate::read_models::tables;

/// A site's type, and how many events it has.
pub(super) struct TypeRow {
    pub(super) site_id: String,
    pub(super) event_type: String,
    pub(super) views: i64,
}

/// Where names lie: a site's, of a day or of all days.
pub(super) struct Names<'d, 'a> {
    pub(super) db: &'d mut PgConnection,
    pub(super) slice: Slice,
    pub(super) site_id: &'a str,
    pub(super) day: Option<NaiveDate>,
    pub(super) types: &'d BTreeSet<String>,
}

/// A name of a site, an event type, and a day or all days.
type Beyond<'a> = ((&'a str, &'a str, Option<NaiveDate>), &'a str);

impl<'d, 'a> Names<'d, 'a> {
    /// Names of a batch that there is no room for. They come in the order of the log.
    pub(super) async fn beyond(
        &mut self,
        dimension: Dimension,
        bound: &mut Bound,
        cap: u64,
        sent: Vec<Name<'a>>,
    ) -> sqlx::Result<Vec<Beyond<'a>>> {
        if !bound.is_exact {
            *bound = Bound { names: self.count(dimension).await?, is_exact: true };
            if bound.take(sent.len() as u64, cap) {
                return Ok(Vec::new());
            }
        }
        let is_stored = self.are_stored(dimension, &sent).await?;
        let mut beyond = Vec::new();
        for (name, is_stored) in sent.iter().zip(is_stored) {
            if is_stored {
                continue;
            }
            if bound.names < cap {
                bound.names += 1;
            } else {
                beyond.push(((self.site_id, name.event_type, self.day), name.text));
            }
        }
        Ok(beyond)
    }

    /// How many events the site has on each of these days.
    pub(super) async fn day_views(
        &mut self,
        days: RangeInclusive<NaiveDate>,
    ) -> sqlx::Result<BTreeMap<NaiveDate, u64>> {
        // A range of each type: many types of many days, looked up one by one, would take longer.
        let views = sqlx::query!(
            r#"select day, sum(views)::bigint as "views!"
               from view_daily
               where generation_id = $1 and partition_id = $2 and site_id = $3 and event_type = any($4)
                 and day between $5 and $6
               group by day"#,
            self.slice.generation.0,
            self.slice.partition_id(),
            self.site_id,
            &self.all_types() as &[&str],
            days.start(),
            days.end()
        );
        let views = views.fetch_all(&mut *self.db).await?;
        Ok(views.into_iter().map(|row| (row.day, u64::try_from(row.views).unwrap_or(0))).collect())
    }

    fn all_types(&self) -> Vec<&'d str> {
        self.types.iter().map(String::as_str).chain([OTHER]).collect()
    }

    /// How many the site has.
    async fn count(&mut self, dimension: Dimension) -> sqlx::Result<u64> {
        let capped = tables::columns(dimension).last().expect("a name has a column");
        let on_day = if self.day.is_some() { "and day = $6" } else { "" };
        let statement = format!(
            "select count(*) from {}
             where generation_id = $1 and partition_id = $2 and site_id = $3 and event_type = any($4) {on_day}
               and {capped} not in ('', $5)",
            self.table(dimension)
        );
        let count = sqlx::query_scalar(AssertSqlSafe(statement))
            .bind(self.slice.generation.0)
            .bind(self.slice.partition_id())
            .bind(self.site_id)
            .bind(self.all_types())
            .bind(OTHER);
        let count = if let Some(day) = self.day { count.bind(day) } else { count };
        let count: i64 = count.fetch_one(&mut *self.db).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Whether each has a row.
    async fn are_stored(&mut self, dimension: Dimension, sent: &[Name<'a>]) -> sqlx::Result<Vec<bool>> {
        let names = [&["event_type"], tables::columns(dimension)].concat();
        let arrays: Vec<_> = (4..).take(names.len()).map(|number| format!("${number}::text[]")).collect();
        let are_same: Vec<_> = names.iter().map(|name| format!("known.{name} = sent.{name}")).collect();
        let on_day = if self.day.is_some() { format!("and day = ${}", 4 + names.len()) } else { String::new() };
        let statement = format!(
            "select exists (
                 select from {} as known
                 where generation_id = $1 and partition_id = $2 and site_id = $3 {on_day} and {}
             )
             from unnest({}) with ordinality as sent ({}, number)
             order by number",
            self.table(dimension),
            are_same.join(" and "),
            arrays.join(", "),
            names.join(", ")
        );
        let mut are_stored = sqlx::query_scalar(AssertSqlSafe(statement))
            .bind(self.slice.generation.0)
            .bind(self.slice.partition_id())
            .bind(self.site_id)
            .bind(sent.iter().map(|name| name.event_type).collect::<Vec<_>>());
        for number in 0..tables::columns(dimension).len() {
            let texts = sent.iter().filter_map(|name| columns(name.text).nth(number));
            are_stored = are_stored.bind(texts.collect::<Vec<_>>());
        }
        let are_stored = if let Some(day) = self.day { are_stored.bind(day) } else { are_stored };
        are_stored.fetch_all(&mut *self.db).await
    }

    fn table(&self, dimension: Dimension) -> &'static str {
        let [daily, total] = tables::of(dimension);
        if self.day.is_some() { &daily.table } else { &total.table }
    }
}

/// Types of sites that are not remembered, with how many events each has.
pub(super) async fn types(db: &mut PgConnection, slice: Slice, sites: &[&str]) -> sqlx::Result<Vec<TypeRow>> {
    // Looked up one by one, however many they are: as in known.sql.
    sqlx::query_as!(
        TypeRow,
        r#"select wanted.site_id as "site_id!", event_type as "event_type!", views as "views!"
           from unnest($3::text[]) as wanted (site_id)
           cross join lateral (
               select event_type, views
               from view_total as known
               where generation_id = $1 and partition_id = $2 and known.site_id = wanted.site_id
           ) as known"#,
        slice.generation.0,
        slice.partition_id(),
        sites as &[&str]
    )
    .fetch_all(db)
    .await
}

/// A site's months of the far past.
pub(super) async fn far_months(db: &mut PgConnection, slice: Slice, site_id: &str) -> sqlx::Result<BTreeSet<i32>> {
    let months = sqlx::query_scalar!(
        r#"select distinct date_trunc('month', day::timestamp)::date as "month!"
           from view_daily
           where generation_id = $1 and partition_id = $2 and site_id = $3 and day < date '2020-01-01'"#,
        slice.generation.0,
        slice.partition_id(),
        site_id
    );
    Ok(months.fetch_all(db).await?.into_iter().filter_map(far_month).collect())
}
