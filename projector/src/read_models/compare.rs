//! Two generations, compared row by row and sketch byte by byte. Both are read in the order of their keys, so that it
//! takes no memory worth mentioning, however large they are.

/// The rows of each read model, in the order of their keys.
mod rows;

/// Checksums of tables.
mod checksums;

/// Summaries of months, compared with their days.
pub(crate) mod month_summaries;

use std::cmp::Ordering;
use std::fmt;

use chrono::NaiveDate;
use futures_util::TryStreamExt;
use sqlx::PgConnection;

use super::generation::GenerationId;
use super::tables::{self, Model};
use checksums::Checksum;
use rows::{Key, Row, Value};

/// Rows between two signs of progress.
const PROGRESS_ROWS: u64 = 10_000;

/// One of the two, and where it is read. Its rows must stand still meanwhile: a snapshot, or a generation without a writer.
pub(crate) struct Side<'a> {
    pub(crate) db: &'a mut PgConnection,
    pub(crate) generation: GenerationId,
}

/// What is compared: everything, or a part that is complete in itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Scope {
    /// Only this site.
    pub(crate) site_id: Option<String>,
    /// Only days from here on, and therefore nothing about all time.
    pub(crate) first: Option<NaiveDate>,
    /// Only days up to here, and therefore nothing about all time.
    pub(crate) last: Option<NaiveDate>,
}

/// Extent of a comparison: what both generations have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent<'a> {
    /// The part that is compared.
    pub(crate) scope: &'a Scope,
    /// Fold version of the older generation.
    pub(crate) fold_version: i32,
}

/// What a comparison has come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Keys that were in one of the two, or in both.
    pub(crate) rows: u64,
    /// Keys whose rows differ.
    pub(crate) differences: u64,
}

/// A row that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    model: &'static Model,
    key: Key,
    expected: Option<Value>,
    found: Option<Value>,
}

/// Callbacks of a comparison while it is made.
pub(crate) struct Watcher<'a> {
    /// Called for each difference.
    pub(crate) difference: &'a mut (dyn FnMut(&Difference) + Send),
    /// Called now and then with the number of rows that were compared.
    pub(crate) progress: &'a mut (dyn FnMut(u64) + Send),
}

impl Side<'_> {
    async fn checksum(&mut self, model: &Model) -> sqlx::Result<Checksum> {
        model.checksum(self.db, self.generation).await
    }
}

impl Scope {
    fn is_about_days(&self) -> bool {
        self.first.is_some() || self.last.is_some()
    }

    /// What can be compared within it, of two generations of which the older fold is this.
    fn models(&self, fold_version: i32) -> impl Iterator<Item = &'static Model> + use<> {
        let (about_days, about_a_site) = (self.is_about_days(), self.site_id.is_some());
        tables::all().filter(move |model| {
            model.since <= fold_version
                && (!about_days || model.has_key("day"))
                && (!about_a_site || model.has_key("site_id"))
        })
    }
}

/// Compares all of two generations, first by a checksum of each read model: Postgres makes one in a fraction of the
/// time that rows take to be read here. Where checksums differ, row by row.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn compare_all(
    mut expected: Side<'_>,
    mut found: Side<'_>,
    fold_version: i32,
    watcher: &mut Watcher<'_>,
) -> sqlx::Result<Comparison> {
    let mut rows = 0;
    for model in Scope::default().models(fold_version) {
        let (ours, theirs) = futures_util::try_join!(expected.checksum(model), found.checksum(model))?;
        if ours != theirs {
            let extent = Extent { scope: &Scope::default(), fold_version };
            return compare(expected, found, extent, watcher).await;
        }
        rows += ours.rows;
    }
    Ok(Comparison { rows, differences: 0 })
}

/// Compares all read models that both have, row by row.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn compare(
    expected: Side<'_>,
    found: Side<'_>,
    Extent { scope, fold_version }: Extent<'_>,
    watcher: &mut Watcher<'_>,
) -> sqlx::Result<Comparison> {
    let mut sum = Comparison::default();
    for model in scope.models(fold_version) {
        let mut left = model.rows(expected.db, expected.generation, scope);
        let mut right = model.rows(found.db, found.generation, scope);
        let (mut one, mut other) = (left.try_next().await?, right.try_next().await?);
        while let Some(order) = order(one.as_ref(), other.as_ref()) {
            let ours = if order.is_le() { one.take() } else { None };
            let theirs = if order.is_ge() { other.take() } else { None };
            if order.is_le() {
                one = left.try_next().await?;
            }
            if order.is_ge() {
                other = right.try_next().await?;
            }
            sum.count(model, ours, theirs, watcher);
        }
    }
    Ok(sum)
}

/// Which of the two comes first; `None` where nothing is left.
fn order(one: Option<&Row>, other: Option<&Row>) -> Option<Ordering> {
    match (one, other) {
        (None, None) => None,
        (Some(_), None) => Some(Ordering::Less),
        (None, Some(_)) => Some(Ordering::Greater),
        (Some(one), Some(other)) => Some(one.key.cmp(&other.key)),
    }
}

impl Comparison {
    fn count(&mut self, model: &'static Model, expected: Option<Row>, found: Option<Row>, watcher: &mut Watcher<'_>) {
        self.rows += 1;
        if self.rows.is_multiple_of(PROGRESS_ROWS) {
            (watcher.progress)(self.rows);
        }
        let key = expected.as_ref().or(found.as_ref()).map(|row| row.key.clone()).expect("one of the two is there");
        let (expected, found) = (expected.map(|row| row.value), found.map(|row| row.value));
        if expected != found {
            self.differences += 1;
            (watcher.difference)(&Difference { model, key, expected, found });
        }
    }
}

impl Model {
    /// What a row says, as far as it can be read.
    fn told(&self, value: &Value) -> String {
        match &value.sketch {
            Some(list) if self.is_list() => String::from_utf8_lossy(list).into_owned(),
            _ => value.count.to_string(),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, key, expected, found } = self;
        let told = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), |value| model.told(value));
        write!(f, "{} {key}: expected {}, found {}", model.name, told(expected), told(found))?;
        match (expected, found) {
            (Some(expected), Some(found)) if model.told(expected) == model.told(found) => {
                f.write_str(" with another sketch")
            }
            _ => Ok(()),
        }
    }
}
